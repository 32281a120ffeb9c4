//! Callers who come at their own pace, whatever becomes of those before them: requests at a constant rate, each timed
//! from the moment it was meant to be sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use clock::{Clock, Stopwatch};

use super::Connection;

/// Callers of one kind.
pub(crate) struct Stream {
    pub(crate) per_second: f64,
    /// From when on, and until when, they come, counted from the start of the run.
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// The request of a number.
    pub(crate) request: Box<dyn Fn(u64) -> Vec<u8> + Send>,
}

/// A request that was meant to be sent at `at`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) at: Duration,
    /// Nothing if the caller gave up, or could not ask.
    pub(crate) status: Option<u16>,
    pub(crate) took: Duration,
}

/// Connections that nobody uses at the moment.
type Idle = Arc<Mutex<Vec<Connection>>>;

/// Lets all of them come at once; tells what became of each stream's requests. Callers give up after `patience`, and
/// close their connection then.
pub(crate) async fn run(
    address: SocketAddr,
    streams: Vec<Stream>,
    patience: Duration,
) -> anyhow::Result<Vec<Vec<Sent>>> {
    let running = Clock::System.stopwatch();
    let streams: Vec<_> = streams
        .into_iter()
        .map(|stream| tokio::spawn(come(address, stream, patience, running.clone())))
        .collect();
    let mut sent = Vec::new();
    for stream in streams {
        sent.push(stream.await??);
    }
    Ok(sent)
}

async fn come(
    address: SocketAddr,
    stream: Stream,
    patience: Duration,
    running: Stopwatch,
) -> anyhow::Result<Vec<Sent>> {
    let idle = Idle::default();
    let every = Duration::from_secs_f64(1.0 / stream.per_second);
    let mut asked = Vec::new();
    let (mut at, mut number) = (stream.from, 0);
    while at < stream.to {
        let early = at.saturating_sub(running.elapsed());
        if !early.is_zero() {
            tokio::time::sleep(early).await;
        }
        let request = (stream.request)(number);
        asked.push(tokio::spawn(ask(address, request, at, patience, running.clone(), Arc::clone(&idle))));
        number += 1;
        at += every;
    }
    let mut sent = Vec::new();
    for one in asked {
        sent.push(one.await?);
    }
    Ok(sent)
}

async fn ask(
    address: SocketAddr,
    request: Vec<u8>,
    at: Duration,
    patience: Duration,
    running: Stopwatch,
    idle: Idle,
) -> Sent {
    let left = (at + patience).saturating_sub(running.elapsed());
    let answered = tokio::time::timeout(left, async {
        let known = lock(&idle).pop();
        let mut connection = match known {
            Some(connection) => connection,
            None => Connection::open(address).await?,
        };
        let (status, _) = connection.ask(&request).await?;
        lock(&idle).push(connection);
        anyhow::Ok(status)
    });
    let status = answered.await.ok().and_then(Result::ok);
    Sent { at, status, took: running.elapsed().saturating_sub(at) }
}

fn lock(idle: &Idle) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
