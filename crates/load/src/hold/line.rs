//! One connection that is held: as little memory as it can do with, for there are many.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;

use crate::{answer::Answer, connection, target::Target};

const READ_BYTES: usize = 16 << 10;

/// What is waited for on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The first answer: until then it is not held.
    Opening,
    Idle,
    /// The answer to what was meant to be asked then.
    Asked(Duration),
}

/// A connection that does not block.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    connected: bool,
    out: Vec<u8>,
    input: Vec<u8>,
    pub(super) state: State,
}

impl Line {
    /// Begins to connect.
    pub(super) fn open(
        target: &Target,
        tls: Option<&Arc<ClientConfig>>,
        from: Option<Ipv4Addr>,
    ) -> anyhow::Result<Self> {
        let tls = match tls {
            Some(tls) => {
                let name = ServerName::try_from(target.name.clone())?;
                Some(Box::new(ClientConnection::new(Arc::clone(tls), name)?))
            }
            None => None,
        };
        let stream = connection::begin(target.address, from)?;
        Ok(Self { stream, tls, connected: false, out: Vec::new(), input: Vec::new(), state: State::Opening })
    }

    /// Sends bytes, or keeps them until they can be.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes)?,
            None => self.out.extend_from_slice(bytes),
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.connected {
            return Ok(());
        }
        let sent: io::Result<()> = match &mut self.tls {
            Some(tls) => (|| {
                while tls.wants_write() {
                    tls.write_tls(&mut self.stream)?;
                }
                Ok(())
            })(),
            None => (|| {
                while !self.out.is_empty() {
                    let count = self.stream.write(&self.out)?;
                    self.out.drain(..count);
                }
                // Nothing is kept where nothing is needed.
                self.out = Vec::new();
                Ok(())
            })(),
        };
        match sent {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            sent => sent,
        }
    }

    /// The socket can be written to: it is connected, or failed to.
    pub(super) fn writable(&mut self) -> io::Result<()> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        self.connected = true;
        self.flush()
    }

    /// Takes what has come. False if nothing more can come.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        let mut buffer = [0; READ_BYTES];
        loop {
            let count = match &mut self.tls {
                Some(tls) => tls.read_tls(&mut self.stream),
                None => self.stream.read(&mut buffer),
            };
            let count = match count {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let Some(tls) = &mut self.tls else {
                self.input.extend_from_slice(&buffer[..count]);
                continue;
            };
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let came = state.plaintext_bytes_to_read();
            let from = self.input.len();
            self.input.resize(from + came, 0);
            tls.reader().read_exact(&mut self.input[from..])?;
            // What agreeing on encryption asks for is sent at once.
            self.flush()?;
        }
    }

    /// The status of the answer that has come whole, and whether it is the last one on this connection.
    pub(super) fn answer(&mut self) -> Result<Option<(u16, bool)>, &'static str> {
        if self.input.is_empty() {
            return Ok(None);
        }
        match Answer::read(&self.input) {
            Answer::Partial => Ok(None),
            Answer::Broken(why) => Err(why),
            Answer::Whole { status, closes, .. } => {
                self.input = Vec::new();
                Ok(Some((status, closes)))
            }
        }
    }
}
