//! What an answer of an upstream costs lately: an average that jumps up at once and comes down slowly.
//!
//! A server that begins to be slow is left alone with the first slow answer, and is trusted again by and by.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The average as arithmetic.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PeakEwma {
    pub cost_us: u64,
    /// When it was last changed, in milliseconds since any one moment.
    pub at_ms: u64,
}

impl PeakEwma {
    /// What it says at `now_ms`, coming down by itself for as long as nobody answers.
    #[must_use]
    pub fn at(self, now_ms: u64, decay_ms: u64) -> u64 {
        let kept = kept(now_ms.saturating_sub(self.at_ms), decay_ms);
        scaled(self.cost_us, kept)
    }

    /// With one more answer, which took `took_us`.
    #[must_use]
    pub fn with(self, took_us: u64, now_ms: u64, decay_ms: u64) -> Self {
        let now_ms = now_ms.max(self.at_ms);
        let kept = kept(now_ms - self.at_ms, decay_ms);
        let average = scaled(self.cost_us, kept).saturating_add(scaled(took_us, 1.0 - kept));
        Self { cost_us: average.max(took_us), at_ms: now_ms }
    }
}

/// The share of an old value that is left after `passed_ms`.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a process's life fit")]
fn kept(passed_ms: u64, decay_ms: u64) -> f64 {
    (-(passed_ms as f64) / decay_ms.max(1) as f64).exp()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the factor is from nought to one, so the product is within the value"
)]
fn scaled(value: u64, factor: f64) -> u64 {
    (value as f64 * factor) as u64
}

/// The share of an upstream's recent requests that failed, in millionths: an average over some eight of them, forgotten with
/// time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct FailedShare {
    pub(crate) millionths: u64,
    /// When it was last changed, in milliseconds since any one moment.
    pub(crate) at_ms: u64,
}

/// Requests that the share of failures is an average over.
const FAILED_OVER: u64 = 8;

impl FailedShare {
    /// What it says at `now_ms`: whoever is not asked is trusted again.
    #[must_use]
    pub(crate) fn at(self, now_ms: u64, decay_ms: u64) -> u64 {
        scaled(self.millionths, kept(now_ms.saturating_sub(self.at_ms), decay_ms))
    }

    /// With one more request.
    #[must_use]
    pub(crate) fn with(self, failed: bool, now_ms: u64, decay_ms: u64) -> Self {
        let now_ms = now_ms.max(self.at_ms);
        let before = self.at(now_ms, decay_ms);
        let after = before - before / FAILED_OVER + if failed { 1_000_000 / FAILED_OVER } else { 0 };
        Self { millionths: after.min(1_000_000), at_ms: now_ms }
    }
}

/// What it costs to be served by somebody who fails this share of requests: as many attempts as it takes.
#[must_use]
pub(crate) const fn until_served(cost_us: u64, failed_millionths: u64) -> u64 {
    // Never nought: somebody who fails always is dearer than all others, and still one to choose.
    let served = if failed_millionths < 999_000 { 1_000_000 - failed_millionths } else { 1_000 };
    cost_us.saturating_mul(1_000_000) / served
}

/// Both, for many threads. Two who tell at once may lose one of the answers, which an average survives.
#[derive(Debug, Default)]
pub(crate) struct SharedEwma {
    cost_us: AtomicU64,
    at_ms: AtomicU64,
    failed_millionths: AtomicU64,
    failed_at_ms: AtomicU64,
}

impl SharedEwma {
    fn read(&self) -> PeakEwma {
        PeakEwma { cost_us: self.cost_us.load(Relaxed), at_ms: self.at_ms.load(Relaxed) }
    }

    fn failed(&self) -> FailedShare {
        let (millionths, at_ms) = (&self.failed_millionths, &self.failed_at_ms);
        FailedShare { millionths: millionths.load(Relaxed), at_ms: at_ms.load(Relaxed) }
    }

    pub(crate) fn at(&self, now_ms: u64, decay_ms: u64) -> u64 {
        self.read().at(now_ms, decay_ms)
    }

    /// The share of recent requests that failed, in millionths.
    pub(crate) fn failed_at(&self, now_ms: u64, decay_ms: u64) -> u64 {
        self.failed().at(now_ms, decay_ms)
    }

    /// One more request, which took so long.
    pub(crate) fn took(&self, took_us: u64, now_ms: u64, decay_ms: u64) {
        let told = self.read().with(took_us, now_ms, decay_ms);
        self.cost_us.store(told.cost_us, Relaxed);
        self.at_ms.store(told.at_ms, Relaxed);
    }

    /// One more request came to its end.
    pub(crate) fn ended(&self, failed: bool, now_ms: u64, decay_ms: u64) {
        let share = self.failed();
        if share.millionths > 0 || failed {
            let told = share.with(failed, now_ms, decay_ms);
            self.failed_millionths.store(told.millionths, Relaxed);
            self.failed_at_ms.store(told.at_ms, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DECAY_MS: u64 = 10_000;

    #[test]
    fn a_slow_answer_counts_at_once_and_a_fast_one_by_and_by() {
        let slow = PeakEwma { cost_us: 100, at_ms: 0 }.with(50_000, 10, DECAY_MS);
        assert_eq!(slow.cost_us, 50_000);
        let later = slow.with(100, 1_010, DECAY_MS);
        assert!((40_000..50_000).contains(&later.cost_us), "{later:?}");
        let much_later = later.with(100, 101_010, DECAY_MS);
        assert!(much_later.cost_us < 200, "{much_later:?}");
    }

    #[test]
    fn whoever_is_not_asked_is_trusted_again() {
        let slow = PeakEwma { cost_us: 1_000_000, at_ms: 0 };
        assert_eq!(slow.at(0, DECAY_MS), 1_000_000);
        assert!(slow.at(10 * DECAY_MS, DECAY_MS) < 100);
    }

    #[test]
    fn who_fails_always_is_dearer_than_anybody_and_is_trusted_again_with_time() {
        let failing = (0..40).fold(FailedShare::default(), |share, _| share.with(true, 0, DECAY_MS));
        assert!(until_served(20, failing.at(0, DECAY_MS)) > 2_000, "{failing:?}");
        assert_eq!(until_served(20, failing.at(20 * DECAY_MS, DECAY_MS)), 20);
        let once = FailedShare::default().with(true, 0, DECAY_MS);
        assert_eq!(until_served(700, once.at(0, DECAY_MS)), 800);
    }

    proptest! {
        #[test]
        fn a_share_is_never_more_than_all(answers in proptest::collection::vec((any::<bool>(), 0_u64..5_000), 1..100)) {
            let (mut share, mut now_ms) = (FailedShare::default(), 0);
            for (failed, passed_ms) in answers {
                now_ms += passed_ms;
                share = share.with(failed, now_ms, DECAY_MS);
                prop_assert!(share.millionths <= 1_000_000);
                prop_assert!(until_served(u64::MAX, share.millionths) > 0);
            }
        }

        #[test]
        fn the_average_lies_between_what_was_seen(
            answers in proptest::collection::vec((1_u64..10_000_000, 0_u64..5_000), 1..50),
        ) {
            let (mut average, mut now_ms) = (PeakEwma::default(), 0);
            for (took_us, passed_ms) in &answers {
                now_ms += passed_ms;
                average = average.with(*took_us, now_ms, DECAY_MS);
                prop_assert!(average.cost_us >= *took_us);
            }
            let most = answers.iter().map(|(took_us, _)| *took_us).max().expect("there is one");
            prop_assert!(average.cost_us <= most + 1);
        }
    }
}
