//! When an upstream that fails is left alone, and for how long (outlier ejection).

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// When an upstream is ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EjectionConfig {
    /// Failures in a row (5xx, no connection, no answer) that eject.
    pub failures_max: NonZeroU32,
    /// The first time it is left alone for so long, the second twice that, and so on.
    pub base_ms: NonZeroU32,
    pub ejected_ms_max: NonZeroU32,
    /// Never more than this share of those who take requests, nor the last who is well; what is left then is asked however it
    /// fails.
    pub pool_percent_max: u32,
}

impl Default for EjectionConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self {
            failures_max: positive(5),
            base_ms: positive(10_000),
            ejected_ms_max: positive(300_000),
            pool_percent_max: 50,
        }
    }
}

/// What is remembered of one upstream's failures. Times are in milliseconds since any one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ejection {
    failed_in_a_row: u32,
    until_ms: u64,
    /// Ejections that are not forgotten yet.
    times: u32,
}

impl Ejection {
    /// It failed once more. If that ejects it, until when; `may_eject` says whether the pool allows it.
    pub fn failed(&mut self, now_ms: u64, config: &EjectionConfig, may_eject: bool) -> Option<u64> {
        self.forget(now_ms, config);
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        if self.failed_in_a_row < config.failures_max.get() || !may_eject || now_ms < self.until_ms {
            return None;
        }
        self.failed_in_a_row = 0;
        self.times = self.times.saturating_add(1);
        let time_ms = u64::from(config.base_ms.get()).saturating_mul(u64::from(self.times));
        self.until_ms = now_ms + time_ms.min(config.ejected_ms_max.get().into());
        Some(self.until_ms)
    }

    /// It answered well.
    pub const fn succeeded(&mut self) {
        self.failed_in_a_row = 0;
    }

    /// A time for which it was not ejected takes one ejection back for each base time that passes.
    fn forget(&mut self, now_ms: u64, config: &EjectionConfig) {
        let well_ms = now_ms.saturating_sub(self.until_ms);
        let steps = well_ms / (u64::from(config.base_ms.get()) * 2);
        if steps > 0 && self.times > 0 {
            self.times = self.times.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
            self.until_ms = now_ms;
        }
    }
}

/// May one more of `all` be ejected, when `ejected` are?
#[must_use]
pub const fn may_eject(ejected: usize, all: usize, config: &EjectionConfig) -> bool {
    (ejected + 1) * 100 <= all * config.pool_percent_max as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fail(ejection: &mut Ejection, times: u32, now_ms: u64) -> Option<u64> {
        (0..times).fold(None, |_, _| ejection.failed(now_ms, &EjectionConfig::default(), true))
    }

    #[test]
    fn five_failures_in_a_row_eject_for_a_growing_time() {
        let mut ejection = Ejection::default();
        assert_eq!(fail(&mut ejection, 4, 0), None);
        assert_eq!(fail(&mut ejection, 1, 0), Some(10_000));
        assert_eq!(fail(&mut ejection, 5, 10_000), Some(30_000));
        assert_eq!(fail(&mut ejection, 5, 30_000), Some(60_000));
    }

    #[test]
    fn one_good_answer_ends_the_row() {
        let mut ejection = Ejection::default();
        fail(&mut ejection, 4, 0);
        ejection.succeeded();
        assert_eq!(fail(&mut ejection, 4, 0), None);
    }

    #[test]
    fn a_pool_keeps_its_share_whatever_fails() {
        let config = EjectionConfig::default();
        assert!(!may_eject(0, 1, &config));
        assert!(may_eject(0, 2, &config) && !may_eject(1, 2, &config));
        assert!(may_eject(1, 4, &config) && !may_eject(2, 4, &config));
        let mut ejection = Ejection::default();
        assert!((0..100).all(|_| ejection.failed(0, &config, false).is_none()));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut ejection = Ejection::default();
        fail(&mut ejection, 5, 0);
        fail(&mut ejection, 5, 10_000);
        assert_eq!(fail(&mut ejection, 5, 500_000), Some(510_000));
    }

    proptest! {
        #[test]
        fn nobody_is_ejected_longer_than_the_longest_time(
            steps in proptest::collection::vec((0_u64..200_000, any::<bool>()), 1..200),
        ) {
            let (config, mut ejection, mut now_ms) = (EjectionConfig::default(), Ejection::default(), 0);
            for (passed_ms, went_well) in steps {
                now_ms += passed_ms;
                if went_well {
                    ejection.succeeded();
                } else if let Some(until_ms) = ejection.failed(now_ms, &config, true) {
                    prop_assert!(until_ms - now_ms >= u64::from(config.base_ms.get()));
                    prop_assert!(until_ms - now_ms <= u64::from(config.ejected_ms_max.get()));
                }
            }
        }
    }
}
