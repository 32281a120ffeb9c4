//! TLS 1.3 and nothing older, with a key exchange that a quantum computer will not undo.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer,
    pem::{self, PemObject},
};
use serde::Deserialize;

/// How a port speaks TLS (RFC 8446).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(tag = "mode", deny_unknown_fields, rename_all = "kebab-case")]
pub enum TlsConfig {
    /// It does not: HTTP/1.1, or HTTP/2 with prior knowledge, in the clear.
    #[default]
    Off,
    /// With a certificate chain and its key, both as PEM files.
    Files { certificate: PathBuf, key: PathBuf },
    /// With a certificate made at start for these host names, which nobody else trusts: for local use.
    SelfMade { names: Vec<String> },
}

/// A port's TLS cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path} as PEM")]
    Pem { path: PathBuf, source: pem::Error },
    #[error("the certificate and the key do not serve TLS")]
    Unfit(#[from] rustls::Error),
    #[error("cannot make a certificate")]
    SelfMade(#[from] rcgen::Error),
}

impl TlsConfig {
    /// What the listener needs, or nothing if TLS is off.
    pub(crate) fn acceptor(&self) -> Result<Option<tokio_rustls::TlsAcceptor>, TlsError> {
        let (chain, key) = match self {
            Self::Off => return Ok(None),
            Self::Files { certificate, key } => read(certificate, key)?,
            Self::SelfMade { names } => self_made(names)?,
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Some(tokio_rustls::TlsAcceptor::from(Arc::new(config))))
    }
}

/// The hybrid of ML-KEM-768 and X25519 first, X25519 alone for those who lack it, then the NIST curves.
fn provider() -> CryptoProvider {
    use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
    CryptoProvider {
        kx_groups: vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1],
        ..aws_lc_rs::default_provider()
    }
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read(certificate: &Path, key: &Path) -> Result<Pair, TlsError> {
    let unread = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Pem { path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unread(certificate))?;
    Ok((chain, PrivateKeyDer::from_pem_file(key).map_err(unread(key))?))
}

fn self_made(names: &[String]) -> Result<Pair, TlsError> {
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let config = TlsConfig::Files { certificate: "/no/such.pem".into(), key: "/no/key.pem".into() };
        let error = config.acceptor().err().expect("there is no such file");
        assert_eq!(error.to_string(), "cannot read /no/such.pem as PEM");
    }

    #[test]
    fn a_self_made_certificate_serves() {
        let config = TlsConfig::SelfMade { names: vec!["localhost".to_owned()] };
        assert!(config.acceptor().expect("it can be made").is_some());
    }
}
