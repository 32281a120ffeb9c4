//! A room of the cache: entries of one kind, and how they are read.

mod fill;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use moka::sync::Cache as Moka;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Cache, RoomConfig,
    entry::{Entry, Found, How, Moment},
    flights::{Flight, Flights, Outcome},
    instruments::Instruments,
    tag::Tag,
};

/// What an entry takes beside its key and value.
const ENTRY_BYTES: u32 = 160;

type Reading<V, E> = Pin<Box<dyn Future<Output = Result<Option<V>, E>> + Send>>;
type Load<V, E> = Box<dyn Fn(Arc<str>) -> Reading<V, E> + Send + Sync>;
type Tags = Box<dyn Fn(&str) -> Vec<Tag> + Send + Sync>;

/// Entries of one kind. Clones are handles to the same.
pub struct Room<V, E>(Arc<Inner<V, E>>);

struct Inner<V, E> {
    cache: Cache,
    name: &'static str,
    config: RoomConfig,
    near: Moka<Arc<str>, Arc<Entry<V>>>,
    flights: Flights<V, E>,
    tags: Tags,
    load: Load<V, E>,
    instruments: Instruments,
}

/// Why nothing can be said of a key.
#[derive(Debug, thiserror::Error)]
pub enum Unloaded<E> {
    /// Everybody who waited for this reading gets the same error.
    #[error("what is not cached could not be read")]
    Failed(Arc<E>),
    #[error("what should have read it panicked")]
    Panicked,
}

/// What came of warming.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Warmed {
    pub read: usize,
    pub failed: usize,
}

/// What this process has of a key.
enum Near<V> {
    Good(Found<V>),
    /// To be served, and to be read anew meanwhile.
    Old(Found<V>),
    Nothing,
}

impl<V, E> Room<V, E>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// A room with this name in metrics. `tags` says what an entry depends on by its key alone; `load` reads
    /// it from its database, and says nothing if it is not there.
    pub fn new<Read>(
        cache: &Cache,
        name: &'static str,
        config: RoomConfig,
        tags: impl Fn(&str) -> Vec<Tag> + Send + Sync + 'static,
        load: impl Fn(Arc<str>) -> Read + Send + Sync + 'static,
    ) -> Self
    where
        Read: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let near = Moka::builder()
            .max_capacity(config.bytes_max.get())
            .weigher(|key: &Arc<str>, entry: &Arc<Entry<V>>| {
                let key = u32::try_from(key.len()).unwrap_or(u32::MAX);
                entry.bytes.saturating_add(key).saturating_add(ENTRY_BYTES)
            })
            .build();
        let kept = near.clone();
        cache.shrink_by(move || kept.invalidate_all());
        Self(Arc::new(Inner {
            cache: cache.clone(),
            name,
            config,
            near,
            flights: Flights::new(),
            tags: Box::new(tags),
            load: Box::new(move |key| Box::pin(load(key))),
            instruments: Instruments::register(cache.metrics(), name),
        }))
    }

    /// What this process has, fresh or old, without asking anybody. It never waits.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<Found<V>> {
        match self.0.near(key, self.0.cache.now()) {
            Near::Good(found) => Some(found),
            Near::Old(found) => {
                self.refresh(key);
                Some(found)
            }
            Near::Nothing => None,
        }
    }

    /// What is known of a key, read if need be: by one for all who ask at the same time. It runs on to its
    /// end when those who asked go away.
    ///
    /// # Errors
    /// When it cannot be read, and nothing is left of what was read before.
    pub async fn get(&self, key: &str) -> Result<Found<V>, Unloaded<E>> {
        if let Some(found) = self.peek(key) {
            return Ok(found);
        }
        loop {
            let (flight, new) = self.0.join(key);
            if new {
                // The reading before may have landed just now.
                match self.0.near(key, self.0.cache.now()) {
                    Near::Good(found) | Near::Old(found) => {
                        self.0.flights.land(&flight, Outcome::Found(found.clone()));
                        return Ok(found);
                    }
                    Near::Nothing => self.fly(&flight),
                }
            } else {
                self.0.instruments.joined.inc();
            }
            match flight.landed().await {
                Outcome::Found(found) => return Ok(found),
                Outcome::Failed(error) => return Err(Unloaded::Failed(error)),
                Outcome::Panicked => return Err(Unloaded::Panicked),
                Outcome::Abandoned => {}
            }
        }
    }

    /// Reads keys before anybody asks for them, a few at a time.
    pub async fn warm(&self, keys: impl IntoIterator<Item = String>, at_once: usize) -> Warmed {
        use futures_util::StreamExt;
        let reading = futures_util::stream::iter(keys).map(|key| async move { self.get(&key).await.is_ok() });
        let mut reading = std::pin::pin!(reading.buffer_unordered(at_once.max(1)));
        let mut warmed = Warmed::default();
        while let Some(read) = reading.next().await {
            warmed.read += usize::from(read);
            warmed.failed += usize::from(!read);
        }
        warmed
    }

    /// Reads a key anew, unless somebody does already.
    fn refresh(&self, key: &str) {
        let (flight, new) = self.0.join(key);
        if new {
            self.fly(&flight);
        }
    }

    fn fly(&self, flight: &Arc<Flight<V, E>>) {
        let flying = fill::Flying::new(Arc::clone(&self.0), Arc::clone(flight));
        self.0.cache.begin(flying.fly());
    }
}

impl<V, E> Inner<V, E> {
    fn join(&self, key: &str) -> (Arc<Flight<V, E>>, bool) {
        self.flights.join(key, self.cache.drops(), || (self.tags)(key).into())
    }

    /// What this process has, if its tags stand.
    fn entry(&self, key: &str) -> Option<Arc<Entry<V>>>
    where
        V: Send + Sync + 'static,
    {
        let entry = self.near.get(key)?;
        self.cache.drops().stand(entry.began, &entry.tags).then_some(entry)
    }

    fn near(&self, key: &str, now: Moment) -> Near<V>
    where
        V: Send + Sync + 'static,
    {
        let Some(entry) = self.entry(key) else { return Near::Nothing };
        match entry.how(now, &self.config) {
            Some(How::Fresh) => {
                self.instruments.hits.inc();
                if self.config.renew_on_get && entry.value.is_some() {
                    entry.renew(now, self.config.fresh_ms.get());
                }
                Near::Good(entry.found(now, How::Fresh))
            }
            Some(How::Stale) => {
                self.instruments.stale.inc();
                let found = entry.found(now, How::Stale);
                if entry.rests(now) { Near::Good(found) } else { Near::Old(found) }
            }
            Some(How::StaleOnError) if entry.rests(now) => {
                self.instruments.stale_on_error.inc();
                Near::Good(entry.found(now, How::StaleOnError))
            }
            Some(How::StaleOnError) | None => Near::Nothing,
        }
    }
}

impl<V, E> Clone for Room<V, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V, E> fmt::Debug for Room<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("config", &self.0.config).finish_non_exhaustive()
    }
}
