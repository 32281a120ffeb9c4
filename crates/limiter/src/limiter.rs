//! A quota for each of many keys.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    quota::{Decision, Quota},
    table::Table,
};

/// Parts of a table that are locked one by one; more than there are threads, so that they hardly ever meet.
const PARTS: usize = 256;

/// A quota for each of many keys, in bounded memory. Threads share it.
#[derive(Debug)]
pub struct Limiter {
    quota: Quota,
    /// Keyed at random, so that nobody can choose keys that lie in each other's way.
    hasher: RandomState,
    parts: Box<[Mutex<Table>]>,
}

impl Limiter {
    /// One with room for about nine tenths of `keys_max` keys that have used something; it takes 16 bytes for
    /// each of `keys_max`, and less while there are fewer.
    #[must_use]
    pub fn new(quota: Quota, keys_max: usize) -> Self {
        let part = || Mutex::new(Table::new(keys_max.div_ceil(PARTS)));
        Self { quota, hasher: RandomState::new(), parts: (0..PARTS).map(|_| part()).collect() }
    }

    /// Decides about one request of `key` that costs so much. `now` is in nanoseconds from any one moment, the
    /// same for all calls.
    pub fn decide(&self, key: &impl Hash, cost: u32, now: u64) -> Decision {
        let hash = self.hasher.hash_one(key);
        let mut table = self.part(hash);
        let used = table.place(hash.rotate_left(8), |used| self.quota.is_idle(used, now));
        let decision;
        (*used, decision) = self.quota.decide(*used, now, cost);
        decision
    }

    /// Requests of newcomers that had to share one place, because everybody else had used something.
    #[must_use]
    pub fn crowded(&self) -> u64 {
        (0..PARTS).map(|part| self.lock(part).crowded).sum()
    }

    /// Bytes of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (0..PARTS).map(|part| self.lock(part).bytes()).sum()
    }

    fn part(&self, hash: u64) -> MutexGuard<'_, Table> {
        self.lock((hash >> 56) as usize % PARTS)
    }

    fn lock(&self, part: usize) -> MutexGuard<'_, Table> {
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
