//! A quota for each of many keys.

use std::{
    hash::Hash,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use ahash::RandomState;
use arrayvec::ArrayVec;

use crate::{
    Verdict,
    near::Whereabouts,
    quota::{Decision, Quota},
    table::Table,
};

/// Parts of a table that are locked one by one; more than there are threads, so that they hardly ever meet.
const PARTS: usize = 256;
/// What chooses the part is turned to the key's lower end, where the table does not look first.
const KEY_TURN: u32 = 8;

/// The whole of a quota, in thousandths.
pub const WHOLE_PERMILLE: u32 = 1000;

/// A quota for each of many keys, in bounded memory. Threads share it.
#[derive(Debug)]
pub struct Limiter {
    quota: Quota,
    /// How much of the quota is given at present.
    permille: AtomicU32,
    /// Keyed at random, so that nobody can choose keys that lie in each other's way, and quicker than the standard library's: a
    /// request is hashed for each of its quotas.
    hasher: RandomState,
    parts: Box<[Part]>,
}

/// A part of the table on a cache line of its own: the lock, what lies behind it, and where to find that.
#[derive(Debug)]
#[repr(align(64))]
struct Part {
    table: Mutex<Table>,
    whereabouts: Whereabouts,
}

/// A key's place in a limiter, which memory has been asked for already.
#[derive(Debug, Clone, Copy)]
pub struct Ticket<'a> {
    quota: Quota,
    part: &'a Part,
    key: u64,
}

/// What a request was counted as, so that it can be given back.
#[derive(Debug, Clone, Copy)]
pub struct Booking {
    quota: Quota,
    key: u64,
    at: u64,
}

impl Ticket<'_> {
    /// One request that was let pass at `at`.
    #[must_use]
    pub const fn booking(&self, at: u64) -> Booking {
        Booking { quota: self.quota, key: self.key, at }
    }
}

impl Limiter {
    /// One with room for about nine tenths of `keys_max` keys that have used something; it takes 16 bytes for
    /// each of `keys_max`, and less while there are fewer.
    #[must_use]
    pub fn new(quota: Quota, keys_max: usize) -> Self {
        let part = || Part::new(Table::new(keys_max.div_ceil(PARTS)));
        Self {
            quota,
            permille: AtomicU32::new(WHOLE_PERMILLE),
            hasher: RandomState::new(),
            parts: (0..PARTS).map(|_| part()).collect(),
        }
    }

    /// Decides about one request of `key` that costs so much. `now` is in nanoseconds from any one moment, the
    /// same for all calls.
    pub fn decide(&self, key: &impl Hash, cost: u32, now: u64) -> Decision {
        let Ticket { quota, part, key } = self.ticket(key);
        let mut table = part.lock();
        let spot = table.spot(key, |used| quota.is_idle(used, now));
        part.whereabouts.follow(&table);
        let used = table.at(spot);
        let decision;
        (*used, decision) = quota.decide(*used, now, cost);
        decision
    }

    /// The key's place, for [`decide_together`].
    pub fn ticket(&self, key: &impl Hash) -> Ticket<'_> {
        let hash = self.hasher.hash_one(key);
        let key = hash.rotate_left(KEY_TURN);
        let part = self.part(key);
        part.whereabouts.ask_for(key);
        Ticket { quota: self.quota(), part, key }
    }

    fn part(&self, key: u64) -> &Part {
        &self.parts[(key & 0xFF) as usize % PARTS]
    }

    /// Gives back what a request was counted as that did not pass after all.
    pub fn give_back(&self, Booking { quota, key, at }: &Booking, now: u64) {
        let mut table = self.part(*key).lock();
        if let Some(used) = table.kept(*key) {
            *used = quota.give_back(*used, *at, now);
        }
    }

    /// Counts one request of `key` that others have let pass: as long as there is any left, and it blocks nobody.
    pub fn count(&self, key: &impl Hash, now: u64) {
        let Ticket { quota, part, key } = self.ticket(key);
        let quota = quota.unblocking();
        let mut table = part.lock();
        let spot = table.spot(key, |used| quota.is_idle(used, now));
        part.whereabouts.follow(&table);
        let used = table.at(spot);
        (*used, _) = quota.decide(*used, now, 1);
    }

    /// The quota as it is given at present.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.given_of(self.quota)
    }

    /// As much of another quota as is given of this one.
    #[must_use]
    pub fn given_of(&self, quota: Quota) -> Quota {
        quota.scaled(self.permille.load(Relaxed))
    }

    /// From now on gives so many thousandths of the quota, at most all of it.
    pub fn scale(&self, permille: u32) {
        self.permille.store(permille.min(WHOLE_PERMILLE), Relaxed);
    }

    /// Requests of newcomers that had to share one place, because everybody else had used something.
    #[must_use]
    pub fn crowded(&self) -> u64 {
        self.parts.iter().map(|part| part.lock().crowded).sum()
    }

    /// Bytes of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.lock().bytes()).sum()
    }
}

