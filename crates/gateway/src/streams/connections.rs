//! The HTTP/2 connections of a thread: a request goes over the first that has room for it, and when none has, one more is
//! opened, of which those who come meanwhile have their share.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::opening::{Opened, Sender, open};
use crate::{config::millis, fault::Fault, pool::Pool, sweeper, upstream::Upstream};

/// Requests that an upstream is expected to take at once while it has not said how many (RFC 9113, section 6.5.2).
const STREAMS_EXPECTED: usize = 100;
/// How often a request looks for room, when what was opened for it has less than was expected.
const LOOKS_MAX: usize = 3;

thread_local! {
    static KNOWN: RefCell<HashMap<u64, Vec<Connection>>> = RefCell::new(HashMap::new());
}

/// A connection, or one that is being opened.
struct Connection {
    /// Tells it from all others.
    number: u64,
    load: Arc<Load>,
    idle_max: Duration,
    state: watch::Receiver<State>,
}

/// Nothing while it is being opened.
type State = Option<Result<Opened, Fault>>;

/// What a connection has to do.
struct Load {
    begun: Instant,
    streams: AtomicUsize,
    /// When the last of them ended.
    ended_after_ms: AtomicU64,
}

/// One request's place on a connection, until its answer has come and its body has gone.
pub(crate) struct Place(Arc<Load>);

/// A connection with room for a request.
pub(super) struct Room {
    pub(super) number: u64,
    pub(super) sender: Sender,
    pub(super) place: Arc<Place>,
}

/// Finds a connection with room, or opens one.
pub(super) async fn room(pool: &Arc<Pool>, upstream: &Arc<Upstream>) -> Result<Room, Fault> {
    const LOST: Fault = Fault::Lost { nothing_sent: true };
    for _ in 0..LOOKS_MAX {
        let (number, place, mut state) = take(pool, upstream)?;
        let opened = match state.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Ok(opened))) => opened.clone(),
            Ok(Some(Err(fault))) => return Err(*fault),
            Ok(None) | Err(_) => return Err(LOST),
        };
        if opened.has_ended() {
            return Err(LOST);
        }
        if place.0.streams.load(SeqCst) <= opened.streams_max() {
            return Ok(Room { number, sender: opened.sender, place: Arc::new(place) });
        }
    }
    Err(Fault::Full)
}

/// A place on a connection that has one, or is expected to.
fn take(pool: &Arc<Pool>, upstream: &Arc<Upstream>) -> Result<(u64, Place, watch::Receiver<State>), Fault> {
    KNOWN.with_borrow_mut(|known| {
        let connections = known.entry(upstream.number).or_default();
        connections.retain(|connection| !connection.is_over());
        let expected = connections.iter().rev().find_map(Connection::streams_max).unwrap_or(STREAMS_EXPECTED);
        if let Some(found) = connections.iter().find_map(|connection| connection.take(expected)) {
            return Ok(found);
        }
        let connections_max = pool.config.connections.idle_max.max(1);
        if connections.len() >= usize::try_from(connections_max).unwrap_or(usize::MAX) {
            return Err(Fault::Full);
        }
        let connection = Connection::begin(pool, upstream);
        let taken = connection.take(1).ok_or(Fault::Full);
        connections.push(connection);
        taken
    })
}

/// Nothing more is sent over this connection. It ends with the last of its answers.
pub(super) fn forget(upstream: &Upstream, number: u64) {
    KNOWN.with_borrow_mut(|known| {
        if let Some(connections) = known.get_mut(&upstream.number) {
            connections.retain(|connection| connection.number != number);
        }
    });
}

/// Closes what has been idle for too long. Is anything left?
pub(crate) fn sweep() -> bool {
    KNOWN.with_borrow_mut(|known| {
        known.retain(|_, connections| {
            connections.retain(|connection| !connection.is_over() && !connection.is_idle_for_too_long());
            !connections.is_empty()
        });
        !known.is_empty()
    })
}

impl Connection {
    /// Opens one, whoever goes meanwhile.
    fn begin(pool: &Arc<Pool>, upstream: &Arc<Upstream>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let (opened, state) = watch::channel(None);
        let load =
            Load { begun: Instant::now(), streams: AtomicUsize::new(0), ended_after_ms: AtomicU64::new(0) };
        let idle_max = millis(pool.config.connections.idle_ms_max);
        let (pool, upstream) = (pool.clone(), upstream.clone());
        tokio::spawn(async move {
            let result = open(&pool, &upstream, pool.config.times.connect_ms_max).await;
            opened.send_replace(Some(result));
        });
        sweeper::begin();
        Self { number: NUMBERS.fetch_add(1, Relaxed), load: Arc::new(load), idle_max, state }
    }

    /// One place more, if it has room; so much of it where it has not said how much.
    fn take(&self, expected: usize) -> Option<(u64, Place, watch::Receiver<State>)> {
        let streams_max = self.streams_max().unwrap_or(expected);
        let place = self.load.clone().take(streams_max)?;
        Some((self.number, place, self.state.clone()))
    }

    /// How many requests it takes at once; nothing while it is being opened.
    fn streams_max(&self) -> Option<usize> {
        let opened = self.state.borrow();
        opened.as_ref().map(|opened| opened.as_ref().map_or(0, Opened::streams_max))
    }

    /// It has ended, or was never opened.
    fn is_over(&self) -> bool {
        let opened = self.state.borrow();
        opened.as_ref().is_some_and(|opened| opened.as_ref().map_or(true, Opened::has_ended))
    }

    fn is_idle_for_too_long(&self) -> bool {
        let ended = Duration::from_millis(self.load.ended_after_ms.load(SeqCst));
        self.load.streams.load(SeqCst) == 0
            && self.load.begun.elapsed().saturating_sub(ended) >= self.idle_max
    }
}

impl Load {
    fn take(self: Arc<Self>, streams_max: usize) -> Option<Place> {
        let more = |streams| (streams < streams_max).then_some(streams + 1);
        self.streams.fetch_update(SeqCst, SeqCst, more).ok()?;
        Some(Place(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.ended_after_ms.store(crate::gateway::millis(self.0.begun.elapsed()), SeqCst);
        self.0.streams.fetch_sub(1, SeqCst);
    }
}
