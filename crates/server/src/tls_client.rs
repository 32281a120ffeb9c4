//! TLS with other servers, as whoever asks them something.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, crypto::aws_lc_rs};
use tokio_rustls::TlsConnector;

/// Speaks with whom the authorities in a file vouch for, or those that this machine trusts.
pub(crate) fn connector(ca_file: Option<&Path>) -> anyhow::Result<TlsConnector> {
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(gateway::trusted(ca_file)?)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(tls)))
}
