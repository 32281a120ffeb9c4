//! What a run shows while it goes on, and how it is told to end early.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts that all threads of a run add to now and then, and a word to end.
#[derive(Debug, Default)]
pub struct Live {
    offered: AtomicU64,
    good: AtomicU64,
    failed: AtomicU64,
    stop: AtomicBool,
}

impl Live {
    /// Adds what a thread has seen since it last did.
    pub fn add(&self, offered: u64, good: u64, failed: u64) {
        self.offered.fetch_add(offered, Ordering::Relaxed);
        self.good.fetch_add(good, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
    }

    /// How many came, how many ended well, and how many did not.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.offered), read(&self.good), read(&self.failed))
    }

    /// Has every load end as soon as it can: nobody comes any more.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
