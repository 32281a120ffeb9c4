//! A circuit breaker: when too many calls fail, nobody calls for a while, and then one tries.

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BreakerConfig {
    /// It opens when at least this share of recent calls failed: of the last ten seconds, or of the latest.
    pub failed_percent: NonZeroU32,
    /// And there were at least so many; when the latest so many failed in a row, what was before is past.
    pub calls_min: NonZeroU32,
    /// How long it stays open before one call tries.
    pub reset_ms: NonZeroU32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self { failed_percent: positive(50), calls_min: positive(10), reset_ms: positive(30_000) }
    }
}

/// Recent calls are those of the last ten slots.
const SLOTS: usize = 10;
const SLOT: Duration = Duration::from_secs(1);

/// The breaker as arithmetic: whoever has a clock and a lock puts them around it.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    slots: [Slot; SLOTS],
    /// Calls that failed since one went well.
    failed_in_a_row: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Which slot since the beginning it counts.
    number: u64,
    calls: u64,
    failures: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// Nobody calls until then.
    Open {
        until: Duration,
    },
    /// One call tries; it is given until then to come back.
    Trying {
        until: Duration,
    },
}

/// What a breaker says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// Not now; try again after this.
    Wait(Duration),
}

impl Breaker {
    /// Closed, without a past.
    #[must_use]
    pub fn new(config: BreakerConfig) -> Self {
        Self { config, slots: [Slot::default(); SLOTS], failed_in_a_row: 0, state: State::Closed }
    }

    /// May a call be made now? Times count from any one moment. Whoever is told to go makes the call and
    /// tells how it went.
    pub fn ask(&mut self, now: Duration) -> Verdict {
        match self.state {
            State::Closed => Verdict::Go,
            State::Open { until } | State::Trying { until } if now < until => Verdict::Wait(until - now),
            State::Open { .. } | State::Trying { .. } => {
                self.state = State::Trying { until: now + self.reset() };
                Verdict::Go
            }
        }
    }

