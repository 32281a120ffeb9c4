//! What was signed counts once: a bounded table of what has been seen, for as long as it would count.

use std::{cmp::Reverse, collections::BinaryHeap};

use aws_lc_rs::digest::{SHA256, digest};
use hashbrown::HashSet;

/// Why it does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFresh {
    #[error("it was seen before")]
    Seen,
    #[error("as many are remembered as there is room for")]
    Full,
}

/// What has been seen, some 100 bytes each at most.
#[derive(Debug)]
pub struct Replays {
    seen: HashSet<u128>,
    ends: BinaryHeap<Reverse<(u64, u128)>>,
    max: usize,
}

impl Replays {
    /// With room for so many.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { seen: HashSet::new(), ends: BinaryHeap::new(), max }
    }

    /// Takes what a key's holder marked with `nonce`, which counts until then. Times are Unix seconds.
    ///
    /// # Errors
    /// When it was taken before, or there is no room to remember it: then it does not count either.
    pub fn take(&mut self, key_id: &str, nonce: &str, until: u64, now: u64) -> Result<(), NotFresh> {
        while let Some(Reverse((end, mark))) = self.ends.peek()
            && *end < now
        {
            self.seen.remove(mark);
            self.ends.pop();
        }
        let mark = mark(key_id, nonce);
        if self.seen.contains(&mark) {
            return Err(NotFresh::Seen);
        }
        if self.seen.len() >= self.max {
            return Err(NotFresh::Full);
        }
        self.seen.insert(mark);
        self.ends.push(Reverse((until, mark)));
        Ok(())
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

fn mark(key_id: &str, nonce: &str) -> u128 {
    // With the length of the first, so that no two look alike.
    let whole = [&key_id.len().to_be_bytes(), key_id.as_bytes(), nonce.as_bytes()].concat();
    let hash = digest(&SHA256, &whole);
    hash.as_ref().first_chunk().copied().map_or(0, u128::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_seen_counts_again_only_when_it_no_longer_would() {
        let mut replays = Replays::new(10);
        assert_eq!(replays.take("a", "1", 100, 50), Ok(()));
        assert_eq!(replays.take("a", "1", 100, 100), Err(NotFresh::Seen));
        assert_eq!(replays.take("b", "1", 100, 50), Ok(()));
        assert_eq!(replays.take("a", "1", 200, 101), Ok(()));
        assert_eq!(replays.len(), 1, "what is over is forgotten");
    }

    #[test]
    fn without_room_nothing_counts() {
        let mut replays = Replays::new(1);
        assert_eq!(replays.take("a", "1", 100, 50), Ok(()));
        assert_eq!(replays.take("a", "2", 100, 50), Err(NotFresh::Full));
        assert_eq!(replays.take("a", "2", 200, 101), Ok(()));
    }

    proptest! {
        #[test]
        fn a_name_and_a_nonce_are_told_apart_wherever_they_are_cut(whole in "[ab]{1,8}", cut in 0_usize..8, other in 0_usize..8) {
            let (cut, other) = (cut.min(whole.len()), other.min(whole.len()));
            let of = |cut: usize| mark(&whole[..cut], &whole[cut..]);
            prop_assert_eq!(of(cut) == of(other), cut == other);
        }

        #[test]
        fn nothing_counts_twice_while_it_would_count(nonces in prop::collection::vec((0_u8..5, 0_u64..20), 0..60)) {
            let (mut replays, mut now, mut taken) = (Replays::new(100), 0, Vec::new());
            for (nonce, step) in nonces {
                now += step;
                let fresh = replays.take("k", &nonce.to_string(), now + 30, now).is_ok();
                let known = taken.iter().any(|(known, until)| *known == nonce && *until >= now);
                prop_assert_eq!(fresh, !known);
                if fresh {
                    taken.push((nonce, now + 30));
                }
            }
        }
    }
}
