//! Connections to the target, encrypted or not, and which version of HTTP is spoken on them.

use std::{
    net::Ipv4Addr,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use anyhow::Context;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::target::Target;

/// A connection.
pub enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// How encrypted targets are believed: whom the system trusts, and the authorities in a file.
///
/// # Errors
/// When the file cannot be read.
pub fn trust(ca_file: Option<&std::path::Path>) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        for certificate in CertificateDer::pem_file_iter(path).context("cannot read the authorities")? {
            roots.add(certificate?)?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Connects; tells whether HTTP/2 was agreed on. `http1` leaves no choice.
pub async fn dial(target: &Target, http1: bool) -> anyhow::Result<(Stream, bool)> {
    dial_from(target, None, http1).await
}

/// The same from an address of this machine.
pub async fn dial_from(
    target: &Target,
    from: Option<Ipv4Addr>,
    http1: bool,
) -> anyhow::Result<(Stream, bool)> {
    let stream = match from {
        Some(from) => {
            let socket = TcpSocket::new_v4()?;
            socket.bind((from, 0).into())?;
            socket.connect(target.address).await?
        }
        None => TcpStream::connect(target.address).await?,
    };
    stream.set_nodelay(true)?;
    let Some(trust) = &target.trust else { return Ok((Stream::Plain(stream), false)) };
    let mut config = ClientConfig::clone(trust);
    if http1 {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    let name = ServerName::try_from(target.name.clone())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((Stream::Encrypted(Box::new(stream)), second))
}

impl Stream {
    /// The version of TLS and its key exchange, if it is encrypted.
    pub fn encryption(&self) -> Option<(String, String)> {
        let Self::Encrypted(stream) = self else { return None };
        let connection = stream.get_ref().1;
        let version = connection.protocol_version().map(|version| format!("{version:?}"));
        let group = connection.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
        Some((version.unwrap_or_default(), group.unwrap_or_default()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
