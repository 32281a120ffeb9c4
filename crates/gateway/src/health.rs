//! Whether an upstream is well, by asking it now and then.

use std::num::NonZeroU32;

use http::StatusCode;
use serde::{Deserialize, Serialize};

/// How an upstream is asked whether it is well.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HealthConfig {
    /// Nothing is asked when this is off.
    pub active: bool,
    /// What is asked for with `GET`; any 2xx is well. At `/health`, which is asked for unless something else is named, 404 is too: a server
    /// that never heard of it answers.
    pub path: String,
    /// The host that is named in asking; the upstream's own address, if absent.
    pub host: Option<String>,
    pub interval_ms: NonZeroU32,
    /// What takes longer is not well.
    pub answer_ms_max: NonZeroU32,
    /// Good answers in a row that bring it back.
    pub healthy_after: NonZeroU32,
    /// Bad ones in a row that take it out.
    pub unhealthy_after: NonZeroU32,
}

/// What many servers have, and many have not.
const PATH: &str = "/health";

impl HealthConfig {
    /// Does an answer say that its server is well?
    pub(crate) fn accepts(&self, status: StatusCode) -> bool {
        status.is_success() || (status == StatusCode::NOT_FOUND && self.path == PATH)
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self {
            active: true,
            path: PATH.to_owned(),
            host: None,
            interval_ms: positive(2_000),
            answer_ms_max: positive(1_000),
            healthy_after: positive(2),
            unhealthy_after: positive(3),
        }
    }
}

/// What the answers so far say. An upstream that was never asked is taken to be well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    well: bool,
    /// Answers in a row that say otherwise.
    against: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self { well: true, against: 0 }
    }
}

impl Health {
    #[must_use]
    pub const fn is_well(self) -> bool {
        self.well
    }

    /// With one more answer.
    #[must_use]
    pub fn with(self, good: bool, config: &HealthConfig) -> Self {
        if good == self.well {
            return Self { against: 0, ..self };
        }
        let against = self.against.saturating_add(1);
        let needed = if self.well { config.unhealthy_after } else { config.healthy_after };
        if against >= needed.get() { Self { well: good, against: 0 } } else { Self { against, ..self } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(answers: &[bool]) -> bool {
        answers
            .iter()
            .fold(Health::default(), |health, good| health.with(*good, &HealthConfig::default()))
            .is_well()
    }

    #[test]
    fn a_server_that_never_heard_of_health_checks_is_well_and_one_without_the_page_that_was_named_is_not() {
        let named = |path: &str| HealthConfig { path: path.to_owned(), ..HealthConfig::default() };
        let (common, own) = (HealthConfig::default(), named("/ready"));
        assert!(common.accepts(StatusCode::NO_CONTENT) && own.accepts(StatusCode::OK));
        assert!(common.accepts(StatusCode::NOT_FOUND) && !own.accepts(StatusCode::NOT_FOUND));
        assert!(
            !common.accepts(StatusCode::SERVICE_UNAVAILABLE) && !common.accepts(StatusCode::UNAUTHORIZED)
        );
    }

    #[test]
    fn three_bad_answers_in_a_row_take_it_out_and_two_good_ones_bring_it_back() {
        assert!(after(&[false, false]));
        assert!(after(&[false, false, true, false, false]));
        assert!(!after(&[false, false, false]));
        assert!(!after(&[false, false, false, true]));
        assert!(!after(&[false, false, false, true, false, true]));
        assert!(after(&[false, false, false, true, true]));
    }

    proptest! {
        #[test]
        fn the_last_three_answers_decide_when_they_agree(
            answers in proptest::collection::vec(any::<bool>(), 0..40), last in any::<bool>(),
        ) {
            let answers: Vec<_> = answers.into_iter().chain([last; 3]).collect();
            prop_assert_eq!(after(&answers), last);
        }
    }
}
