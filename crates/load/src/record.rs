//! What became of requests: counted by the second in which they were meant to be sent, with their latencies.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies beyond this are counted as this.
const LATENCY_US_MAX: u64 = 300_000_000;
/// Seconds that are kept apart; what comes later is counted in the last.
const SECONDS_MAX: usize = 24 * 3600;

/// How a journey ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Good,
    /// The target said that it takes no more now (503).
    Refused,
    /// The target said that whoever asks has asked too often (429): a refusal too, which says more of the generator's address than
    /// of the target.
    Limited,
    /// The target answered something that it should not have.
    Wrong,
    /// No answer in time, or the connection was lost: it may have happened, or not.
    Unknown,
}

/// How many ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    pub offered: u64,
    pub good: u64,
    pub refused: u64,
    pub wrong: u64,
    pub unknown: u64,
    /// Of those refused: because of a limit on whoever asks.
    #[serde(default)]
    pub limited: u64,
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        self.offered += 1;
        self.limited += u64::from(outcome == Outcome::Limited);
        *match outcome {
            Outcome::Good => &mut self.good,
            Outcome::Refused | Outcome::Limited => &mut self.refused,
            Outcome::Wrong => &mut self.wrong,
            Outcome::Unknown => &mut self.unknown,
        } += 1;
    }

    /// Adds others to these.
    pub const fn merge(&mut self, other: &Self) {
        self.offered += other.offered;
        self.good += other.good;
        self.refused += other.refused;
        self.wrong += other.wrong;
        self.unknown += other.unknown;
        self.limited += other.limited;
    }
}

/// One second of the run.
#[derive(Debug, Clone)]
pub struct Second {
    pub counts: Counts,
    /// Answers that came in this second, whenever they were asked for.
    pub answered: u64,
    /// Microseconds, two digits of them.
    pub latency_us: Histogram<u64>,
}

impl Default for Second {
    fn default() -> Self {
        Self { counts: Counts::default(), answered: 0, latency_us: histogram(2) }
    }
}

/// What became of all requests of a run.
#[derive(Debug, Clone)]
pub struct Record {
    pub counts: Counts,
    /// Of those that ended well or without an answer, from the moment at which each was meant to be sent; microseconds,
    /// three digits.
    pub latency_us: Histogram<u64>,
    pub seconds: Vec<Second>,
    /// How late the generator itself was.
    pub lag_us: Histogram<u64>,
    /// Requests on the wire, of which a journey may have several.
    pub requests: u64,
    /// Answers that nobody expected, by status, as examples.
    pub wrong: Vec<String>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            latency_us: histogram(3),
            seconds: Vec::new(),
            lag_us: histogram(2),
            requests: 0,
            wrong: Vec::new(),
        }
    }
}

const WRONG_MAX: usize = 5;

impl Outcome {
    /// What a status came to that nobody expected.
    #[must_use]
    pub const fn of_unexpected(status: u16) -> Self {
        match status {
            429 => Self::Limited,
            503 => Self::Refused,
            _ => Self::Wrong,
        }
    }
}

impl Record {
    /// Something that was meant to begin at `intended` ended at `now`. Whoever got no answer is counted as having waited
    /// for all their `patience`: a connection that is refused at once is no quick answer. A refusal is an answer that tells
    /// nothing of how long the thing itself takes, so it is counted, and not timed.
    pub fn ended(&mut self, intended: Duration, now: Duration, outcome: Outcome, patience: Duration) {
        let took = now.saturating_sub(intended);
        let took = match outcome {
            Outcome::Good => Some(micros(took)),
            Outcome::Unknown => Some(micros(took.max(patience))),
            Outcome::Refused | Outcome::Limited | Outcome::Wrong => None,
        };
        self.counts.add(outcome);
        let second = self.second(intended);
        second.counts.add(outcome);
        if let Some(took) = took {
            second.latency_us.saturating_record(took);
            self.latency_us.saturating_record(took);
        }
        self.second(now).answered += u64::from(outcome == Outcome::Good);
    }

    /// The generator took up at `now` what it should have taken up at `intended`.
    pub fn taken_up(&mut self, intended: Duration, now: Duration) {
        self.lag_us.saturating_record(micros(now.saturating_sub(intended)));
    }

    /// An example of an answer that should not have been.
    pub fn example(&mut self, text: impl FnOnce() -> String) {
        if self.wrong.len() < WRONG_MAX {
            self.wrong.push(text());
        }
    }

