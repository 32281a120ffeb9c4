//! How long a job that failed waits before it is tried again.

use std::time::Duration;

use ids::Id;

use crate::rows::AnyJob;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(1);

/// The pause after so many attempts: twice as long each time, up to an hour, give or take a fifth that
/// depends on the job, so that many that failed together do not come back together.
pub(crate) fn pause_after(attempts: u16, id: Id<AnyJob>) -> Duration {
    let doubled = FIRST.saturating_mul(1 << u32::from(attempts.saturating_sub(1)).min(16));
    let dice = u32::from(id.to_bytes()[15]) * 40 / 255;
    doubled.min(LONGEST) * (80 + dice) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_at_an_hour() {
        let middle = Id::from_bytes([127; 16]);
        let seconds = |attempts| pause_after(attempts, middle).as_secs_f64().round();
        assert_eq!([1, 2, 3, 8, 30, u16::MAX].map(seconds), [1.0, 2.0, 4.0, 127.0, 3564.0, 3564.0]);
    }

    #[test]
    fn no_two_jobs_need_come_back_together() {
        let of = |last| pause_after(5, Id::from_bytes([last; 16]));
        assert!(of(0) < of(200));
    }
}