    /// Would a call be told to wait? Asking changes nothing.
    #[must_use]
    pub fn refuses(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Open { until } | State::Trying { until } => {
                until.checked_sub(now).filter(|left| !left.is_zero())
            }
            State::Closed => None,
        }
    }

    /// Is it anything but closed?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// Somebody found that what is called is well again: the next call need not wait to try.
    pub fn found_well(&mut self, now: Duration) {
        if let State::Open { .. } = self.state {
            self.state = State::Open { until: now };
        }
    }

    /// Whoever was to try gave up without having found out anything: the next call tries.
    pub fn given_up(&mut self, now: Duration) {
        if let State::Trying { .. } = self.state {
            self.state = State::Open { until: now };
        }
    }

    /// Calls went well, or did not.
    pub fn told(&mut self, now: Duration, calls: u64, went_well: bool) {
        if self.state != State::Closed {
            (self.slots, self.failed_in_a_row) = ([Slot::default(); SLOTS], 0);
            self.state = if went_well { State::Closed } else { State::Open { until: now + self.reset() } };
            return;
        }
        let number = now.as_secs() / SLOT.as_secs();
        let slot = &mut self.slots[usize::try_from(number).unwrap_or(usize::MAX) % SLOTS];
        if slot.number != number {
            *slot = Slot { number, ..Slot::default() };
        }
        slot.calls += calls;
        slot.failures += if went_well { 0 } else { calls };
        self.failed_in_a_row = if went_well { 0 } else { self.failed_in_a_row + calls };
        if !went_well && self.fails_too_often(number) {
            self.state = State::Open { until: now + self.reset() };
        }
    }

    fn fails_too_often(&self, number: u64) -> bool {
        let recent = self.slots.iter().filter(|slot| slot.number + SLOTS as u64 > number);
        let (calls, failures) =
            recent.fold((0, 0), |(calls, failures), slot| (calls + slot.calls, failures + slot.failures));
        let BreakerConfig { failed_percent, calls_min, .. } = self.config;
        let often =
            calls >= calls_min.get().into() && failures * 100 >= calls * u64::from(failed_percent.get());
        often || self.failed_in_a_row >= calls_min.get().into()
    }

    fn reset(&self) -> Duration {
        Duration::from_millis(self.config.reset_ms.get().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(100);

    fn breaker() -> Breaker {
        Breaker::new(BreakerConfig::default())
    }

    fn seconds(seconds: u64) -> Duration {
        START + Duration::from_secs(seconds)
    }

    fn opened() -> Breaker {
        let mut breaker = breaker();
        breaker.told(START, 10, false);
        breaker
    }

    #[test]
    fn a_few_failures_open_nothing() {
        let mut breaker = breaker();
        breaker.told(START, 9, false);
        assert_eq!(breaker.ask(START), Verdict::Go);
    }

    #[test]
    fn half_of_ten_calls_failing_opens_it_for_thirty_seconds() {
        let mut breaker = breaker();
        breaker.told(START, 5, true);
        breaker.told(START, 5, false);
        assert_eq!(breaker.ask(seconds(10)), Verdict::Wait(Duration::from_secs(20)));
    }

    #[test]
    fn fewer_than_half_failing_opens_nothing() {
        let mut breaker = breaker();
        breaker.told(START, 6, true);
        breaker.told(START, 5, false);
        assert_eq!(breaker.ask(START), Verdict::Go);
    }

    #[test]
    fn ten_failures_in_a_row_open_it_however_well_it_went_before() {
        let mut breaker = breaker();
        breaker.told(START, 1000, true);
        breaker.told(START, 10, false);
        assert!(breaker.is_open());
    }

    #[test]
    fn what_failed_long_ago_does_not_count() {
        let mut breaker = breaker();
        breaker.told(START, 9, false);
        breaker.told(START, 1, true);
        breaker.told(seconds(11), 9, false);
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_call_that_gave_up_leaves_the_trial_to_the_next() {
        let mut breaker = opened();
        breaker.given_up(seconds(10));
        assert!(matches!(breaker.ask(seconds(10)), Verdict::Wait(_)), "nobody tried yet");
        assert_eq!(breaker.ask(seconds(30)), Verdict::Go);
        breaker.given_up(seconds(31));
        assert_eq!(breaker.ask(seconds(31)), Verdict::Go);
        breaker.told(seconds(31), 1, true);
        breaker.given_up(seconds(31));
        assert!(!breaker.is_open(), "it was told before");
    }

    #[test]
    fn after_the_rest_one_call_tries_and_the_others_wait() {
        let mut breaker = opened();
        assert_eq!(breaker.ask(seconds(30)), Verdict::Go);
        assert!(matches!(breaker.ask(seconds(30)), Verdict::Wait(_)));
    }

    #[test]
    fn what_is_found_well_is_tried_at_once_by_one_call() {
        let mut breaker = opened();
        breaker.found_well(seconds(2));
        assert_eq!((breaker.refuses(seconds(2)), breaker.ask(seconds(2))), (None, Verdict::Go));
        assert!(matches!(breaker.ask(seconds(2)), Verdict::Wait(_)), "until it has come back");
        breaker.found_well(seconds(3));
        assert!(matches!(breaker.ask(seconds(3)), Verdict::Wait(_)), "one that tries is not overtaken");
    }

    #[test]
    fn a_breaker_that_is_closed_is_not_changed_by_what_is_found() {
        let mut breaker = breaker();
        breaker.found_well(START);
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_try_that_goes_well_closes_it() {
        let mut breaker = opened();
        breaker.ask(seconds(30));
        breaker.told(seconds(30), 1, true);
        assert_eq!((breaker.ask(seconds(30)), breaker.is_open()), (Verdict::Go, false));
    }

    #[test]
    fn a_try_that_fails_opens_it_again() {
        let mut breaker = opened();
        breaker.ask(seconds(30));
        breaker.told(seconds(31), 1, false);
        assert_eq!(breaker.refuses(seconds(31)), Some(Duration::from_secs(30)));
    }

    #[test]
    fn a_try_that_never_comes_back_is_followed_by_another() {
        let mut breaker = opened();
        breaker.ask(seconds(30));
        assert_eq!(breaker.ask(seconds(60)), Verdict::Go);
    }
}