impl Part {
    fn new(table: Table) -> Self {
        let whereabouts = Whereabouts::of(&table);
        Self { table: Mutex::new(table), whereabouts }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Quotas that one request may be counted in.
pub const TOGETHER_MAX: usize = 8;

/// Decides about one request that costs the same of several quotas. It passes if all let it pass; one that any
/// refuses uses nothing of the others. The decisions stand in the order of the tickets, which is also that in which their
/// places are locked: it has to be the same everywhere, with no limiter in it twice.
#[must_use]
pub fn decide_together(
    tickets: &ArrayVec<Ticket<'_>, TOGETHER_MAX>,
    cost: u32,
    now: u64,
) -> ArrayVec<Decision, TOGETHER_MAX> {
    let mut tables: ArrayVec<_, TOGETHER_MAX> = tickets.iter().map(|ticket| ticket.part.lock()).collect();
    let found = tickets.iter().zip(&mut tables).map(|(Ticket { quota, part, key }, table)| {
        let spot = table.spot(*key, |used| quota.is_idle(used, now));
        part.whereabouts.follow(table);
        let (used, decision) = quota.decide(*table.at(spot), now, cost);
        (spot, used, decision)
    });
    let found: ArrayVec<_, TOGETHER_MAX> = found.collect();
    let refuses = |decision: &Decision| matches!(decision.verdict, Verdict::Refuse { .. });
    let passes = !found.iter().any(|(_, _, decision)| refuses(decision));
    for (table, (spot, used, decision)) in tables.iter_mut().zip(&found) {
        if passes || refuses(decision) {
            *table.at(*spot) = *used;
        }
    }
    found.into_iter().map(|(_, _, decision)| decision).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, QuotaConfig};

    fn limiter(limit: u32) -> Limiter {
        let positive = |number: u32| number.try_into().expect("a positive number");
        let config = QuotaConfig {
            algorithm: Algorithm::SubBuckets,
            limit: positive(limit),
            window_ms: u64::from(positive(60_000).get()).try_into().expect("a positive number"),
            burst: None,
            block_ms: None,
        };
        Limiter::new(config.quota().expect("it can be counted"), 100)
    }

    fn passes(limiter: &Limiter, key: u32) -> bool {
        limiter.decide(&key, 1, 1).verdict == Verdict::Pass
    }

    #[test]
    fn a_request_that_one_quota_refuses_uses_nothing_of_the_others() {
        let (narrow, wide) = (limiter(1), limiter(2));
        let together = || {
            let tickets = ArrayVec::from_iter([narrow.ticket(&7), wide.ticket(&7)]);
            let decisions = decide_together(&tickets, 1, 1);
            decisions.iter().all(|decision| decision.verdict == Verdict::Pass)
        };
        assert!(together());
        assert!((0..10).all(|_| !together()));
        assert!(passes(&wide, 7), "one of two was used");
        assert!(!passes(&wide, 7));
    }

    #[test]
    fn a_quota_that_is_given_in_part_lets_through_so_much_less_and_all_again_later() {
        let limiter = limiter(10);
        limiter.scale(300);
        assert_eq!((0..20).filter(|_| passes(&limiter, 1)).count(), 3);
        limiter.scale(1);
        assert_eq!((0..20).filter(|_| passes(&limiter, 2)).count(), 1, "one is left of any quota");
        limiter.scale(WHOLE_PERMILLE);
        assert_eq!((0..20).filter(|_| passes(&limiter, 1)).count(), 7);
    }
}
