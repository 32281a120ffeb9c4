//! Connections to upstreams. Each thread keeps its own idle ones, so that nobody waits for a lock to get one.

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use edge::Stream;
use tokio::{
    io::{AsyncReadExt, AsyncWrite},
    net::TcpStream,
    time::{Instant, Sleep},
};

use crate::{
    ConnectionsConfig, TimesConfig, config::millis, fault::Fault, secure::Secure, sweeper, wire::is_silent,
};

/// What is read at once when little is expected, and when much is.
const READ_BYTES_MIN: usize = 16 << 10;
const READ_BYTES_MAX: usize = 64 << 10;

thread_local! {
    static IDLE: RefCell<Idle> = RefCell::new(HashMap::new());
}

/// The idle connections of a thread, by the numbers of their upstreams. They stay where they lie when they are taken out again.
type Idle = HashMap<u64, Vec<Box<Line>>>;

/// A connection to an upstream, with what came and was not read yet. It stays where it lies, however many requests hand it
/// on to each other.
#[derive(Debug)]
pub(crate) struct Line {
    stream: Stream,
    pub(crate) inbox: BytesMut,
    /// The number of its upstream.
    number: u64,
    pub(crate) is_used: bool,
    idle_until: Instant,
    /// Set to go off at the deadline or before: it is not set anew for every answer.
    alarm: Pin<Box<Sleep>>,
    deadline: Instant,
}

impl Line {
    /// A new connection.
    pub(crate) async fn open(
        number: u64,
        address: &str,
        secure: Option<&Secure>,
        times: &TimesConfig,
    ) -> Result<Box<Self>, Fault> {
        let stream = connect(address, secure, millis(times.connect_ms_max)).await?;
        let now = Instant::now();
        let alarm = Box::pin(tokio::time::sleep_until(now + Duration::from_secs(1)));
        let inbox = BytesMut::new();
        Ok(Box::new(Self { stream, inbox, number, is_used: false, idle_until: now, alarm, deadline: now }))
    }

    /// An idle connection of this thread that still stands.
    pub(crate) fn idle(number: u64) -> Option<Box<Self>> {
        IDLE.with_borrow_mut(|idle| {
            let lines = idle.get_mut(&number)?;
            let now = Instant::now();
            loop {
                let mut line = lines.pop()?;
                if now < line.idle_until && is_silent(&mut line.stream) {
                    return Some(line);
                }
            }
        })
    }

    /// Keeps the connection for the next request, if there is room.
    pub(crate) fn keep(mut self: Box<Self>, config: &ConnectionsConfig) {
        let now = Instant::now();
        self.idle_until = now + millis(config.idle_ms_max);
        self.is_used = true;
        let room = usize::try_from(config.idle_max).unwrap_or(usize::MAX);
        // A thread that ends has no use for it any more.
        let _kept = IDLE.try_with(|idle| {
            let Ok(mut idle) = idle.try_borrow_mut() else { return };
            let lines = idle.entry(self.number).or_default();
            if lines.len() < room {
                lines.push(self);
                sweeper::begin();
            }
        });
    }

    /// Reads what has come: how many bytes, nought at the end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, expected: u64) -> Poll<io::Result<usize>> {
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        if self.inbox.capacity() - self.inbox.len() < READ_BYTES_MIN / 4 {
            self.inbox.reserve(expected.clamp(READ_BYTES_MIN, READ_BYTES_MAX));
        }
        std::pin::pin!(self.stream.read_buf(&mut self.inbox)).poll(cx)
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        then: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        match (first.is_empty(), then.is_empty()) {
            (true, _) => stream.poll_write(cx, then),
            (false, true) => stream.poll_write(cx, first),
            (false, false) => {
                stream.poll_write_vectored(cx, &[io::IoSlice::new(first), io::IoSlice::new(then)])
            }
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// From now on, so long.
    pub(crate) fn give(&mut self, time: Duration) {
        self.deadline = Instant::now() + time;
    }

    /// Ready when the time that was given is over.
    pub(crate) fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.alarm.deadline() > self.deadline {
            self.alarm.as_mut().reset(self.deadline);
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(self.deadline);
        }
    }

    pub(crate) fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.inbox)
    }
}

/// Closes what has been idle for too long, or was ended from behind. Is anything left?
pub(crate) fn sweep() -> bool {
    let now = Instant::now();
    IDLE.with_borrow_mut(|idle| {
        idle.retain(|_, lines| {
            lines.retain_mut(|line| now < line.idle_until && is_silent(&mut line.stream));
            !lines.is_empty()
        });
        !idle.is_empty()
    })
}

/// Connects to an upstream within this time.
pub(crate) async fn connect(address: &str, secure: Option<&Secure>, time: Duration) -> Result<Stream, Fault> {
    match tokio::time::timeout(time, wire(address, secure)).await {
        Ok(Ok(wire)) => Ok(wire),
        Ok(Err(error)) => {
            tracing::debug!(upstream = address, %error, "an upstream cannot be reached");
            Err(Fault::Unreachable)
        }
        Err(_) => Err(Fault::ConnectTooSlow),
    }
}

async fn wire(address: &str, secure: Option<&Secure>) -> io::Result<Stream> {
    let stream = match address.parse::<SocketAddr>() {
        Ok(address) => TcpStream::connect(address).await?,
        Err(_) => TcpStream::connect(address).await?,
    };
    stream.set_nodelay(true)?;
    Ok(match secure {
        Some(secure) => Stream::Tls(Box::new(secure.connect(address, stream).await?.into())),
        None => Stream::Plain(stream),
    })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Keeps so many connections for this time, and says how many there are a while later.
    async fn kept_of(count: usize, idle_ms_max: u32, stands: bool) -> usize {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let idle_ms_max = idle_ms_max.try_into().expect("it is not zero");
        let (mut lines, mut behind) = (Vec::new(), Vec::new());
        for _ in 0..count {
            lines.push(Line::open(1, &address, None, &TimesConfig::default()).await.expect("it listens"));
            behind.push(listener.accept().await.expect("it comes"));
        }
        lines.into_iter().for_each(|line| line.keep(&ConnectionsConfig { idle_ms_max, idle_max: 100 }));
        if !stands {
            behind.clear();
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
        IDLE.with_borrow(|idle| idle.values().map(Vec::len).sum())
    }

    #[tokio::test]
    async fn idle_connections_are_kept_for_their_time_and_closed_then_though_nobody_comes() {
        assert_eq!(kept_of(60, 60_000, true).await, 60);
        IDLE.with_borrow_mut(HashMap::clear);
        assert_eq!(kept_of(60, 100, true).await, 0);
    }

    #[tokio::test]
    async fn connections_that_were_ended_from_behind_are_not_kept_half_open() {
        assert_eq!(kept_of(60, 60_000, false).await, 0);
    }
}
