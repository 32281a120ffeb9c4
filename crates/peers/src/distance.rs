//! A server that is further away than it is: a proxy that holds everything back for a while.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Bytes taken from a connection at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// A port behind which a server seems to stand. It ends with the process.
#[derive(Debug)]
pub struct Distance {
    port: u16,
}

impl Distance {
    /// Puts half of `round_trip` between a server on this machine and whoever connects to
    /// [`Distance::port`], each way; any number of messages may be on their way at a time.
    ///
    /// # Errors
    /// When no port is free.
    pub fn to(server_port: u16, round_trip: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                drop(join(near, server_port, round_trip / 2));
            }
        });
        Ok(Self { port })
    }

    /// Where the server seems to be.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

fn join(near: TcpStream, server_port: u16, way: Duration) -> std::io::Result<()> {
    let far = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, server_port)))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    carry(near.try_clone()?, far.try_clone()?, way);
    carry(far, near, way);
    Ok(())
}

/// Hands on what comes, each piece so long after it came. When one side ends, so does the other.
#[expect(clippy::disallowed_methods, reason = "the distance is the wait")]
fn carry(mut from: TcpStream, mut to: TcpStream, way: Duration) {
    let (sender, pieces) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let piece = buffer[..read].to_vec();
            if sender.send((Instant::now() + way, piece)).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, piece) in pieces {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
    });
}