    fn second(&mut self, at: Duration) -> &mut Second {
        let index = usize::try_from(at.as_secs()).unwrap_or(usize::MAX).min(SECONDS_MAX - 1);
        while self.seconds.len() <= index {
            self.seconds.push(Second::default());
        }
        &mut self.seconds[index]
    }

    /// Adds what another thread saw of the same run.
    pub fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.requests += other.requests;
        let known = "both count microseconds up to the same bound";
        self.latency_us.add(&other.latency_us).expect(known);
        self.lag_us.add(&other.lag_us).expect(known);
        for (index, second) in other.seconds.iter().enumerate() {
            let own = self.second(Duration::from_secs(index as u64));
            own.counts.merge(&second.counts);
            own.answered += second.answered;
            own.latency_us.add(&second.latency_us).expect(known);
        }
        let room = WRONG_MAX.saturating_sub(self.wrong.len());
        self.wrong.extend(other.wrong.iter().take(room).cloned());
    }

    /// A latency in milliseconds: of how many in a hundred it was no longer.
    #[must_use]
    pub fn latency_ms(&self, percentile: f64) -> f64 {
        milliseconds(self.latency_us.value_at_quantile(percentile / 100.0))
    }

    /// The generator's own lateness, likewise.
    #[must_use]
    pub fn lag_ms(&self, percentile: f64) -> f64 {
        milliseconds(self.lag_us.value_at_quantile(percentile / 100.0))
    }
}

fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, digits).expect("the bounds are in order")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(LATENCY_US_MAX).clamp(1, LATENCY_US_MAX)
}

pub fn milliseconds(us: u64) -> f64 {
    super::arrivals::float(us) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn a_connection_that_is_refused_at_once_is_no_quick_answer() {
        let mut record = Record::default();
        for ms in 0..100_u64 {
            let at = Duration::from_millis(ms);
            let outcome = if ms < 90 { Outcome::Good } else { Outcome::Unknown };
            record.ended(at, at + Duration::from_millis(1), outcome, PATIENCE);
            // What was refused is known to be, and tells nothing of the others.
            record.ended(at, at, Outcome::Refused, PATIENCE);
        }
        assert!((record.latency_ms(99.0) - 5000.0).abs() < 10.0, "{}", record.latency_ms(99.0));
        assert!(record.latency_ms(85.0) < 1.1);
        assert_eq!((record.counts.offered, record.counts.refused), (200, 100));
    }

    #[test]
    fn whoever_asked_too_often_is_refused_and_counted_apart() {
        let mut record = Record::default();
        for status in [429, 429, 503, 500] {
            let outcome = Outcome::of_unexpected(status);
            record.ended(Duration::ZERO, Duration::ZERO, outcome, PATIENCE);
        }
        let Counts { refused, limited, wrong, .. } = record.counts;
        assert_eq!((refused, limited, wrong), (3, 2, 1));
    }

    /// A server that stands still for one second in ten, asked a thousand times a second: whoever comes while it stands
    /// waits for what is left of that second.
    #[test]
    fn who_comes_during_a_standstill_is_counted_with_what_they_waited() {
        let mut record = Record::default();
        for ms in 0..100_000_u64 {
            let intended = Duration::from_millis(ms);
            let left = 1000_u64.saturating_sub(ms % 10_000);
            record.ended(intended, intended + Duration::from_millis(left), Outcome::Good, PATIENCE);
        }
        assert!((record.latency_ms(95.0) - 500.0).abs() < 2.0, "{}", record.latency_ms(95.0));
        assert!((record.latency_ms(99.0) - 900.0).abs() < 2.0, "{}", record.latency_ms(99.0));
        assert!(record.latency_ms(89.0) < 1.1);
    }

    #[test]
    fn what_threads_saw_apart_is_what_one_would_have_seen() {
        let (mut one, mut two, mut whole) = (Record::default(), Record::default(), Record::default());
        for ms in 0..5000_u64 {
            let (at, took) = (Duration::from_millis(ms), Duration::from_micros(ms * 7 % 900 + 1));
            let outcome = if ms.is_multiple_of(9) { Outcome::Refused } else { Outcome::Good };
            if ms.is_multiple_of(2) { &mut one } else { &mut two }.ended(at, at + took, outcome, PATIENCE);
            whole.ended(at, at + took, outcome, PATIENCE);
        }
        one.merge(&two);
        assert_eq!((one.counts, &one.latency_us), (whole.counts, &whole.latency_us));
        assert_eq!(one.seconds.len(), 5);
        assert!(one.seconds.iter().zip(&whole.seconds).all(|(a, b)| a.counts == b.counts));
    }
}
