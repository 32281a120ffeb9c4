//! Until when a caller waits for the answer: what comes later is work for nobody.

use std::time::Duration;

use clock::Stopwatch;

/// The time that a caller gives a request, told in milliseconds from when they sent it. Handlers find it among the
/// request's extensions, and pass on what remains when they call others.
#[derive(Debug, Clone)]
pub struct Deadline {
    running: Stopwatch,
    time: Duration,
}

impl Deadline {
    /// So much time from the start of `running`.
    #[must_use]
    pub const fn new(running: Stopwatch, time: Duration) -> Self {
        Self { running, time }
    }

    /// What is left of it: nothing when it has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.time.saturating_sub(self.running.elapsed())
    }
}

/// A number as a header field holds it: one to nine digits and nothing else.
#[must_use]
pub fn field_number(value: &[u8]) -> Option<u32> {
    if !(1..=9).contains(&value.len()) {
        return None;
    }
    value
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use clock::{Clock, Timestamp};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_remains_shrinks_to_nothing() {
        let clock = Clock::manual(Timestamp::EPOCH, 1);
        let deadline = Deadline::new(clock.stopwatch(), Duration::from_millis(10));
        clock.advance(Duration::from_millis(7));
        assert_eq!(deadline.remaining(), Duration::from_millis(3));
        clock.advance(Duration::from_millis(7));
        assert_eq!(deadline.remaining(), Duration::ZERO);
    }

    #[test]
    fn a_number_is_digits_alone() {
        assert_eq!(field_number(b"0250"), Some(250));
        for unfit in ["", "-1", "+1", "1.5", "1 ", "0x1", "1234567890"] {
            assert_eq!(field_number(unfit.as_bytes()), None, "{unfit}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_number_or_none(value in prop::collection::vec(any::<u8>(), 0..12)) {
            let read = std::str::from_utf8(&value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let expected = read.filter(|text| text.len() <= 9).and_then(|text| text.parse().ok());
            prop_assert_eq!(field_number(&value), expected);
        }
    }
}
