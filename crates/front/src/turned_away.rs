//! How many requests are turned away, as far as that speaks for an attack: of one household only a few a second. Somebody who goes
//! on long after they were refused costs little, and is no reason to ask the whole country for proof.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use crate::household;

/// Households that are told apart; more of them share what is counted.
const PLACES: usize = 1 << 13;
/// So many of a household's are counted in a second.
const COUNTED_MAX: u32 = 5;

#[derive(Debug)]
pub(crate) struct TurnedAwayCount {
    hasher: RandomState,
    places: Box<[AtomicU32]>,
    counted: AtomicU64,
    repeated: AtomicU64,
}

/// What a second brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TurnedAwayIn {
    pub(crate) counted: u64,
    /// Those beyond what is counted of a household.
    pub(crate) repeated: u64,
}

impl Default for TurnedAwayCount {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            places: (0..PLACES).map(|_| AtomicU32::new(0)).collect(),
            counted: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
        }
    }
}

impl TurnedAwayCount {
    /// One more, of this client.
    pub(crate) fn note(&self, client: Option<IpAddr>) {
        let hash = self.hasher.hash_one(client.map(household));
        let place = usize::try_from(hash % PLACES as u64).unwrap_or_default();
        let before = self.places[place].fetch_add(1, Relaxed);
        let count = if before < COUNTED_MAX { &self.counted } else { &self.repeated };
        count.fetch_add(1, Relaxed);
    }

    /// A second is over, and the next begins.
    pub(crate) fn second(&self) -> TurnedAwayIn {
        self.places.iter().for_each(|place| place.store(0, Relaxed));
        TurnedAwayIn { counted: self.counted.swap(0, Relaxed), repeated: self.repeated.swap(0, Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_on_and_on_counts_a_few_times_a_second_and_many_count_each() {
        let count = TurnedAwayCount::default();
        (0..1000).for_each(|_| count.note("192.0.2.7".parse().ok()));
        assert_eq!(count.second(), TurnedAwayIn { counted: 5, repeated: 995 });
        for number in 0..1000_u32 {
            count.note(Some(IpAddr::from((0x0A00_0000 + number).to_be_bytes())));
        }
        let many = count.second();
        assert!(many.counted > 990, "{many:?}");
        assert_eq!(count.second(), TurnedAwayIn { counted: 0, repeated: 0 });
    }
}
