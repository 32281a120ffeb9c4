//! A small share of a route's requests goes to something new; when too many of those fail, it falls back by itself.

use serde::{Deserialize, Serialize};

/// What is tried, on how many, and when it is given up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CanaryConfig {
    /// The pool that is tried.
    pub pool: String,
    /// The share of the route's requests that go there.
    pub percent: u32,
    /// It is given up when more than this share of its requests fail.
    #[serde(default = "failed_percent_max")]
    pub failed_percent_max: u32,
    /// And there were at least so many within the window.
    #[serde(default = "requests_min")]
    pub requests_min: u64,
    #[serde(default = "window_s")]
    pub window_s: u64,
}

const fn failed_percent_max() -> u32 {
    5
}

const fn requests_min() -> u64 {
    20
}

const fn window_s() -> u64 {
    60
}

/// How a trial goes, as arithmetic on how many requests there were and how many of them failed.
#[derive(Debug, Clone, Default)]
pub struct Canary {
    seen: Option<Seen>,
    fallen: bool,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    since_s: u64,
    requests: u64,
    failed: u64,
}

impl Canary {
    /// Looks at the counts so far. Is it given up just now?
    pub fn look(&mut self, now_s: u64, requests: u64, failed: u64, config: &CanaryConfig) -> bool {
        let fresh = Seen { since_s: now_s, requests, failed };
        let seen = *self.seen.get_or_insert(fresh);
        if self.fallen {
            return false;
        }
        let (requests_now, failed_now) =
            (requests.saturating_sub(seen.requests), failed.saturating_sub(seen.failed));
        let too_many = failed_now * 100 > requests_now * u64::from(config.failed_percent_max);
        if requests_now >= config.requests_min.max(1) && too_many {
            self.fallen = true;
            return true;
        }
        if now_s.saturating_sub(seen.since_s) >= config.window_s {
            self.seen = Some(fresh);
        }
        false
    }

    #[must_use]
    pub const fn has_fallen(&self) -> bool {
        self.fallen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config() -> CanaryConfig {
        CanaryConfig {
            pool: "new".to_owned(),
            percent: 10,
            failed_percent_max: 5,
            requests_min: 20,
            window_s: 60,
        }
    }

    #[test]
    fn too_many_failures_end_the_trial_once_and_for_good() {
        let mut canary = Canary::default();
        assert!(!canary.look(0, 1000, 7, &config()), "what was before does not count");
        assert!(canary.look(1, 1020, 9, &config()));
        assert!(!canary.look(2, 2000, 9, &config()), "it is told once");
        assert!(canary.has_fallen());
    }

    #[test]
    fn a_few_failures_among_few_requests_end_nothing() {
        let mut canary = Canary::default();
        canary.look(0, 0, 0, &config());
        assert!(!canary.look(1, 19, 19, &config()));
        assert!(!canary.look(2, 100, 5, &config()));
    }

    #[test]
    fn failures_of_an_earlier_window_are_past() {
        let mut canary = Canary::default();
        canary.look(0, 0, 0, &config());
        assert!(!canary.look(60, 19, 19, &config()));
        assert!(!canary.look(61, 39, 19, &config()));
    }

    proptest! {
        #[test]
        fn a_trial_in_which_nothing_fails_goes_on(counts in proptest::collection::vec(0_u64..1000, 1..100)) {
            let (mut canary, mut requests) = (Canary::default(), 0);
            for (now_s, came) in (0_u64..).zip(counts) {
                requests += came;
                prop_assert!(!canary.look(now_s, requests, 0, &config()));
            }
            prop_assert!(!canary.has_fallen());
        }
    }
}
