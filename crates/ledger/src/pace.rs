//! How fast a ledger's time may pass: entries never go back, so a clock that jumps ahead must not take them
//! along.

use std::time::Duration;

use clock::{Clock, Stopwatch, Timestamp};

/// The clock as batches are dated by it: never further ahead than a stopwatch and some leeway allow.
pub(crate) struct Pace {
    clock: Clock,
    started: Timestamp,
    stopwatch: Stopwatch,
    ahead_max: Duration,
    times: Times,
    held_back: bool,
}

/// How exactly entries tell when they were applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// To the millisecond.
    #[default]
    Exact,
    /// Cut to the minute: where everybody reads the entries, and a time could tell whose they are.
    Minutes,
}

impl Pace {
    pub(crate) fn new(clock: &Clock, ahead_max: Duration, times: Times) -> Self {
        let (started, stopwatch) = (clock.now(), clock.stopwatch());
        Self { clock: clock.clone(), started, stopwatch, ahead_max, times, held_back: false }
    }

    /// The time now, or the latest that can be believed.
    pub(crate) fn now(&mut self) -> Timestamp {
        let said = self.clock.now();
        let now = believable(said, self.started.plus(self.stopwatch.elapsed()), self.ahead_max);
        if now < said && !self.held_back {
            tracing::error!(
                code = "ledger/clock-jumped",
                %said, %now,
                "the clock jumped ahead further than is believed; set it right, or restart the server if it is right"
            );
        }
        self.held_back = now < said;
        self.times.cut(now)
    }
}

impl Times {
    fn cut(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Exact => at,
            Self::Minutes => Timestamp::from_millis(at.millis() / 60_000 * 60_000),
        }
    }
}

/// What the clock says, unless it has come further than `measured` and `ahead_max` together.
fn believable(said: Timestamp, measured: Timestamp, ahead_max: Duration) -> Timestamp {
    said.min(measured.plus(ahead_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_tells_too_much_is_cut() {
        let at = Timestamp::from_millis(1_772_406_059_999);
        assert_eq!(Times::Exact.cut(at), at);
        assert_eq!(Times::Minutes.cut(at), Timestamp::from_millis(1_772_406_000_000));
    }

    #[test]
    fn a_clock_that_jumps_a_year_takes_the_ledger_a_day_along() {
        let (day, year) = (Duration::from_hours(24), Duration::from_hours(24 * 365));
        let start = Timestamp::from_millis(1_772_406_000_000);
        let minute = start.plus(Duration::from_mins(1));
        assert_eq!(believable(minute, minute, day), minute);
        assert_eq!(believable(start.plus(year), minute, day), minute.plus(day));
        assert_eq!(believable(Timestamp::EPOCH, minute, day), Timestamp::EPOCH);
    }
}
