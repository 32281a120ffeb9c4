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
    /// The generator was the limit, or its address had one, so nothing is known of the target at this rate.
    pub invalid: bool,
    /// The target has a limit on how often the generator's address asks.
    #[serde(default)]
    pub limited: bool,
}

/// A search: which rate to try next, after those that were tried.
#[derive(Debug, Clone)]
pub struct Search {
    knee: Knee,
    next: Option<f64>,
    held: Option<f64>,
    failed: Option<f64>,
    /// The lowest rate of which no try says anything.
    unsaid: Option<f64>,
    /// Tries at one rate are made twice before it counts as one that does not hold.
    again: bool,
    pub trials: Vec<Trial>,
}

impl Search {
    #[must_use]
    pub const fn new(knee: Knee) -> Self {
        let next = Some(knee.from_per_s);
        Self { knee, next, held: None, failed: None, unsaid: None, again: false, trials: Vec::new() }
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
        // A limit on an address is none that another try is beyond.
        if !trial.held && !self.again && !trial.limited {
            // One bad moment of a machine is not the target's limit.
            self.again = true;
            return;
        }
        let first = self.trials.iter().rev().nth(1).filter(|_| self.again && trial.invalid);
        // The last try that says something judges the rate.
        let said = !trial.invalid || first.is_some_and(|first| !first.invalid);
        self.again = false;
        if trial.held {
            self.held = Some(self.held.map_or(rate, |held| held.max(rate)));
        } else {
            let lowest = if said { &mut self.failed } else { &mut self.unsaid };
            *lowest = Some(lowest.map_or(rate, |lowest| lowest.min(rate)));
        }
        // Nothing beyond an address's limit can be known, and each try there is answered with a longer wait.
        self.next = if trial.limited && self.held.is_some() { None } else { self.choose() };
    }

    fn choose(&self) -> Option<f64> {
        let Knee { from_per_s, to_per_s, precision, .. } = self.knee;
        match (self.held, self.bound()) {
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

    /// The lowest rate that is not known to hold.
    fn bound(&self) -> Option<f64> {
        self.failed.into_iter().chain(self.unsaid).reduce(f64::min)
    }

    /// Is the knee only known to be at least that much, since the generator or the search ended first?
    #[must_use]
    pub fn is_at_least(&self) -> bool {
        self.failed.is_none() || self.unsaid.is_some() && self.unsaid == self.bound()
    }

    /// Did every rate turn out to be too much, down to the lowest that was tried? Of a rate whose tries say nothing nobody knows.
    #[must_use]
    pub fn bears_nothing(&self) -> bool {
        self.held.is_none() && !self.is_at_least()
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
                limited: false,
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
        let search = search(0.5);
        assert_eq!(search.found(), None);
        assert!(search.bears_nothing());
    }

    /// Tries rates, each of which ends as the function says for it and for how often it was tried before.
    fn judged(how: impl Fn(f64, usize) -> (bool, bool, bool)) -> Search {
        let mut search = Search::new(KNEE);
        while let Some(rate) = search.next() {
            let before = search.trials.iter().filter(|trial| trial.offered_per_s >= rate);
            let (well, invalid, limited) =
                how(rate, before.filter(|trial| trial.offered_per_s <= rate).count());
            let good_per_s = if well { rate } else { 0.0 };
            let (p50_ms, p99_ms) = (1.0, 5.0);
            search.tried(Trial {
                offered_per_s: rate,
                good_per_s,
                p50_ms,
                p99_ms,
                held: false,
                invalid,
                limited,
            });
            assert!(search.trials.len() < 100, "the search does not end");
        }
        search
    }

    #[test]
    fn a_rate_is_judged_by_its_last_try_that_says_something() {
        // The first try says nothing, the second does; and the other way round.
        for late in [0, 1] {
            let search = judged(|rate, tries| (rate <= 150.0, rate > 150.0 && tries == late, false));
            assert!(!search.is_at_least() && search.found().is_some(), "{late}: {:?}", search.trials);
            let search = judged(|_, tries| (false, tries == late, false));
            assert!(search.bears_nothing(), "{late}");
        }
        let search = judged(|rate, _| (rate <= 150.0, rate > 150.0, false));
        assert!(search.is_at_least() && search.found().is_some());
    }

    #[test]
    fn a_generator_that_was_always_late_says_nothing_against_a_target() {
        let search = judged(|_, _| (false, true, false));
        assert_eq!((search.found(), search.bears_nothing()), (None, false));
    }

    #[test]
    fn beyond_a_limit_of_an_address_nothing_is_tried() {
        let search = judged(|rate, _| (rate <= 300.0, rate > 300.0, rate > 300.0));
        assert_eq!(search.trials.len(), 3, "{:?}", search.trials);
        assert_eq!((search.found(), search.is_at_least()), (Some(200.0), true));
        // Below it there may be a rate that holds.
        assert!(judged(|rate, _| (rate < 60.0, rate >= 60.0, rate >= 60.0)).found().is_some());
    }
}
