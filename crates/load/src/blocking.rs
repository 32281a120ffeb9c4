//! Connections that wait for their bytes, for whoever sends what no library would: as it is, from any address, encrypted
//! where the target is.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use socket2::{Domain, Protocol, Socket, Type};

use crate::target::Target;

/// A connection.
#[derive(Debug)]
pub enum Line {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Connects from an address, if one is named; neither this nor any byte takes longer than `patience`.
///
/// # Errors
/// When the target does not answer, or nobody vouches for it.
pub fn connect(target: &Target, from: Option<Ipv4Addr>, patience: Duration) -> anyhow::Result<Line> {
    let socket = Socket::new(Domain::for_address(target.address), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::from((from, 0)).into())?;
    }
    socket.connect_timeout(&target.address.into(), patience).context("cannot connect")?;
    let mut stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let Some(trust) = &target.trust else { return Ok(Line::Plain(stream)) };
    let mut config = ClientConfig::clone(trust);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(target.name.clone())?;
    let mut tls = ClientConnection::new(Arc::new(config), name)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).context("cannot agree on encryption")?;
    }
    Ok(Line::Encrypted(Box::new(StreamOwned::new(tls, stream))))
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}
