//! A reading: what it does, and how it ends whatever happens to it.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use super::Inner;
use crate::{
    entry::{Entry, How},
    flights::{Flight, Outcome},
    shared::{Redis, Stamp, Stored},
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
        let redis = room.cache.redis().filter(|_| room.config.shared);
        let key = format!("{}:{}", room.name, flight.key);
        let asked = match redis {
            Some(redis) => redis.read(&key, &flight.tags).await,
            None => None,
        };
        let stamp = asked.as_ref().map(|asked| asked.stamp);
        let shared = asked.and_then(|asked| asked.stored).and_then(|stored| self.shared_entry(stored));
        let now = room.cache.now();
        if let Some(entry) = shared {
            let fresh = entry.how(now, &room.config) == Some(How::Fresh);
            let found = entry.found(now, How::Fresh);
            // An old one is kept too: it is all there is if it cannot be read anew.
            self.keep(entry);
            if fresh {
                room.instruments.shared_hits.inc();
                return Outcome::Found(found);
            }
        }
        room.instruments.loads.inc();
        match (room.load)(Arc::clone(&flight.key)).await {
            Ok(value) => {
                // Its text is what it weighs, and what is shared.
                let text = value.as_ref().and_then(|value| serde_json::to_vec(value).ok());
                let entry = self.entry(value, text.as_ref().map_or(0, Vec::len), Duration::ZERO);
                let found = entry.found(entry.made_at, How::Fresh);
                let there = found.value.is_some();
                if self.keep(entry)
                    && let (Some(redis), Some(stamp), true) = (redis, stamp, there == text.is_some())
                {
                    self.share(redis.clone(), key, stamp, text);
                }
                Outcome::Found(found)
            }
            Err(error) => self.fall_back(error),
        }
    }

    /// Nobody waits for Redis to have it.
    fn share(&self, redis: Redis, key: String, stamp: Stamp, text: Option<Vec<u8>>) {
        let life = self.room.config.life(text.is_some());
        self.room.cache.begin(async move { redis.write(&key, stamp, text, life).await });
    }

    /// An entry that another node shared; nothing if this program cannot read it.
    fn shared_entry(&self, stored: Stored) -> Option<Entry<V>> {
        let age = self.room.cache.redis()?.age(stored.made_at_ms);
        let bytes = stored.text.as_ref().map_or(0, Vec::len);
        let value = match stored.text {
            Some(text) => Some(serde_json::from_slice(&text).ok()?),
            None => None,
        };
        Some(self.entry(value, bytes, age))
    }

    fn entry(&self, value: Option<V>, bytes: usize, age: Duration) -> Entry<V> {
        let Self { room, flight, .. } = self;
        let made_at = room.cache.now().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        Entry {
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            tags: Arc::clone(&flight.tags),
            began: flight.began,
            made_at,
            fresh_until: AtomicU64::new(made_at + room.config.fresh(value.is_some(), room.cache.dice())),
            retry_at: AtomicU64::new(0),
            value: value.map(Arc::new),
        }
    }

    /// What was read before a drop of its tags is for those who asked before, and for nobody else.
    fn keep(&self, entry: Entry<V>) -> bool {
        let Self { room, flight, .. } = self;
        let stands = room.cache.drops().stand(entry.began, &entry.tags);
        if stands {
            room.near.insert(Arc::clone(&flight.key), Arc::new(entry));
        } else {
            room.instruments.thrown_away.inc();
        }
        stands
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
