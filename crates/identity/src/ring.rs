//! The keys that tokens are tagged with, at hand on every thread.
//!
//! Each thread reads a copy of its own, and looks at one number that hardly ever changes to know whether the
//! copy still holds: a lock, or a count of references, would send a line of memory from core to core with
//! every token that is checked.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::token::{Audience, TagKey};

/// Keys kept: the audiences in use, each with the days that its tokens may come from.
const KEYS_MAX: usize = 256;

/// For which audience a key is, and for the sessions of which day.
pub(crate) type Place = (Audience, u64);
/// Few, so a list finds them fastest.
pub(crate) type RingKeys = Vec<(Place, TagKey)>;

/// Tag keys by audience and day, so that most tokens cost no derivation.
#[derive(Default)]
pub(crate) struct Ring {
    keys: RwLock<RingKeys>,
    /// Which keys these are, among all that any ring of the process ever held. Nought is for none.
    generation: AtomicU64,
}

static GENERATIONS: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static COPY: RefCell<(u64, Rc<RingKeys>)> = RefCell::default();
}

impl Ring {
    /// This thread's copy of the keys.
    pub(crate) fn keys(&self) -> Rc<RingKeys> {
        COPY.with_borrow_mut(|(generation, copy)| {
            if *generation != self.generation.load(Ordering::Acquire) {
                let keys = self.keys.read().expect("nobody panics while keeping keys");
                // It changes only under the lock, so it goes with these keys.
                *generation = self.generation.load(Ordering::Acquire);
                *copy = Rc::new(keys.clone());
            }
            Rc::clone(copy)
        })
    }

    /// Keeps a key, and forgets those of days before `first_day`. Where there is no room, the one that came
    /// first goes, but never one of our `own` audience.
    pub(crate) fn keep(&self, place: Place, key: TagKey, first_day: u64, own: Audience) {
        let mut keys = self.keys.write().expect("nobody panics while keeping keys");
        keys.retain(|((_, day), _)| *day >= first_day);
        if !keys.iter().any(|(kept, _)| *kept == place) {
            let oldest = keys.iter().rposition(|((of, _), _)| *of != own);
            if let Some(oldest) = oldest.filter(|_| keys.len() >= KEYS_MAX) {
                keys.remove(oldest);
            }
            // The newest day's tokens are the most: they are found first.
            keys.insert(0, (place, key));
        }
        self.generation.store(GENERATIONS.fetch_add(1, Ordering::Relaxed), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Audience = Audience(1);

    fn days(ring: &Ring) -> Vec<u64> {
        ring.keys().iter().map(|((_, day), _)| *day).collect()
    }

    #[test]
    fn a_key_is_kept_until_its_day_is_past() {
        let ring = Ring::default();
        for day in [1, 2, 2, 3] {
            ring.keep((Audience(7), day), TagKey([0; 32]), 0, OWN);
        }
        assert_eq!(days(&ring), [3, 2, 1]);
        ring.keep((Audience(7), 4), TagKey([0; 32]), 3, OWN);
        assert_eq!(days(&ring), [4, 3]);
    }

    #[test]
    fn every_thread_sees_what_another_kept_and_no_ring_the_keys_of_another() {
        let (ring, other) = (Ring::default(), Ring::default());
        assert!(days(&ring).is_empty());
        std::thread::scope(|scope| {
            scope.spawn(|| ring.keep((Audience(7), 1), TagKey([0; 32]), 0, OWN));
        });
        assert_eq!(days(&ring), [1]);
        assert!(days(&other).is_empty());
    }
    #[test]
    fn a_flood_of_audiences_never_takes_our_own_key_away() {
        let ring = Ring::default();
        ring.keep((OWN, 1), TagKey([0; 32]), 0, OWN);
        (2..2000).for_each(|audience| ring.keep((Audience(audience), 1), TagKey([0; 32]), 0, OWN));
        let keys = ring.keys();
        assert_eq!(keys.len(), KEYS_MAX);
        assert!(keys.iter().any(|((audience, _), _)| *audience == OWN));
    }
}
