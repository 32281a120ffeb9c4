//! A reading: what it does, and how it ends whatever happens to it.

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
};

use serde::{Serialize, de::DeserializeOwned};

use super::Inner;
use crate::{
    entry::{Entry, How},
    flights::{Flight, Outcome},
};

/// A reading under way. Dropped before its end, it still tells those who wait.
pub(super) struct Flying<V, E> {
    room: Arc<Inner<V, E>>,
    flight: Arc<Flight<V, E>>,
    landed: bool,
}

impl<V, E> Flying<V, E>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    pub(super) const fn new(room: Arc<Inner<V, E>>, flight: Arc<Flight<V, E>>) -> Self {
        Self { room, flight, landed: false }
    }

    pub(super) async fn fly(mut self) {
        let outcome = self.outcome().await;
        self.landed = true;
        self.room.flights.land(&self.flight, outcome);
    }

    async fn outcome(&self) -> Outcome<V, E> {
        let Self { room, flight, .. } = self;
        room.instruments.loads.inc();
        match (room.load)(Arc::clone(&flight.key)).await {
            Ok(value) => {
                let entry = self.entry(value);
                let found = entry.found(entry.made_at, How::Fresh);
                self.keep(entry);
                Outcome::Found(found)
            }
            Err(error) => self.fall_back(error),
        }
    }

    fn entry(&self, value: Option<V>) -> Entry<V> {
        let Self { room, flight, .. } = self;
        let now = room.cache.now();
        Entry {
            bytes: value.as_ref().map_or(0, weight),
            tags: Arc::clone(&flight.tags),
            began: flight.began,
            made_at: now,
            fresh_until: AtomicU64::new(now + room.config.fresh(value.is_some(), room.cache.dice())),
            retry_at: AtomicU64::new(0),
            value: value.map(Arc::new),
        }
    }

    /// What was read before a drop of its tags is for those who asked before, and for nobody else.
    fn keep(&self, entry: Entry<V>) {
        let Self { room, flight, .. } = self;
        if room.cache.drops().stand(entry.began, &entry.tags) {
            room.near.insert(Arc::clone(&flight.key), Arc::new(entry));
        } else {
            room.instruments.thrown_away.inc();
        }
    }

    /// Serves what is left, if it is not too old.
    fn fall_back(&self, error: E) -> Outcome<V, E> {
        let Self { room, flight, .. } = self;
        room.instruments.failures.inc();
        let now = room.cache.now();
        let left = room.entry(&flight.key).filter(|entry| entry.how(now, &room.config).is_some());
        let Some(left) = left else { return Outcome::Failed(Arc::new(error)) };
        left.rest_until(now + room.config.retry_ms);
        room.instruments.stale_on_error.inc();
        Outcome::Found(left.found(now, How::StaleOnError))
    }
}

impl<V, E> Drop for Flying<V, E> {
    fn drop(&mut self) {
        if !self.landed {
            let outcome = if std::thread::panicking() { Outcome::Panicked } else { Outcome::Abandoned };
            self.room.flights.land(&self.flight, outcome);
        }
    }
}

/// How many bytes a value takes, about: those of its text.
fn weight(value: &impl Serialize) -> u32 {
    struct Count(u32);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What has no text weighs what was counted until then.
    drop(serde_json::to_writer(&mut count, value));
    count.0
}
