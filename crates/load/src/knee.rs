//! Finds the knee: the highest rate at which what ends well follows what is offered, and nobody waits too long.

use serde::{Deserialize, Serialize};

/// What makes a rate one that holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Knee {
    /// The rate to begin with.
    pub from_per_s: f64,
    /// Beyond it nothing is tried.
    pub to_per_s: f64,
    /// Seconds at each rate.
    pub seconds: f64,
    /// Of what is offered, so much must end well.
    pub good_share_min: f64,
    /// The 99th percentile of the latency, at most.
    pub p99_ms_max: f64,
    /// The search ends when the highest that holds and the lowest that does not are as near as this.
    pub precision: f64,
}

/// One rate, and whether it held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    pub offered_per_s: f64,
    pub good_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub held: bool,
    /// The generator was the limit, so nothing is known of the target at this rate.
    pub invalid: bool,
}

/// A search: which rate to try next, after those that were tried.
#[derive(Debug, Clone)]
pub struct Search {
    knee: Knee,
    next: Option<f64>,
    held: Option<f64>,
    failed: Option<f64>,
    /// Tries at one rate are made twice before it counts as one that does not hold.
    again: bool,
    pub trials: Vec<Trial>,
}

impl Search {
    #[must_use]
    pub const fn new(knee: Knee) -> Self {
        Self { knee, next: Some(knee.from_per_s), held: None, failed: None, again: false, trials: Vec::new() }
    }

    /// The rate to try; none when the search is over.
    #[must_use]
    pub const fn next(&self) -> Option<f64> {
        self.next
    }

    /// How the last rate did.
    pub fn tried(&mut self, mut trial: Trial) {
        let Knee { good_share_min, p99_ms_max, .. } = self.knee;
        let good = trial.good_per_s >= trial.offered_per_s * good_share_min;
        trial.held = good && trial.p99_ms <= p99_ms_max && !trial.invalid;
        self.trials.push(trial);
        let rate = trial.offered_per_s;
        if !trial.held && !self.again {
            // One bad moment of a machine is not the target's limit.
            self.again = true;
            return;
        }
        self.again = false;
        if trial.held {
            self.held = Some(self.held.map_or(rate, |held| held.max(rate)));
        } else {
            self.failed = Some(self.failed.map_or(rate, |failed| failed.min(rate)));
        }
        self.next = self.choose();
    }

    fn choose(&self) -> Option<f64> {
        let Knee { from_per_s, to_per_s, precision, .. } = self.knee;
        match (self.held, self.failed) {
            (None, None) => Some(from_per_s),
            (Some(held), None) => (held < to_per_s).then(|| (held * 2.0).min(to_per_s)),
            // Not even a sixteenth of the first holds: there is no knee to be found.
            (None, Some(failed)) => (failed > from_per_s / 16.0).then_some(failed / 2.0),
            (Some(held), Some(failed)) => {
                (failed / held > 1.0 + precision && failed > held).then(|| (held * failed).sqrt())
            }
        }
    }

    /// The highest rate that held, with all lower ones.
    #[must_use]
    pub const fn found(&self) -> Option<f64> {
        self.held
    }

    /// Is the knee only known to be at least that much, since the generator or the search ended first?
    #[must_use]
    pub fn is_at_least(&self) -> bool {
        let lowest = self.trials.iter().filter(|trial| !trial.held);
        let lowest = lowest.min_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s));
        self.failed.is_none() || lowest.is_some_and(|trial| trial.invalid)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNEE: Knee = Knee {
        from_per_s: 100.0,
        to_per_s: 1e6,
        seconds: 1.0,
        good_share_min: 0.95,
        p99_ms_max: 100.0,
        precision: 0.1,
    };

    /// A target that serves `capacity`, and lets whoever is beyond it wait.
    fn search(capacity: f64) -> Search {
        let mut search = Search::new(KNEE);
        while let Some(rate) = search.next() {
            let p99_ms = if rate <= capacity { 5.0 } else { 1000.0 };
            let good_per_s = rate.min(capacity);
            search.tried(Trial {
                offered_per_s: rate,
                good_per_s,
                p50_ms: 1.0,
                p99_ms,
                held: false,
                invalid: false,
            });
            assert!(search.trials.len() < 100, "the search does not end");
        }
        search
    }

    proptest! {
        #[test]
        fn the_knee_is_found_as_precisely_as_was_asked(capacity in 10.0_f64..900_000.0) {
            let search = search(capacity);
            let found = search.found().expect("there is one");
            prop_assert!(found <= capacity && capacity <= found * 1.1, "{found} for {capacity}");
            prop_assert!(!search.is_at_least());
        }
    }

    #[test]
    fn a_target_that_is_faster_than_the_search_goes_is_known_to_bear_at_least_that() {
        let search = search(1e9);
        assert_eq!(search.found(), Some(1e6));
        assert!(search.is_at_least());
    }

    #[test]
    fn a_target_that_serves_nobody_has_no_knee() {
        assert_eq!(search(0.5).found(), None);
    }
}
