//! Events that wait to be sent, oldest first, and when the next attempt is due.

use std::{collections::VecDeque, num::NonZeroU32, time::Duration};

use clock::{Clock, Timestamp};
use serde_json::Value;

use crate::WebhookConfig;

/// Bounded; nothing in it is ever waited for.
#[derive(Debug)]
pub(crate) struct Queue {
    events: VecDeque<Value>,
    max: usize,
    /// Attempts at the oldest that failed in a row.
    failures: u32,
    not_before: Option<Timestamp>,
}

impl Queue {
    pub(crate) fn new(max: NonZeroU32) -> Self {
        let max = usize::try_from(max.get()).unwrap_or(usize::MAX);
        Self { events: VecDeque::new(), max, failures: 0, not_before: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Takes as many as there is room for; tells how many it did not take.
    pub(crate) fn offer(&mut self, events: impl IntoIterator<Item = Value>) -> u64 {
        let mut dropped = 0;
        for event in events {
            if self.events.len() < self.max {
                self.events.push_back(event);
            } else {
                dropped += 1;
            }
        }
        dropped
    }

    /// At most so many, which stay until it is known how it went.
    pub(crate) fn oldest(&self, most: usize) -> Vec<Value> {
        self.events.iter().take(most).cloned().collect()
    }

    /// How long until the next attempt; nothing if there is nothing to send.
    pub(crate) fn wait_until_due(&self, clock: &Clock) -> Option<Duration> {
        let wait = || self.not_before.map_or(Duration::ZERO, |due| due.since(clock.now()));
        (!self.events.is_empty()).then(wait)
    }

    pub(crate) fn sent(&mut self, count: usize) {
        self.events.drain(..count.min(self.events.len()));
        (self.failures, self.not_before) = (0, None);
    }

    /// The oldest so many were not taken; tells how many are given up.
    pub(crate) fn failed(&mut self, count: usize, config: &WebhookConfig, clock: &Clock) -> u64 {
        self.failures += 1;
        self.not_before = Some(clock.now().plus(backoff(self.failures, config)));
        if self.failures < config.attempts_max.get() {
            return 0;
        }
        // What comes after them is tried as patiently, but not before its time.
        self.failures = 0;
        let given_up = self.events.drain(..count.min(self.events.len())).count();
        u64::try_from(given_up).unwrap_or(u64::MAX)
    }
}

/// How long is waited after so many failures in a row.
fn backoff(failures: u32, config: &WebhookConfig) -> Duration {
    let doubled = u64::from(config.retry_ms_min.get()) << failures.saturating_sub(1).min(31);
    Duration::from_millis(doubled.min(config.retry_ms_max.get().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn start(max: u32) -> (Queue, Clock, WebhookConfig) {
        let attempts_max = NonZeroU32::new(3).expect("three");
        let config = WebhookConfig { attempts_max, ..WebhookConfig::default() };
        let queue = Queue::new(NonZeroU32::new(max).expect("not zero"));
        (queue, Clock::manual(Timestamp::from_millis(1_000_000), 1), config)
    }

    #[test]
    fn the_newest_are_dropped_when_there_is_no_room() {
        let (mut queue, clock, _) = start(2);
        assert_eq!(queue.wait_until_due(&clock), None);
        assert_eq!(queue.offer((0..5).map(|number| json!(number))), 3);
        assert_eq!(queue.oldest(9), [json!(0), json!(1)]);
        queue.sent(1);
        assert_eq!((queue.oldest(9), queue.wait_until_due(&clock)), (vec![json!(1)], Some(Duration::ZERO)));
    }

    #[test]
    fn each_failure_is_waited_for_twice_as_long_until_its_events_are_given_up() {
        let (mut queue, clock, config) = start(9);
        queue.offer([json!(0), json!(1)]);
        for seconds in [1, 2] {
            assert_eq!(queue.failed(1, &config, &clock), 0);
            assert_eq!(queue.wait_until_due(&clock), Some(Duration::from_secs(seconds)));
        }
        assert_eq!(queue.failed(1, &config, &clock), 1);
        assert_eq!(
            (queue.oldest(9), queue.wait_until_due(&clock)),
            (vec![json!(1)], Some(Duration::from_secs(4)))
        );
        assert_eq!(backoff(u32::MAX, &config), Duration::from_secs(60));
    }
}
