//! Limits that shrink while a machine has too much to do, and come back by themselves.

use std::num::NonZeroU32;

use serde::Deserialize;

use crate::WHOLE_PERMILLE;

/// When limits shrink, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdaptiveConfig {
    /// How busy the processors may be, of all of them, in percent.
    pub cpu_percent_max: NonZeroU32,
    /// How many jobs may wait.
    pub jobs_waiting_max: NonZeroU32,
    /// At least so many thousandths of every limit are given.
    pub given_permille_min: NonZeroU32,
}

impl Default for AdaptiveConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self {
            cpu_percent_max: positive(80),
            jobs_waiting_max: positive(1000),
            given_permille_min: positive(100),
        }
    }
}

/// Down by a fifth of what was given each time there is too much to do, and up by a twentieth of the whole otherwise:
/// quickly out of trouble, and slowly back so as not to swing.
const DOWN: (u32, u32) = (4, 5);
const UP_PERMILLE: u32 = 50;

impl AdaptiveConfig {
    /// How many thousandths of the limits are given next, after `given`. `cpu` is how busy the processors are, from 0
    /// to 1. Asked about once a second.
    #[must_use]
    pub fn next(&self, given: u32, cpu: f64, jobs_waiting: u64) -> u32 {
        let busy = cpu * 100.0 > f64::from(self.cpu_percent_max.get());
        let behind = jobs_waiting > u64::from(self.jobs_waiting_max.get());
        let least = self.given_permille_min.get().min(WHOLE_PERMILLE);
        let next = if busy || behind { given * DOWN.0 / DOWN.1 } else { given + UP_PERMILLE };
        next.clamp(least, WHOLE_PERMILLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is given after so many seconds.
    fn after(seconds: u32, given: u32, cpu: f64, waiting: u64) -> u32 {
        (0..seconds).fold(given, |given, _| AdaptiveConfig::default().next(given, cpu, waiting))
    }

    #[test]
    fn limits_shrink_while_processors_are_busy_or_jobs_wait() {
        assert_eq!(after(1, 1000, 0.81, 0), 800);
        assert_eq!(after(1, 1000, 0.1, 1001), 800);
        assert_eq!(after(60, 1000, 1.0, 5000), 100);
    }

    #[test]
    fn limits_stay_whole_as_long_as_neither_is_the_case() {
        assert_eq!(after(10, 1000, 0.8, 1000), 1000);
    }

    #[test]
    fn limits_recover_by_themselves() {
        assert_eq!(after(1, 100, 0.5, 10), 150);
        assert_eq!(after(60, 100, 0.5, 10), 1000);
    }
}
