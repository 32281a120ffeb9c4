//! Jobs that come again at certain times, as `cron` has it.
//!
//! When the next occurrence is, is worked out beside the ledger, because the rules of time zones change. Which
//! occurrence was the last is a row: a command that brings one that is not later changes nothing, so any number of
//! nodes may keep the same schedule.

use std::str::FromStr;

use clock::Timestamp;
use croner::Cron;
use jiff::{Zoned, tz::TimeZone};
use serde_json::value::{RawValue, to_raw_value};

use crate::job::Job;

/// When a job comes, and which.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name for ever.
    pub(crate) name: &'static str,
    pub(crate) job: &'static str,
    pub(crate) queue: &'static str,
    pub(crate) attempts_max: u16,
    pub(crate) payload: Box<RawValue>,
    times: Cron,
    zone: TimeZone,
}

/// Why there can be no such schedule.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    #[error(
        "`{times}` says no times: write minute, hour, day, month and day of the week, such as `30 3 * * *`"
    )]
    Times { times: String, source: croner::errors::CronError },
    #[error("there is no time zone `{zone}`: write one such as `Europe/Vienna`, or `UTC`")]
    Zone { zone: String },
    #[error("the job has no JSON form")]
    Encoding(#[from] serde_json::Error),
}

impl Schedule {
    /// `job` comes at these times (minute, hour, day, month, day of the week) in UTC.
    ///
    /// # Errors
    /// When the times cannot be read, or the job has no JSON form.
    pub fn new<J: Job>(name: &'static str, times: &str, job: &J) -> Result<Self, ScheduleError> {
        let source = Cron::from_str(times);
        Ok(Self {
            name,
            job: J::NAME,
            queue: J::QUEUE,
            attempts_max: J::ATTEMPTS_MAX,
            payload: to_raw_value(job)?,
            times: source.map_err(|source| ScheduleError::Times { times: times.to_owned(), source })?,
            zone: TimeZone::UTC,
        })
    }

    /// The same times on the clocks of this zone, as the IANA names it. A time that is left out when clocks are
    /// set forward comes right afterwards; one that comes twice when they are set back counts once, the first time.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn in_zone(mut self, zone: &str) -> Result<Self, ScheduleError> {
        self.zone = TimeZone::get(zone).map_err(|_| ScheduleError::Zone { zone: zone.to_owned() })?;
        Ok(self)
    }

    /// The last occurrence up to `now`; nothing if there was none in the last years.
    #[must_use]
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let now = jiff::Timestamp::from_millisecond(i64::try_from(now.millis()).ok()?).ok()?;
        let now = Zoned::new(now, self.zone.clone());
        let last = self.times.find_previous_occurrence(&now, true).ok()?;
        u64::try_from(last.timestamp().as_millisecond()).ok().map(Timestamp::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Attempt, JobError};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Ring;

    impl Job for Ring {
        const NAME: &'static str = "tower/ring";
        const QUEUE: &'static str = "bells";
        type Context = ();
        type Done = ();

        async fn run(self, (): (), _attempt: Attempt) -> Result<(), JobError> {
            Ok(())
        }
    }

    fn last(times: &str, zone: &str, now: &str) -> String {
        let schedule = Schedule::new("tower/ring", times, &Ring).expect("it has times");
        let schedule = schedule.in_zone(zone).expect("there is such a zone");
        schedule.last(now.parse().expect("it is a time")).expect("there is one").to_string()
    }

    #[test]
    fn an_occurrence_counts_from_its_very_moment_on() {
        let at = |now| last("30 3 * * *", "UTC", now);
        assert_eq!(at("2026-03-01T03:29:59.999Z"), "2026-02-28T03:30:00.000Z");
        assert_eq!(at("2026-03-01T03:30:00.000Z"), "2026-03-01T03:30:00.000Z");
        assert_eq!(at("2026-03-01T03:30:00.789Z"), "2026-03-01T03:30:00.000Z");
    }

    #[test]
    fn times_are_those_of_the_zone_in_summer_and_winter() {
        let at = |now| last("0 6 * * *", "Europe/Vienna", now);
        assert_eq!(at("2026-01-10T12:00:00.000Z"), "2026-01-10T05:00:00.000Z");
        assert_eq!(at("2026-07-10T12:00:00.000Z"), "2026-07-10T04:00:00.000Z");
    }

    #[test]
    fn a_time_that_is_left_out_comes_afterwards_and_one_that_comes_twice_counts_once() {
        let at = |now| last("30 2 * * *", "Europe/Vienna", now);
        // Clocks go from 2 to 3 o'clock at 01:00 UTC.
        assert_eq!(at("2026-03-29T12:00:00.000Z"), "2026-03-29T01:00:00.000Z");
        // They go back from 3 to 2 o'clock at 01:00 UTC.
        assert_eq!(at("2026-10-25T00:45:00.000Z"), "2026-10-25T00:30:00.000Z");
        assert_eq!(at("2026-10-25T12:00:00.000Z"), "2026-10-25T00:30:00.000Z");
    }

    #[test]
    fn what_says_no_times_or_no_zone_is_refused() {
        assert!(Schedule::new("tower/ring", "whenever", &Ring).is_err());
        let schedule = Schedule::new("tower/ring", "* * * * *", &Ring).expect("it has times");
        assert!(schedule.in_zone("Europe/Nowhere").is_err());
    }
}
