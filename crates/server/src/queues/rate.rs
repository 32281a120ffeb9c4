//! How fast something that is counted goes on: differences over the last minute.

use std::{collections::VecDeque, time::Duration};

/// What is looked back at.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts that lie closer together than this are one.
const APART: Duration = Duration::from_secs(1);

/// Counts of the last minute, each with when it was taken.
#[derive(Debug, Default)]
pub(super) struct Rate(VecDeque<(Duration, u64)>);

impl Rate {
    /// The count is this `now`; answers by how much it has grown in a second, over the last minute.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts so many in a minute")]
    pub(super) fn count(&mut self, now: Duration, count: u64) -> f64 {
        let enough = |of: &VecDeque<(Duration, u64)>| of.get(1).is_some_and(|(at, _)| *at + WINDOW <= now);
        while enough(&self.0) {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|(at, _)| *at + APART <= now) {
            self.0.push_back((now, count));
        }
        let Some((since, before)) = self.0.front() else { return 0.0 };
        let seconds = now.saturating_sub(*since).as_secs_f64();
        if seconds < APART.as_secs_f64() { 0.0 } else { count.saturating_sub(*before) as f64 / seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_back_a_minute_and_holds_no_more_than_that() {
        let mut rate = Rate::default();
        let mut of = |second, count| rate.count(Duration::from_secs(second), count);
        assert_eq!([of(0, 100), of(10, 200), of(20, 200)], [0.0, 10.0, 5.0]);
        for second in 21..=200 {
            of(second, 200 + second);
        }
        let now = of(200, 400);
        assert!((now - 1.0).abs() < 0.05, "{now}");
        assert!(rate.0.len() <= 62, "{}", rate.0.len());
    }
}
