//! A network that breaks when it is told to: a TCP proxy between callers and the target.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context;
use rand::RngExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

const BUFFER_BYTES: usize = 64 << 10;
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What a lost segment costs at least: the shortest time after which Linux sends it again.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// What the network does to what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes at once.
    Fair,
    /// Nothing passes, and nobody is told: it passes when this is over.
    Cut,
    /// Everything comes later, in each direction.
    Slow(Duration),
    /// Of a thousand pieces so many are lost, and come as late as TCP sends them again.
    Lossy(u16),
}

/// The proxy: it ends with the process.
#[derive(Debug)]
pub struct Proxy {
    /// Where callers connect.
    pub address: SocketAddr,
    weather: Arc<AtomicU64>,
}

impl Proxy {
    /// Stands before a target.
    ///
    /// # Errors
    /// When there is no port or no thread for it.
    pub fn before(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let weather = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&weather);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = move || {
            // Whoever cannot be served finds the connection closed; the process ends the loop.
            drop(runtime.block_on(serve(listener, target, seen)));
        };
        thread::Builder::new()
            .name("drill-proxy".to_owned())
            .spawn(serve)
            .context("cannot start a thread")?;
        Ok(Self { address, weather })
    }

    /// From now on the network is like this.
    pub fn set(&self, weather: Weather) {
        let code = match weather {
            Weather::Fair => 0,
            Weather::Cut => 1,
            Weather::Slow(by) => 2 | (u64::try_from(by.as_millis()).unwrap_or(60_000) << 8),
            Weather::Lossy(permille) => 3 | (u64::from(permille) << 8),
        };
        self.weather.store(code, Ordering::Relaxed);
    }
}

fn weather(code: &AtomicU64) -> Weather {
    let code = code.load(Ordering::Relaxed);
    match code & 0xff {
        1 => Weather::Cut,
        2 => Weather::Slow(Duration::from_millis(code >> 8)),
        3 => Weather::Lossy(u16::try_from(code >> 8).unwrap_or(1000)),
        _ => Weather::Fair,
    }
}

async fn serve(
    listener: std::net::TcpListener,
    target: SocketAddr,
    seen: Arc<AtomicU64>,
) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let Ok((caller, _)) = listener.accept().await else { continue };
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            while weather(&seen) == Weather::Cut {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let Ok(server) = TcpStream::connect(target).await else { return };
            drop((caller.set_nodelay(true), server.set_nodelay(true)));
            let ((from_caller, to_caller), (from_server, to_server)) =
                (caller.into_split(), server.into_split());
            tokio::spawn(pass(from_caller, to_server, Arc::clone(&seen)));
            pass(from_server, to_caller, seen).await;
        });
    }
}

/// One direction of one connection.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: Arc<AtomicU64>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        match weather(&seen) {
            Weather::Fair | Weather::Cut => {}
            Weather::Slow(by) => tokio::time::sleep(by).await,
            Weather::Lossy(permille) => {
                if rand::rng().random_range(0..1000) < permille {
                    tokio::time::sleep(RETRANSMISSION).await;
                }
            }
        }
        while weather(&seen) == Weather::Cut {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn echo() -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                thread::spawn(move || {
                    let mut buffer = [0; 100];
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        stream.write_all(&buffer[..count]).expect("it is read");
                    }
                });
            }
        });
        address
    }

    #[test]
    fn what_is_sent_while_the_network_is_cut_comes_when_it_is_whole_again() {
        let proxy = Proxy::before(echo()).expect("it starts");
        let mut stream = std::net::TcpStream::connect(proxy.address).expect("it listens");
        let mut answer = [0; 2];
        stream.write_all(b"ab").expect("it is read");
        stream.read_exact(&mut answer).expect("it passes");
        proxy.set(Weather::Cut);
        stream.write_all(b"cd").expect("the proxy takes it");
        stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a socket");
        assert!(stream.read(&mut answer).is_err(), "nothing passes");
        proxy.set(Weather::Fair);
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        stream.read_exact(&mut answer).expect("it passes again");
        assert_eq!(&answer, b"cd");
    }
}
