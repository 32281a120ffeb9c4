//! TLS to upstreams: whom they have to be, and who we are.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, ServerName,
    pem::{self, PemObject},
};
use serde::{Deserialize, Serialize};
use tokio::{io, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{PoolConfig, Protocol};

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum TlsVersion {
    /// RFC 5246, as rustls speaks it: with fresh keys for each connection and authenticated encryption only.
    #[serde(rename = "1.2")]
    Tls12,
    /// RFC 8446.
    #[default]
    #[serde(rename = "1.3")]
    Tls13,
}

/// How the servers of a pool are spoken to in TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct UpstreamTlsConfig {
    /// Who vouches for them, as a PEM file; those whom the system trusts, if absent.
    pub ca_file: Option<PathBuf>,
    /// What they have to speak at least: 1.3, if absent.
    pub oldest: TlsVersion,
    /// The name that their certificates are for; the host of their address, if absent.
    pub name: Option<String>,
    /// What we show them: a chain of certificates and its key, as PEM files.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// TLS that cannot be spoken as configured.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamTlsError {
    #[error("cannot read {path} as PEM: {source}")]
    Pem { path: PathBuf, source: pem::Error },
    #[error("nobody vouches for anybody: the system trusts no one that could be read; name a ca-file")]
    NobodyTrusted,
    #[error("`{0}` is no name that a certificate could be for")]
    Name(String),
    #[error("a certificate needs its key, and a key its certificate")]
    Half,
    #[error("the certificate and the key do not go together: {0}")]
    Unfit(#[from] rustls::Error),
}

/// Speaks TLS to the servers of a pool.
#[derive(Clone)]
pub(crate) struct Secure {
    connector: TlsConnector,
    name: Option<ServerName<'static>>,
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secure").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Secure {
    /// For the servers of this pool, if they are spoken to in TLS, with what its files hold now.
    pub(crate) fn of(pool: &PoolConfig) -> Result<Option<Self>, UpstreamTlsError> {
        pool.tls.as_ref().map(|tls| Self::new(tls, pool.protocol)).transpose()
    }

    fn new(config: &UpstreamTlsConfig, protocol: Protocol) -> Result<Self, UpstreamTlsError> {
        let name = config.name.as_deref().map(server_name).transpose()?;
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(config.oldest.and_newer())?
            .with_root_certificates(trusted(config.ca_file.as_deref())?);
        let mut tls = match (&config.certificate, &config.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let unreadable = |source| UpstreamTlsError::Pem { path: key.clone(), source };
                let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable)?;
                builder.with_client_auth_cert(certificates(certificate)?, key)?
            }
            _ => return Err(UpstreamTlsError::Half),
        };
        tls.alpn_protocols = vec![protocol.alpn().to_vec()];
        Ok(Self { connector: Arc::new(tls).into(), name })
    }

    /// Speaks TLS on a connection to this address.
    pub(crate) async fn connect(&self, address: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let host = || address.rsplit_once(':').map_or(address, |(host, _)| host.trim_matches(['[', ']']));
        let name = match &self.name {
            Some(name) => name.clone(),
            None => server_name(host()).map_err(io::Error::other)?,
        };
        self.connector.connect(name, stream).await
    }
}

impl TlsVersion {
    fn and_newer(self) -> &'static [&'static SupportedProtocolVersion] {
        static NEWEST_FIRST: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Tls12 => &NEWEST_FIRST,
            Self::Tls13 => &NEWEST_FIRST[..1],
        }
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, UpstreamTlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| UpstreamTlsError::Name(name.to_owned()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, UpstreamTlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|source| UpstreamTlsError::Pem { path: path.to_owned(), source })
}

/// Speaks TLS, as nobody in particular, with those for whom a PEM file's authorities vouch, or those whom the system trusts.
///
/// # Errors
/// When the file cannot be read, or nobody is left who vouches.
pub fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, UpstreamTlsError> {
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted(ca_file)?)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(tls)))
}

/// Whom a PEM file names to vouch for servers, or those whom the system trusts.
fn trusted(ca_file: Option<&Path>) -> Result<RootCertStore, UpstreamTlsError> {
    let mut roots = RootCertStore::empty();
    let certificates = match ca_file {
        Some(path) => certificates(path)?,
        // Single ones that cannot be read do not matter as long as there are others.
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 { Err(UpstreamTlsError::NobodyTrusted) } else { Ok(roots) }
}
