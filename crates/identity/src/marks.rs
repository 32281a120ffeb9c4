//! Says of most sessions that they were never ended, without a lock: two million bits, of which a session
//! that was ended has set one. Where the bit is set, the set itself is asked.

use std::sync::atomic::{AtomicU64, Ordering};

const WORDS: usize = 1 << 15;
const BITS: u64 = u64::BITS as u64;

/// One bit for many sessions.
pub(crate) struct Marks(Box<[AtomicU64]>);

impl Marks {
    /// None is set.
    pub(crate) fn new() -> Self {
        Self((0..WORDS).map(|_| AtomicU64::new(0)).collect())
    }

    /// Is the bit of `random` set?
    pub(crate) fn has(&self, random: u64) -> bool {
        let (word, bit) = place(random);
        self.0[word].load(Ordering::Acquire) & bit != 0
    }

    /// Sets the bit of `random`, before anybody is told that the session ended.
    pub(crate) fn set(&self, random: u64) {
        let (word, bit) = place(random);
        self.0[word].fetch_or(bit, Ordering::Release);
    }

    /// Leaves only the bits of `kept` set. None of these is unset for a moment, but nothing else may
    /// set a bit meanwhile.
    pub(crate) fn reset<'a>(&self, kept: impl IntoIterator<Item = &'a u64>) {
        let mut words = vec![0; WORDS];
        for random in kept {
            let (word, bit) = place(*random);
            words[word] |= bit;
        }
        for (word, bits) in self.0.iter().zip(words) {
            word.store(bits, Ordering::Release);
        }
    }
}

fn place(random: u64) -> (usize, u64) {
    let word = usize::try_from(random / BITS % (WORDS as u64)).unwrap_or_default();
    (word, 1 << (random % BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_stays_set_until_it_is_left_out() {
        let marks = Marks::new();
        let sessions = [0, 1, 63, 64, 1 << 20, u64::MAX];
        sessions.iter().for_each(|session| marks.set(*session));
        assert!(sessions.iter().all(|session| marks.has(*session)));
        assert!(!marks.has(2));
        marks.reset(&sessions[1..]);
        assert!(sessions[1..].iter().all(|session| marks.has(*session)));
        assert!(!marks.has(0));
    }
}
