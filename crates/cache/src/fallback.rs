//! What was read last, for when it cannot be read anew: every reading goes to the database, and only while that
//! is away is an answer what it was before, and says so.
//!
//! So that nobody is told less than what they have written: a commit on this node drops the tags of what it
//! changed before its answer is sent, and those of other nodes are dropped as soon as they are heard of. What a
//! caller knows of that was not heard of yet is the caller's to say.

use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};

use moka::sync::Cache as Moka;
use serde::Deserialize;

use crate::{Cache, Found, How, entry::Moment, instruments::Instruments, tag::Tag};

/// How much is kept, and for how long.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FallbackConfig {
    /// Bytes that what is kept may take.
    pub bytes_max: NonZeroU64,
    /// The oldest that is served.
    pub age_s_max: NonZeroU64,
}

impl Default for FallbackConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU64::new(number).expect("a positive constant");
        Self { bytes_max: positive(32 << 20), age_s_max: positive(600) }
    }
}

/// What was read last of one kind of thing. Clones are handles to the same.
pub struct Fallback<V>(Arc<Inner<V>>);

struct Inner<V> {
    cache: Cache,
    config: FallbackConfig,
    kept: Moka<Arc<str>, Kept<V>>,
    instruments: Instruments,
}

struct Kept<V> {
    value: Arc<V>,
    tags: Arc<[Tag]>,
    /// The moment among drops before which its reading had not begun.
    began: u64,
    read_at: Moment,
    bytes: u32,
}

impl<V> Clone for Kept<V> {
    fn clone(&self) -> Self {
        let Self { value, tags, began, read_at, bytes } = self;
        Self {
            value: Arc::clone(value),
            tags: Arc::clone(tags),
            began: *began,
            read_at: *read_at,
            bytes: *bytes,
        }
    }
}

/// What keeping one entry takes beside its key and value.
const KEPT_BYTES: u32 = 200;

impl<V: Send + Sync + 'static> Fallback<V> {
    /// With this name in metrics, as rooms have.
    #[must_use]
    pub fn new(cache: &Cache, name: &'static str, config: FallbackConfig) -> Self {
        let weigh = |key: &Arc<str>, kept: &Kept<V>| {
            let key = u32::try_from(key.len()).unwrap_or(u32::MAX);
            kept.bytes.saturating_add(key).saturating_add(KEPT_BYTES)
        };
        let kept = Moka::builder()
            .max_capacity(config.bytes_max.get())
            .time_to_live(Duration::from_secs(config.age_s_max.get()))
            .weigher(weigh)
            .build();
        let instruments = Instruments::register(cache.metrics(), name);
        Self(Arc::new(Inner { cache: cache.clone(), config, kept, instruments }))
    }

    /// Reads something with these tags, and keeps it; `bytes` says how much it takes. If the reading fails
    /// because the database `is_away`, answers what was read last, if there is such.
    ///
    /// # Errors
    /// What the reading failed with.
    pub async fn read<E>(
        &self,
        key: &str,
        tags: &[Tag],
        reading: impl Future<Output = Result<V, E>>,
        bytes: impl FnOnce(&V) -> usize,
        is_away: impl FnOnce(&E) -> bool,
    ) -> Result<Found<V>, E> {
        let Inner { cache, kept, instruments, .. } = &*self.0;
        let began = cache.drops().now();
        instruments.loads.inc();
        match reading.await {
            Ok(value) => {
                let bytes = u32::try_from(bytes(&value)).unwrap_or(u32::MAX);
                let value = Arc::new(value);
                let found = Found { value: Some(Arc::clone(&value)), age: Duration::ZERO, how: How::Fresh };
                let newer = kept.get(key).is_some_and(|known| known.began > began);
                if !newer && cache.drops().stand(began, tags) {
                    let read = Kept { value, tags: tags.into(), began, read_at: cache.now(), bytes };
                    kept.insert(key.into(), read);
                } else {
                    instruments.thrown_away.inc();
                }
                Ok(found)
            }
            Err(error) => {
                instruments.failures.inc();
                let last = if is_away(&error) { self.last(key) } else { None };
                last.ok_or(error)
            }
        }
    }

    /// What was read last, if nothing of it was changed since.
    fn last(&self, key: &str) -> Option<Found<V>> {
        let Inner { cache, config, kept, instruments } = &*self.0;
        let last = kept.get(key).filter(|last| cache.drops().stand(last.began, &last.tags))?;
        let age = Duration::from_millis(cache.now().saturating_sub(last.read_at));
        if age > Duration::from_secs(config.age_s_max.get()) {
            return None;
        }
        instruments.stale_on_error.inc();
        Some(Found { value: Some(last.value), age, how: How::StaleOnError })
    }
}

impl<V> Clone for Fallback<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V> fmt::Debug for Fallback<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("config", &self.0.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use clock::Clock;
    use telemetry::Metrics;

    use super::*;

    fn fallback() -> (Cache, Fallback<u32>) {
        let cache = Cache::open(Clock::System, &Metrics::new(), &crate::RedisConfig::default());
        let cache = cache.expect("threads start");
        let fallback = Fallback::new(&cache, "numbers", FallbackConfig::default());
        (cache, fallback)
    }

    async fn read(fallback: &Fallback<u32>, answer: Result<u32, bool>) -> Result<(u32, How), bool> {
        let tags = [Tag::of("one")];
        let found = fallback.read("one", &tags, async { answer }, |_| 4, |away| *away).await?;
        Ok((*found.value.expect("there is one"), found.how))
    }

    #[tokio::test]
    async fn while_it_can_be_read_it_is_read() {
        let (_cache, fallback) = fallback();
        assert_eq!(read(&fallback, Ok(1)).await, Ok((1, How::Fresh)));
        assert_eq!(read(&fallback, Ok(2)).await, Ok((2, How::Fresh)));
    }

    #[tokio::test]
    async fn what_was_read_last_is_answered_only_while_the_database_is_away() {
        let (_cache, fallback) = fallback();
        assert_eq!(read(&fallback, Err(true)).await, Err(true));
        assert_eq!(read(&fallback, Ok(1)).await, Ok((1, How::Fresh)));
        assert_eq!(read(&fallback, Err(true)).await, Ok((1, How::StaleOnError)));
        assert_eq!(read(&fallback, Err(false)).await, Err(false));
    }

    #[tokio::test]
    async fn what_was_changed_since_is_not_answered() {
        let (cache, fallback) = fallback();
        assert_eq!(read(&fallback, Ok(1)).await, Ok((1, How::Fresh)));
        cache.drop_tags(&[Tag::of("one")]);
        assert_eq!(read(&fallback, Err(true)).await, Err(true));
    }

    #[tokio::test]
    async fn what_was_changed_while_it_was_read_is_not_kept() {
        let (cache, fallback) = fallback();
        let reading = async {
            cache.drop_tags(&[Tag::of("one")]);
            Ok::<_, bool>(1)
        };
        let found = fallback.read("one", &[Tag::of("one")], reading, |_| 4, |away| *away).await;
        assert!(found.is_ok());
        assert_eq!(read(&fallback, Err(true)).await, Err(true));
    }
}
