//! Opening a connection in HTTP/2: it is there when the upstream has said how many requests it takes at once.

use std::{
    num::NonZeroU32,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use edge::Stream;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use crate::{
    config::millis, fault::Fault, line::connect, pool::Pool, sending::Sending, upstream::Upstream,
    wire::agreed,
};

/// What an upstream may send of one answer before it is read on. Of all together there is no bound but that of their number,
/// so that callers who do not read keep nobody else from their answers.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// A silent connection with requests on it is asked this often whether it still stands, and given up after this time.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// Stands for a number that was not said yet. None that is said is as large, and that there is none is told by a larger one.
const NOT_SAID: usize = usize::MAX - 1;
/// How often is looked whether it was said, which takes one way there and back.
const LOOK_EVERY: Duration = Duration::from_millis(1);

pub(super) type Sender = http2::SendRequest<Sending>;
type Driver = http2::Connection<TokioIo<Stream>, Sending, TokioExecutor>;

/// A connection that requests can be sent over. It lives for as long as it stands and somebody has its sender.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) sender: Sender,
    /// Gone when it has ended.
    driver: Weak<Mutex<Driver>>,
}

impl Opened {
    pub(super) fn has_ended(&self) -> bool {
        self.sender.is_closed()
    }

    /// How many requests the upstream takes at once, as it last said (RFC 9113, section 5.1.2).
    pub(super) fn streams_max(&self) -> usize {
        self.driver.upgrade().map_or(0, |driver| lock(&driver).current_max_send_streams())
    }
}

/// Nobody holds it while they wait, nor does anything that it polls come back here.
fn lock(driver: &Mutex<Driver>) -> MutexGuard<'_, Driver> {
    driver.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a connection, within this time.
pub(super) async fn open(
    pool: &Pool,
    upstream: &Upstream,
    connect_ms_max: NonZeroU32,
) -> Result<Opened, Fault> {
    let time = millis(connect_ms_max);
    tokio::time::timeout(time, greeted(pool, upstream, time)).await.unwrap_or(Err(Fault::ConnectTooSlow))
}

async fn greeted(pool: &Pool, upstream: &Upstream, time: Duration) -> Result<Opened, Fault> {
    const LOST: Fault = Fault::Lost { nothing_sent: true };
    let secure = pool.secure();
    let wire = connect(&upstream.address, secure.as_deref(), time).await?;
    if secure.is_some() && agreed(&wire) != Some(b"h2") {
        return Err(Fault::BadAnswer("it does not speak HTTP/2"));
    }
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_max_send_streams(NOT_SAID)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN);
    let (sender, driver) = builder.handshake(TokioIo::new(wire)).await.map_err(|_| LOST)?;
    let driver = Arc::new(Mutex::new(driver));
    let opened = Opened { sender, driver: Arc::downgrade(&driver) };
    let address = upstream.address.clone();
    tokio::spawn(async move {
        let ended = std::future::poll_fn(|cx| Pin::new(&mut *lock(&driver)).poll(cx)).await;
        if let Err(error) = ended {
            tracing::debug!(upstream = &*address, %error, "a connection to an upstream ended");
        }
    });
    while opened.streams_max() == NOT_SAID {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    if opened.has_ended() { Err(LOST) } else { Ok(opened) }
}
