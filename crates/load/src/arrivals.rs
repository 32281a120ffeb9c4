//! When callers come: at a rate that changes by straight lines, evenly or as chance has it, and whatever became of
//! those before them.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// A stretch of time in which the rate goes from one value to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Phase {
    pub seconds: f64,
    pub from_per_s: f64,
    pub to_per_s: f64,
}

impl Phase {
    /// Several, one after the other, in words.
    #[must_use]
    pub fn told(phases: &[Self]) -> String {
        let told = |phase: &Self| {
            let Self { seconds, from_per_s, to_per_s } = phase;
            if (from_per_s - to_per_s).abs() < f64::EPSILON {
                format!("{to_per_s:.0} a second for {seconds:.0} s")
            } else {
                format!("from {from_per_s:.0} to {to_per_s:.0} a second in {seconds:.0} s")
            }
        };
        phases.iter().map(told).collect::<Vec<_>>().join(", ")
    }

    /// The same rate all the time.
    #[must_use]
    pub const fn constant(per_s: f64, seconds: f64) -> Self {
        Self { seconds, from_per_s: per_s, to_per_s: per_s }
    }

    fn arrivals(&self) -> f64 {
        self.seconds * f64::midpoint(self.from_per_s, self.to_per_s)
    }

    /// After how many seconds as many have come: the root of `from t + (to - from) t² / 2s = count`.
    fn time_of(&self, count: f64) -> f64 {
        let slope = (self.to_per_s - self.from_per_s) / self.seconds;
        let root = (self.from_per_s * self.from_per_s + 2.0 * slope * count).max(0.0).sqrt();
        // This form of the root loses nothing where the slope is nought.
        (2.0 * count / (self.from_per_s + root)).min(self.seconds)
    }
}

/// How they are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spacing {
    /// At even distances.
    Constant,
    /// Each independent of the others, as people come.
    Poisson,
}

/// The moments at which one thread of several has somebody come, counted from the beginning.
#[derive(Debug)]
pub struct Arrivals {
    phases: Vec<Phase>,
    /// How many come in phases that are over, and how long those were.
    before: (f64, f64),
    phase: usize,
    /// How many have come, as far as this thread counts.
    counted: f64,
    step: f64,
    spacing: Spacing,
    dice: StdRng,
}

impl Arrivals {
    /// The share of one thread, `number` of `threads`.
    #[must_use]
    pub fn new(phases: &[Phase], spacing: Spacing, seed: u64, number: usize, threads: usize) -> Self {
        let mut dice = StdRng::seed_from_u64(seed ^ ((number as u64) << 32));
        let step = float(threads as u64);
        let counted = match spacing {
            Spacing::Constant => float(number as u64),
            Spacing::Poisson => step * exponential(&mut dice),
        };
        let phases = phases.iter().copied().filter(|phase| phase.arrivals() > 0.0).collect();
        Self { phases, before: (0.0, 0.0), phase: 0, counted, step, spacing, dice }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        loop {
            let phase = self.phases.get(self.phase)?;
            let within = self.counted - self.before.0;
            if within < phase.arrivals() {
                let at = self.before.1 + phase.time_of(within);
                self.counted += match self.spacing {
                    Spacing::Constant => self.step,
                    Spacing::Poisson => self.step * exponential(&mut self.dice),
                };
                return Some(Duration::from_secs_f64(at));
            }
            self.before = (self.before.0 + phase.arrivals(), self.before.1 + phase.seconds);
            self.phase += 1;
        }
    }
}

/// How long until the next of those who come once in a unit of time, on average.
fn exponential(dice: &mut StdRng) -> f64 {
    -(1.0 - dice.random::<f64>()).ln()
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(phases: &[Phase], spacing: Spacing, threads: usize) -> Vec<Duration> {
        let mut all: Vec<_> = (0..threads)
            .flat_map(|number| Arrivals::new(phases, spacing, 7, number, threads).collect::<Vec<_>>())
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_constant_rate_comes_at_even_distances_however_many_threads_share_it() {
        for threads in [1, 2, 5] {
            let all = all(&[Phase::constant(1000.0, 2.0)], Spacing::Constant, threads);
            assert_eq!(all.len(), 2000);
            for (number, at) in all.iter().enumerate() {
                let expected = Duration::from_micros(1000 * number as u64);
                assert!(at.abs_diff(expected) < Duration::from_micros(1), "{number}: {at:?}");
            }
        }
    }

    #[test]
    fn chance_brings_about_as_many_and_lets_them_come_in_bunches() {
        let all = all(&[Phase::constant(10_000.0, 4.0)], Spacing::Poisson, 2);
        let spread = float(all.len() as u64) - 40_000.0;
        // Five standard deviations.
        assert!(spread.abs() < 1000.0, "{}", all.len());
        let gaps: Vec<_> = all.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        let short = float(gaps.iter().filter(|gap| **gap < 1e-4 * 0.5).count() as u64);
        let share = short / float(gaps.len() as u64);
        // 1 - e^(-1/2) of the distances are shorter than half of the mean.
        assert!((share - 0.393).abs() < 0.02, "{share}");
    }

    proptest! {
        #[test]
        fn ramps_bring_as_many_as_lie_under_the_line_in_order_and_in_time(
            rates in prop::collection::vec((0.1_f64..3.0, 0.0_f64..500.0, 0.0_f64..500.0), 1..5),
            threads in 1_usize..4,
        ) {
            let phases: Vec<_> = rates.iter()
                .map(|(seconds, from, to)| Phase { seconds: *seconds, from_per_s: *from, to_per_s: *to })
                .collect();
            let expected: f64 = phases.iter().map(Phase::arrivals).sum();
            let end: f64 = phases.iter().map(|phase| phase.seconds).sum();
            let all = all(&phases, Spacing::Constant, threads);
            prop_assert!((float(all.len() as u64) - expected).abs() <= 1.0, "{} for {expected}", all.len());
            prop_assert!(all.iter().all(|at| at.as_secs_f64() <= end + 1e-6));
        }
    }
}
