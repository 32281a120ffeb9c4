//! How many retries there may be: a share of first tries, so that a failure is not multiplied by everybody who
//! asks again.

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

/// How large the budget is. Servers keep one for each route, and callers may keep one for each server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RetryConfig {
    /// Retries for every hundred first tries.
    pub percent: NonZeroU32,
    /// Retries in a second that are always there, for routes that are hardly ever asked.
    pub per_second_min: NonZeroU32,
    /// What has not been used is forgotten after about so long, in milliseconds.
    pub memory_ms: NonZeroU32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self { percent: positive(20), per_second_min: positive(10), memory_ms: positive(10_000) }
    }
}

/// Retries that may still be made. Arithmetic only: whoever keeps it knows the time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RetryBudget {
    left: f64,
}

impl RetryBudget {
    /// One that a start finds: a second's worth of what is always there.
    #[must_use]
    pub fn new(config: &RetryConfig) -> Self {
        Self { left: f64::from(config.per_second_min.get()) }
    }

    /// So many first tries were made in the time that has passed since this was last said.
    pub fn earn(&mut self, config: &RetryConfig, first_tries: u32, passed: Duration) {
        let memory = f64::from(config.memory_ms.get()) / 1000.0;
        let per_second_min = f64::from(config.per_second_min.get());
        let seconds = passed.as_secs_f64();
        let earned = f64::from(first_tries) * f64::from(config.percent.get()) / 100.0;
        // What is always there is kept for a second, or retries would be refused that come in twos.
        let floor = per_second_min.min(self.left.max(0.0) + per_second_min * seconds);
        self.left = (self.left * (-seconds / memory).exp() + earned).max(floor);
    }

    /// Takes one retry, if one is left.
    pub fn spend(&mut self) -> bool {
        let granted = self.left >= 1.0;
        if granted {
            self.left -= 1.0;
        }
        granted
    }

    /// So many retries were made elsewhere, out of what [`RetryBudget::left`] said.
    pub fn spent(&mut self, retries: u32) {
        self.left = (self.left - f64::from(retries)).max(0.0);
    }

    /// Retries that may still be made.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is cut to what fits")]
    pub fn left(&self) -> u32 {
        self.left.clamp(0.0, f64::from(u32::MAX)) as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEP: Duration = Duration::from_millis(10);

    /// Retries granted of those asked for, in so many steps with so many first tries each.
    fn granted(steps: u32, first_tries: u32, retries: u32) -> u32 {
        let config = RetryConfig::default();
        let mut budget = RetryBudget::new(&config);
        let mut granted = 0;
        for _ in 0..steps {
            budget.earn(&config, first_tries, STEP);
            granted += (0..retries).map(|_| u32::from(budget.spend())).sum::<u32>();
        }
        granted
    }

    #[test]
    fn a_storm_of_retries_is_served_no_more_than_the_share() {
        let storm = granted(1000, 10, 50);
        assert!((1950..=2100).contains(&storm), "{storm} of 10,000 first tries");
    }

    #[test]
    fn a_route_that_nobody_asks_grants_a_few_all_the_same() {
        let few = granted(1000, 0, 1);
        assert!((90..=120).contains(&few), "{few} in ten seconds");
    }

    proptest! {
        #[test]
        fn retries_never_exceed_share_and_minimum(
            steps in prop::collection::vec((0_u32..1000, 0_u32..1000, 0_u64..5000), 1..200),
        ) {
            let config = RetryConfig::default();
            let mut budget = RetryBudget::new(&config);
            let (mut first, mut granted, mut ms) = (0.0, 0.0, 0.0);
            for (first_tries, retries, passed_ms) in steps {
                budget.earn(&config, first_tries, Duration::from_millis(passed_ms));
                first += f64::from(first_tries);
                ms += f64::from(u32::try_from(passed_ms).unwrap());
                granted += (0..retries).map(|_| f64::from(u8::from(budget.spend()))).sum::<f64>();
                prop_assert!(granted <= first * 0.2 + 10.0 + ms / 100.0 + 1e-6);
            }
        }
    }
}
