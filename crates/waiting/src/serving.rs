//! Up to which number everybody is let in, and how that grows: arithmetic on one number that nodes share.

/// Bits of the time, in milliseconds: it goes round in three days, and only the last part of a lap is ever looked at.
const TIME_BITS: u32 = 28;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
/// Another node's clock may be so much ahead of what we know of it, and one turn may be due so much later.
const AHEAD_MS_MAX: u64 = 1 << 21;
/// What is due for longer is not made up for.
const AGO_MS_MAX: u64 = 1 << (TIME_BITS - 2);
/// People in 1,000 seconds, for a rate of one in a millisecond.
const MILLI: u64 = 1_000_000;

/// All numbers below `upto` are let in; the next is due from `due_ms` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serving {
    pub upto: u64,
    due_ms: u64,
}

/// What it goes by.
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    pub now_ms: u64,
    /// People let in in 1,000 seconds.
    pub rate_milli: u64,
    /// People inside at once.
    pub capacity: u64,
    /// Those who came in, and did something lately.
    pub inside: u64,
    /// Numbers that were drawn.
    pub issued: u64,
    /// Of the numbers that were let in: those that came, and those that are not expected any more.
    pub settled: u64,
}

impl Serving {
    /// As one number; nought is what nobody has begun.
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.upto << TIME_BITS | (self.due_ms & TIME_MASK)
    }

    /// From such a number, close to the time `now_ms`.
    #[must_use]
    pub const fn unpack(packed: u64, now_ms: u64) -> Self {
        if packed == 0 {
            return Self { upto: 0, due_ms: 0 };
        }
        let ago = now_ms.wrapping_sub(packed) & TIME_MASK;
        let ahead = TIME_MASK + 1 - ago;
        let due_ms = if ahead < AHEAD_MS_MAX { now_ms + ahead } else { now_ms.saturating_sub(ago) };
        Self { upto: packed >> TIME_BITS, due_ms }
    }

    /// How many are expected: let in, and not settled.
    #[must_use]
    pub fn expected(self, outlook: &Outlook) -> u64 {
        self.upto.min(outlook.issued).saturating_sub(outlook.settled)
    }

    /// Lets in whom the rate and the room allow. Whoever comes when nobody waits finds the door open for as many as there
    /// is room for.
    ///
    /// In any time no more numbers pass than the rate gives in that time and the capacity beyond; and those who are inside
    /// or expected never exceed the capacity.
    #[must_use]
    pub fn advance(self, outlook: &Outlook) -> Self {
        let Outlook { now_ms, rate_milli, capacity, inside, issued, .. } = *outlook;
        if rate_milli == 0 {
            // What was not let in meanwhile is not made up for.
            return Self { due_ms: self.due_ms.max(now_ms), ..self };
        }
        let saved_ms = (capacity.saturating_mul(MILLI) / rate_milli).min(AGO_MS_MAX);
        let due_ms = self.due_ms.max(now_ms.saturating_sub(saved_ms));
        let by_rate = (now_ms.saturating_sub(due_ms)).saturating_mul(rate_milli) / MILLI;
        let room = capacity.saturating_sub(inside.saturating_add(self.expected(outlook)));
        let door = self.upto.min(issued).saturating_add(room);
        let upto = self.upto.saturating_add(by_rate).min(door).max(self.upto);
        let took_ms = (upto - self.upto).saturating_mul(MILLI).div_ceil(rate_milli);
        Self { upto, due_ms: due_ms.saturating_add(took_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEW: Serving = Serving { upto: 0, due_ms: 0 };

    fn outlook(now_ms: u64, issued: u64) -> Outlook {
        Outlook { now_ms, rate_milli: 10_000, capacity: 100, inside: 0, issued, settled: 0 }
    }

    #[test]
    fn an_empty_room_lets_in_as_many_as_it_has_room_for() {
        assert_eq!(NEW.advance(&outlook(1_000_000, 5)).upto, 100);
    }

    #[test]
    fn a_full_room_lets_in_as_many_as_the_rate_says() {
        let full = NEW.advance(&outlook(1_000_000, 5000));
        assert_eq!(full.upto, 100);
        let left = |now_ms| Outlook { settled: full.upto, ..outlook(now_ms, 5000) };
        assert_eq!(full.advance(&left(1_001_000)).upto, 110);
        assert_eq!(full.advance(&left(1_000_099)).upto, 100);
    }

    #[test]
    fn nobody_is_let_in_while_there_is_no_room() {
        let full = NEW.advance(&outlook(1_000_000, 5000));
        let still = Outlook { inside: 100, settled: 100, ..outlook(9_000_000, 5000) };
        assert_eq!(full.advance(&still).upto, 100);
        assert_eq!(full.advance(&outlook(9_000_000, 5000)).upto, 100, "they are expected");
    }

    #[test]
    fn a_rate_of_nought_stops_it_and_is_not_made_up_for() {
        let stopped = Outlook { rate_milli: 0, settled: 100, ..outlook(2_000_000, 5000) };
        let full = NEW.advance(&outlook(1_000_000, 5000)).advance(&stopped);
        assert_eq!(full.upto, 100);
        let on = Outlook { settled: 100, ..outlook(2_001_000, 5000) };
        assert_eq!(full.advance(&on).upto, 110);
    }

    proptest! {
        #[test]
        fn it_is_one_number_for_days(upto in 0_u64..1 << 36, now_ms in 1_u64 << 40..1 << 41, ago in 0..AGO_MS_MAX) {
            let serving = Serving { upto, due_ms: now_ms - ago };
            prop_assert_eq!(Serving::unpack(serving.pack(), now_ms), serving);
        }

        #[test]
        fn no_more_pass_than_rate_and_capacity_allow(
            rate_milli in 1_u64..10_000_000,
            capacity in 1_u64..10_000,
            steps in prop::collection::vec((0_u64..5000, 0_u64..300, 0_u64..100), 1..60),
        ) {
            let begin_ms = 1_u64 << 40;
            let (mut now_ms, mut issued, mut settled) = (begin_ms, 0, 0);
            let mut serving = NEW;
            let mut inside: u64 = 0;
            for (passed_ms, came, percent) in steps {
                now_ms += passed_ms;
                issued += came;
                let outlook = Outlook { now_ms, rate_milli, capacity, inside, issued, settled };
                let before = serving;
                serving = Serving::unpack(serving.pack(), now_ms).advance(&outlook);
                prop_assert!(serving.upto >= before.upto);
                let most = capacity + (now_ms - begin_ms) * rate_milli / MILLI;
                prop_assert!(serving.upto <= most, "{} of {most}", serving.upto);
                prop_assert!(inside + serving.expected(&outlook) <= capacity);
                // Some of those who are expected come, and some of those who came leave.
                let come = serving.expected(&outlook) * percent / 100;
                settled += come;
                inside = (inside + come) * percent / 100;
            }
        }
    }
}
