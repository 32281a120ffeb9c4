//! TLS with other servers, as whoever asks them something.

use std::{path::Path, sync::Arc};

use anyhow::{Context, ensure};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio_rustls::TlsConnector;

/// Speaks with whom the authorities in a file vouch for, or those that this machine trusts.
pub(crate) fn connector(ca_file: Option<&Path>) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let found = match ca_file {
        Some(file) => {
            let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
            read.with_context(|| format!("cannot read the certificates {}", file.display()))?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (known, _) = roots.add_parsable_certificates(found);
    ensure!(known > 0, "nobody is trusted to vouch for other servers");
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(tls)))
}
