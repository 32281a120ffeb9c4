//! Readings under way, one for each key, for everybody who waits for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    entry::Found,
    tag::{Drops, Tag},
};

const SHARDS: u64 = 64;

/// How a reading ended.
#[derive(Debug)]
pub(crate) enum Outcome<V, E> {
    Found(Found<V>),
    Failed(Arc<E>),
    Panicked,
    /// The runtime that it ran on ended: whoever waits begins another.
    Abandoned,
}

impl<V, E> Clone for Outcome<V, E> {
    fn clone(&self) -> Self {
        match self {
            Self::Found(found) => Self::Found(found.clone()),
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::Panicked => Self::Panicked,
            Self::Abandoned => Self::Abandoned,
        }
    }
}

/// One reading.
#[derive(Debug)]
pub(crate) struct Flight<V, E> {
    pub(crate) key: Arc<str>,
    pub(crate) tags: Arc<[Tag]>,
    /// The moment among drops when it began.
    pub(crate) began: u64,
    outcome: watch::Sender<Option<Outcome<V, E>>>,
}

impl<V, E> Flight<V, E> {
    /// Waits for the end, on any runtime.
    pub(crate) async fn landed(&self) -> Outcome<V, E> {
        let mut outcome = self.outcome.subscribe();
        let landed = outcome.wait_for(Option::is_some).await;
        landed.ok().and_then(|outcome| outcome.clone()).unwrap_or(Outcome::Abandoned)
    }
}

type Shard<V, E> = HashMap<Arc<str>, Arc<Flight<V, E>>>;

#[derive(Debug)]
pub(crate) struct Flights<V, E>(Box<[Mutex<Shard<V, E>>]>);

impl<V, E> Flights<V, E> {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard<V, E>> {
        let shard = usize::try_from(xxh3_64(key.as_bytes()) % SHARDS).unwrap_or(0);
        self.0[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flight for a key, and whether it is a new one, which the caller has to fly then. One whose tags
    /// were dropped since it began is nobody's to join.
    pub(crate) fn join(
        &self,
        key: &str,
        drops: &Drops,
        tags: impl FnOnce() -> Arc<[Tag]>,
    ) -> (Arc<Flight<V, E>>, bool) {
        let mut shard = self.shard(key);
        if let Some(flight) = shard.get(key)
            && drops.stand(flight.began, &flight.tags)
        {
            return (Arc::clone(flight), false);
        }
        let key: Arc<str> = key.into();
        let (outcome, _) = watch::channel(None);
        let flight = Arc::new(Flight { key: Arc::clone(&key), tags: tags(), began: drops.now(), outcome });
        shard.insert(key, Arc::clone(&flight));
        (flight, true)
    }

    /// Ends a flight and tells those who wait.
    pub(crate) fn land(&self, flight: &Arc<Flight<V, E>>, outcome: Outcome<V, E>) {
        let mut shard = self.shard(&flight.key);
        // A newer flight for the same key may stand there by now.
        if shard.get(&flight.key).is_some_and(|listed| Arc::ptr_eq(listed, flight)) {
            shard.remove(&flight.key);
        }
        drop(shard);
        flight.outcome.send_replace(Some(outcome));
    }
}
