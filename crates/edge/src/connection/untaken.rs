//! Bodies of answers over HTTP/2 that wait for their caller to grant them room (RFC 9113, section 5.2): a caller who grants
//! none would keep them, and whatever is behind them, for ever.
//!
//! Many callers grant room only when they have used up half of a large window. So whoever took much has the longer for it.
//! And one body of several may wait for as long as others are taken: behind a proxy they are many callers'.

/// How much longer it may wait for each byte that was taken: whoever takes 500 bytes a second may go on for ever.
const CREDIT_MS_A_BYTE: u64 = 2;
/// No more than so much longer. A body that others are being made beside may wait as long at once.
const CREDIT_MS_MAX: u64 = 300_000;

/// Of one answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Free,
    /// What is to be sent next is being made.
    Making {
        credit_ms: u64,
    },
    /// A piece of so many bytes waits for room since then, in milliseconds.
    Waiting {
        since_ms: u64,
        bytes: u64,
        credit_ms: u64,
    },
}

/// The bodies of one connection.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    places: Vec<Place>,
    /// When room was last granted to any, in milliseconds.
    taken_ms: u64,
}

impl Untaken {
    /// The place of another body. It waits from its head on.
    pub(super) fn enter(&mut self, now_ms: u64) -> usize {
        let place = self.places.iter().position(|place| *place == Place::Free).unwrap_or_else(|| {
            self.places.push(Place::Free);
            self.places.len() - 1
        });
        self.places[place] = Place::Waiting { since_ms: now_ms, bytes: 0, credit_ms: 0 };
        place
    }

    /// There was room: what comes next is made.
    pub(super) fn taken(&mut self, place: usize, now_ms: u64) {
        let credit_ms = match self.places[place] {
            Place::Waiting { since_ms, bytes, credit_ms } => {
                let earned = credit_ms + bytes.saturating_mul(CREDIT_MS_A_BYTE);
                earned.saturating_sub(now_ms.saturating_sub(since_ms)).min(CREDIT_MS_MAX)
            }
            Place::Making { credit_ms } => credit_ms,
            Place::Free => 0,
        };
        self.places[place] = Place::Making { credit_ms };
        self.taken_ms = now_ms;
    }

    /// A piece of so many bytes was made.
    pub(super) fn waits(&mut self, place: usize, bytes: u64, now_ms: u64) {
        let (Place::Making { credit_ms } | Place::Waiting { credit_ms, .. }) = self.places[place] else {
            return;
        };
        self.places[place] = Place::Waiting { since_ms: now_ms, bytes, credit_ms };
    }

    pub(super) fn leave(&mut self, place: usize) {
        self.places[place] = Place::Free;
    }

    /// Is nothing taken, of any that waits, for longer than it may be? `least_ms` is how long whoever took nothing has.
    pub(super) fn is_stalled(&self, least_ms: u64, now_ms: u64) -> bool {
        let others_are_made = self.places.iter().any(|place| matches!(place, Place::Making { .. }));
        let may_wait_ms = self.places.iter().filter_map(|place| match place {
            Place::Waiting { credit_ms, .. } => {
                Some(if others_are_made { CREDIT_MS_MAX } else { *credit_ms })
            }
            Place::Making { .. } | Place::Free => None,
        });
        let since = self.places.iter().filter_map(|place| match place {
            Place::Waiting { since_ms, .. } => Some(*since_ms),
            Place::Making { .. } | Place::Free => None,
        });
        let (Some(more_ms), Some(first_ms)) = (may_wait_ms.max(), since.min()) else { return false };
        now_ms.saturating_sub(first_ms.max(self.taken_ms)) > least_ms + more_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST_MS: u64 = 30_000;

    /// When it is cut, to the second; nothing if it is not within ten minutes.
    fn cut_at_s(mut until: impl FnMut(&mut Untaken, u64)) -> Option<u64> {
        let mut untaken = Untaken::default();
        (0..600).find(|second| {
            until(&mut untaken, second * 1000);
            untaken.is_stalled(LEAST_MS, second * 1000)
        })
    }

    #[test]
    fn whoever_takes_nothing_is_cut() {
        assert_eq!(
            cut_at_s(|untaken, now| if now == 1000 {
                let _place = untaken.enter(now);
            }),
            Some(32)
        );
    }

    #[test]
    fn what_is_being_made_waits_for_nobody() {
        let made = |untaken: &mut Untaken, now| {
            if now == 0 {
                let place = untaken.enter(now);
                untaken.taken(place, now);
            }
        };
        assert_eq!(cut_at_s(made), None);
        assert_eq!(
            cut_at_s(|untaken, now| if now == 0 {
                let place = untaken.enter(now);
                untaken.leave(place)
            }),
            None
        );
    }

    /// Takes pieces of so many bytes at once, whenever so many seconds have passed.
    fn taking(bytes: u64, every_s: u64) -> impl FnMut(&mut Untaken, u64) {
        move |untaken, now| {
            if now == 0 {
                untaken.enter(now);
            }
            if now.is_multiple_of(every_s * 1000) {
                for _ in 0..bytes.div_ceil(16 << 10) {
                    untaken.taken(0, now);
                    untaken.waits(0, bytes.min(16 << 10), now);
                }
            }
        }
    }

    #[test]
    fn whoever_grants_room_by_halves_of_a_large_window_goes_on() {
        assert_eq!(cut_at_s(taking(3 << 20, 48)), None, "64 KB a second, of 6 MiB");
        assert_eq!(cut_at_s(taking(512 << 10, 200)), None, "2.6 KB a second, of 1 MiB");
        assert_eq!(cut_at_s(taking(32 << 10, 36)), None, "900 bytes a second, of 64 KiB");
        assert!(cut_at_s(taking(1, 29)).is_none(), "the least time is everybody's");
        assert_eq!(cut_at_s(taking(1, 40)), Some(31));
        assert_eq!(
            cut_at_s(taking(64 << 10, 350)),
            Some(129),
            "what was taken pays for so long and no longer"
        );
    }

    #[test]
    fn one_may_wait_while_others_are_taken_and_longer_while_they_are_made() {
        let beside = |untaken: &mut Untaken, now| {
            if now == 0 {
                untaken.enter(now);
                untaken.enter(now);
            }
            untaken.taken(1, now);
            untaken.waits(1, 1, now);
        };
        assert_eq!(cut_at_s(beside), None);
        let beside_a_silent_one = |untaken: &mut Untaken, now| {
            if now == 0 {
                untaken.enter(now);
                let silent = untaken.enter(now);
                untaken.taken(silent, now);
            }
        };
        assert_eq!(cut_at_s(beside_a_silent_one), Some(331));
    }
}
