//! Every number of overload control, with the defaults the measurements are run with.

use std::{
    collections::BTreeMap,
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{Class, RetryConfig};

/// What is done when more comes than can be served. It can be replaced while it is in use
/// ([`crate::Overload::set`]).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OverloadConfig {
    pub concurrency: ConcurrencyConfig,
    pub queue: QueueConfig,
    pub retries: RetryConfig,
    /// How long the reject threshold remembers what came and what was served, in milliseconds.
    pub threshold_memory_ms: NonZeroU16,
    /// Refused callers are told to come back after one to so many seconds, by chance, so that they do not all
    /// come back at once.
    pub retry_after_s_max: NonZeroU16,
    /// Routes (as templates) with limits of their own; more share one.
    pub routes_max: NonZeroU16,
    /// Words in the `User-Agent` of programs that read for somebody else, in any case.
    pub crawlers: Vec<String>,
    /// The class of everybody who asks a route, by its template. Operators stay what they are. A route of the
    /// class `operators` passes always; `/health` and `/ready` are, unless they are named here.
    pub routes: BTreeMap<String, Class>,
}

/// Routes that do no work and by which a server is judged: refusing them would take it out of service.
const HEALTH: [&str; 2] = ["/health", "/ready"];

impl OverloadConfig {
    /// The class of everybody who asks this route, if it has one.
    #[must_use]
    pub fn class_of(&self, route: &str) -> Option<Class> {
        let health = || HEALTH.contains(&route).then_some(Class::Operators);
        self.routes.get(route).copied().or_else(health)
    }
}

impl Default for OverloadConfig {
    fn default() -> Self {
        let crawlers =
            ["bot", "crawler", "spider", "slurp", "archiver", "facebookexternalhit", "bingpreview", "scrapy"];
        Self {
            concurrency: ConcurrencyConfig::default(),
            queue: QueueConfig::default(),
            retries: RetryConfig::default(),
            threshold_memory_ms: nonzero(200),
            retry_after_s_max: nonzero(4),
            routes_max: nonzero(512),
            crawlers: crawlers.map(str::to_owned).into(),
            routes: BTreeMap::new(),
        }
    }
}

/// How many requests of a route are worked on at once.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConcurrencyConfig {
    /// Before anything is known.
    pub initial: NonZeroU16,
    /// Never fewer, but in a probe.
    pub floor: NonZeroU16,
    /// Never more.
    pub ceiling: NonZeroU16,
    /// So many at once count as hardly any load, and a probe lets in no more, but for the signed-in and better.
    pub probe: NonZeroU16,
    /// Latency may grow to so many percent of the least loaded before the limit falls.
    pub tolerance_percent: NonZeroU16,
    /// Latency may grow to so much in any case, in milliseconds: nobody notices so little, and what is written for
    /// many at once takes longer the more they are, and costs each of them less.
    pub tolerated_ms: NonZeroU16,
    /// Latencies are looked at over so long, or less if there are many, in milliseconds.
    pub window_ms: NonZeroU16,
    /// A window has at least so many answers.
    pub window_answers_min: NonZeroU16,
    /// While the limit binds, the least loaded latency is looked for again so often, in milliseconds.
    pub probe_every_ms: NonZeroU32,
    /// A probe ends after so long in any case, in milliseconds.
    pub probe_ms_max: NonZeroU16,
}

impl Default for ConcurrencyConfig {
    fn default() -> Self {
        Self {
            initial: nonzero(20),
            floor: nonzero(4),
            ceiling: nonzero(8192),
            probe: nonzero(2),
            tolerance_percent: nonzero(200),
            tolerated_ms: nonzero(50),
            window_ms: nonzero(100),
            window_answers_min: nonzero(8),
            probe_every_ms: NonZeroU32::new(30_000).expect("a positive constant"),
            probe_ms_max: nonzero(500),
        }
    }
}

/// How requests wait for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct QueueConfig {
    /// How long a request may wait in a line that does not empty, in milliseconds, 1 to 1000.
    pub target_ms: NonZeroU16,
    /// A line that has not been empty for so long is overloaded; nobody waits longer, in milliseconds.
    pub interval_ms: NonZeroU16,
    /// Requests of a route that wait at once.
    pub waiting_max: NonZeroU16,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self { target_ms: nonzero(5), interval_ms: nonzero(100), waiting_max: nonzero(256) }
    }
}

impl QueueConfig {
    /// The target, at most the interval and at most a second.
    pub(crate) fn target_ns(&self) -> u64 {
        nanos(self.target_ms.get().min(1000).into()).min(self.interval_ns())
    }

    /// The interval, at most ten seconds.
    pub(crate) fn interval_ns(&self) -> u64 {
        nanos(self.interval_ms.get().min(10_000).into())
    }
}

/// Milliseconds as nanoseconds.
pub(crate) const fn nanos(ms: u64) -> u64 {
    ms * 1_000_000
}

/// Nanoseconds as a duration.
pub(crate) const fn duration(ns: u64) -> Duration {
    Duration::from_nanos(ns)
}

const fn nonzero(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("the defaults are not zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_name_any_number_and_leave_out_the_rest() {
        let text = r#"{"queue": {"target-ms": 7}, "routes": {"/alarm": "emergency"}}"#;
        let config: OverloadConfig = serde_json::from_str(text).expect("these are its words");
        assert_eq!(config.queue.target_ms.get(), 7);
        assert_eq!(config.queue.interval_ms, QueueConfig::default().interval_ms);
        assert_eq!(config.class_of("/alarm"), Some(Class::Emergency));
        assert_eq!(config.class_of("/health"), Some(Class::Operators));
    }

    #[test]
    fn an_unknown_number_a_nought_or_an_unknown_class_is_refused() {
        for text in [r#"{"queues": {}}"#, r#"{"queue": {"target-ms": 0}}"#, r#"{"routes": {"/x": "kings"}}"#]
        {
            assert!(serde_json::from_str::<OverloadConfig>(text).is_err(), "{text}");
        }
    }
}
