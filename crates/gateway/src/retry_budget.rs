//! How many requests may be sent a second time: a share of all, and a few in any case. When everything fails,
//! retries must not become a second flood.

use serde::{Deserialize, Serialize};

/// How much may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RetryConfig {
    /// Attempts at one request, with the first; one means never again.
    pub attempts_max: u32,
    /// Of the requests of the last ten seconds, this share may be sent again.
    pub budget_percent: u32,
    /// And so many a second in any case.
    pub budget_per_second_min: u32,
    /// After so long without an answer a second attempt begins elsewhere, in milliseconds; never if absent.
    pub hedge_after_ms: Option<u32>,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { attempts_max: 2, budget_percent: 20, budget_per_second_min: 10, hedge_after_ms: None }
    }
}

/// Seconds that are looked back upon.
const WINDOW_S: usize = 10;

/// The budget of a pool, as arithmetic on how many requests there have been in all.
#[derive(Debug, Clone, Default)]
pub struct RetryBudget {
    slots: [Slot; WINDOW_S],
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Which second since the beginning it stands for.
    second: u64,
    /// Requests in all when it began.
    requests_before: u64,
    retries: u64,
}

impl RetryBudget {
    /// Notes how many requests there have been in all. It is looked at about once a second, and before each question.
    pub fn note(&mut self, second: u64, requests: u64) {
        let slot = self.slot(second);
        if slot.second != second || slot.requests_before > requests {
            *slot = Slot { second, requests_before: requests, retries: 0 };
        }
    }

    /// May one more be sent again, now that there have been `requests` in all? If so, it is counted.
    pub fn take(&mut self, second: u64, requests: u64, config: &RetryConfig) -> bool {
        self.note(second, requests);
        let begin = second.saturating_sub(WINDOW_S as u64 - 1);
        let recent = self.slots.iter().filter(|slot| (begin..=second).contains(&slot.second));
        let (before, retries) = recent.fold((requests, 0), |(before, retries), slot| {
            (before.min(slot.requests_before), retries + slot.retries)
        });
        let share = (requests - before) * u64::from(config.budget_percent) / 100;
        let in_any_case = u64::from(config.budget_per_second_min) * WINDOW_S as u64;
        let allowed = retries < share.saturating_add(in_any_case);
        self.slot(second).retries += u64::from(allowed);
        allowed
    }

    fn slot(&mut self, second: u64) -> &mut Slot {
        let place = usize::try_from(second % WINDOW_S as u64).unwrap_or_default();
        &mut self.slots[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config(budget_percent: u32, budget_per_second_min: u32) -> RetryConfig {
        RetryConfig { budget_percent, budget_per_second_min, ..RetryConfig::default() }
    }

    #[test]
    fn a_share_of_the_requests_may_be_sent_again() {
        let (mut budget, config) = (RetryBudget::default(), config(20, 0));
        budget.note(100, 5_000);
        let taken = (0..500).filter(|_| budget.take(100, 6_000, &config)).count();
        assert_eq!(taken, 200);
    }

    #[test]
    fn a_few_may_in_any_case() {
        let (mut budget, config) = (RetryBudget::default(), config(0, 1));
        assert_eq!((0..50).filter(|_| budget.take(7, 0, &config)).count(), 10);
        assert!(!budget.take(16, 0, &config), "what was taken counts for ten seconds");
        assert!(budget.take(17, 0, &config), "and not for longer");
    }

    #[test]
    fn nothing_is_tried_again_on_no_budget() {
        assert!(!RetryBudget::default().take(1, 1_000_000, &config(0, 0)));
    }

    proptest! {
        #[test]
        fn whenever_one_is_sent_again_the_ten_seconds_before_have_room_for_it(
            steps in proptest::collection::vec((0_u64..3, 0_u64..50, 0_u32..40), 1..60),
        ) {
            let (mut budget, config) = (RetryBudget::default(), config(20, 2));
            let (mut second, mut requests) = (1_000, 0);
            let mut history = Vec::new();
            for (passed, came, asked) in steps {
                second += passed;
                requests += came;
                let taken = (0..asked).filter(|_| budget.take(second, requests, &config)).count() as u64;
                history.push((second, came, taken));
            }
            for (end, ..) in history.iter().filter(|(.., taken)| *taken > 0) {
                let window = history.iter().filter(|(at, ..)| (end - 9..=*end).contains(at));
                let (came, taken) = window.fold((0, 0), |(came, taken), step| (came + step.1, taken + step.2));
                prop_assert!(taken <= came * 20 / 100 + 20, "{} of {} in {:?}", taken, came, history);
            }
        }
    }
}
