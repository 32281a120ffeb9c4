//! An entry, and whether it may be served.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{RoomConfig, tag::Tag};

/// What was found, and how old it is.
#[derive(Debug)]
pub struct Found<V> {
    /// Nothing when it is known not to be there.
    pub value: Option<Arc<V>>,
    /// Since it was read from its database.
    pub age: Duration,
    pub how: How,
}

impl<V> Clone for Found<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), age: self.age, how: self.how }
    }
}

/// In what condition something is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Fresh,
    /// Past its time, while it is read anew.
    Stale,
    /// Past its time, because it could not be read anew: say so (`Age`, RFC 9111).
    StaleOnError,
}

/// Milliseconds since a moment before the cache was opened.
pub(crate) type Moment = u64;

#[derive(Debug)]
pub(crate) struct Entry<V> {
    pub(crate) value: Option<Arc<V>>,
    pub(crate) tags: Arc<[Tag]>,
    /// The moment among drops before which its reading had not begun.
    pub(crate) began: u64,
    pub(crate) made_at: Moment,
    pub(crate) fresh_until: AtomicU64,
    /// After a failure, nobody tries to read it anew before this.
    pub(crate) retry_at: AtomicU64,
    pub(crate) bytes: u32,
}

impl<V> Entry<V> {
    /// How it may be served now, if at all. Dropped tags are somebody else's question.
    pub(crate) fn how(&self, now: Moment, config: &RoomConfig) -> Option<How> {
        let fresh_until = self.fresh_until.load(Ordering::Relaxed);
        if now < fresh_until {
            return Some(How::Fresh);
        }
        let old = now - fresh_until;
        // That something is not there is never served old.
        self.value.as_ref()?;
        if old < config.stale_while_revalidate_ms {
            return Some(How::Stale);
        }
        (old < config.stale_if_error_ms).then_some(How::StaleOnError)
    }

    /// Is it too early to try again, after a failure?
    pub(crate) fn rests(&self, now: Moment) -> bool {
        now < self.retry_at.load(Ordering::Relaxed)
    }

    pub(crate) fn rest_until(&self, moment: Moment) {
        self.retry_at.store(moment, Ordering::Relaxed);
    }

    /// Makes it fresh again; written rarely, because others read it at the same time.
    pub(crate) fn renew(&self, now: Moment, fresh_ms: u64) {
        let until = now + fresh_ms;
        if until.saturating_sub(self.fresh_until.load(Ordering::Relaxed)) > fresh_ms / 8 {
            self.fresh_until.store(until, Ordering::Relaxed);
        }
    }

    pub(crate) fn found(&self, now: Moment, how: How) -> Found<V> {
        let age = Duration::from_millis(now.saturating_sub(self.made_at));
        Found { value: self.value.clone(), age, how }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: Option<u8>) -> Entry<u8> {
        Entry {
            value: value.map(Arc::new),
            tags: Arc::new([]),
            began: 0,
            made_at: 0,
            fresh_until: AtomicU64::new(60_000),
            retry_at: AtomicU64::new(0),
            bytes: 1,
        }
    }

    #[track_caller]
    fn check(value: Option<u8>, at: Moment, expected: Option<How>) {
        assert_eq!(entry(value).how(at, &RoomConfig::default()), expected);
    }

    #[test]
    fn within_its_time_it_is_fresh() {
        check(Some(1), 59_999, Some(How::Fresh));
    }

    #[test]
    fn a_little_later_it_is_served_while_it_is_read_anew() {
        check(Some(1), 60_000, Some(How::Stale));
    }

    #[test]
    fn later_still_it_is_only_for_when_reading_fails() {
        check(Some(1), 70_000, Some(How::StaleOnError));
    }

    #[test]
    fn at_last_it_is_of_no_use() {
        check(Some(1), 660_000, None);
    }

    #[test]
    fn what_is_not_there_is_never_served_old() {
        check(None, 60_000, None);
    }

    #[test]
    fn renewed_it_is_fresh_for_its_whole_time_again() {
        let entry = entry(Some(1));
        entry.renew(59_000, 60_000);
        assert_eq!(entry.how(118_999, &RoomConfig::default()), Some(How::Fresh));
    }
}
