//! One connection of the generator: bytes out, bytes in, and who waits for an answer on it.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::answer::Answer;

const READ_BYTES: usize = 16 << 10;

/// Somebody on their way through a journey.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) journey: usize,
    pub(super) step: usize,
    /// When they were meant to come.
    pub(super) intended: Duration,
    /// Names them alone among all of this thread.
    pub(super) number: u64,
    /// Which of the people they are, by a number that was drawn.
    pub(super) drawn: usize,
    pub(super) kept: Vec<String>,
}

/// A connection that does not block.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    connected: bool,
    out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    filled: usize,
    answered: bool,
    pub(super) waiting: VecDeque<Visit>,
    /// It stands in the list of connections that take another request.
    pub(super) listed: bool,
}

/// What an answer was, without its bytes.
pub(super) struct Read1 {
    pub(super) status: u16,
    pub(super) body: (usize, usize),
    pub(super) joined: Option<Vec<u8>>,
    pub(super) used: usize,
    pub(super) closes: bool,
}

/// Begins to connect, from an address if one is named, and does not wait for it.
pub(super) fn begin(address: SocketAddr, from: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::from((from, 0)).into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

impl Connection {
    /// Begins to connect.
    pub(super) fn open(address: SocketAddr, from: Option<Ipv4Addr>) -> io::Result<Self> {
        Ok(Self {
            stream: begin(address, from)?,
            connected: false,
            out: Vec::new(),
            written: 0,
            input: vec![0; READ_BYTES],
            filled: 0,
            answered: false,
            waiting: VecDeque::new(),
            listed: false,
        })
    }

    /// Where to write the next request; [`Self::flush`] sends it.
    pub(super) const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Sends as much as the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.connected && self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
        Ok(())
    }

    /// The socket can be written to: it is connected, or failed to.
    pub(super) fn writable(&mut self) -> io::Result<()> {
        if !self.connected {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            self.connected = true;
        }
        self.flush()
    }

    /// Takes what has come. False if nothing more can come.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        loop {
            if self.filled == self.input.len() {
                self.input.resize(self.input.len() * 2, 0);
            }
            let room = self.input.len() - self.filled;
            match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.filled += count;
                    // Whatever comes after a short read is told of again.
                    if count < room {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The first answer that has come whole.
    pub(super) fn answer(&self) -> Result<Option<Read1>, &'static str> {
        if self.filled == 0 {
            return Ok(None);
        }
        match Answer::read(&self.input[..self.filled]) {
            Answer::Partial => Ok(None),
            Answer::Whole { status, body, joined, used, closes } => {
                Ok(Some(Read1 { status, body, joined, used, closes }))
            }
            Answer::Broken(why) => Err(why),
        }
    }

    pub(super) fn bytes(&self, range: (usize, usize)) -> &[u8] {
        &self.input[range.0..range.1]
    }

    /// Was anything ever answered on it?
    pub(super) const fn has_answered(&self) -> bool {
        self.answered
    }

    /// Forgets an answer that was read.
    pub(super) fn consume(&mut self, used: usize) {
        self.answered = true;
        self.input.copy_within(used..self.filled, 0);
        self.filled -= used;
    }
}
