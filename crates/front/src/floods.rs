//! Callers whose connections had to be ended because they flooded them: taken back requests without end, header sections
//! that do not stop. Whoever comes back and does it again is not let in for a while.

use std::{
    net::IpAddr,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use limiter::{Algorithm, Limiter, QuotaConfig, QuotaError, Verdict};
use serde::Deserialize;

use crate::rule::household;

/// Networks that are counted at once.
const NETWORKS_MAX: usize = 100_000;

/// From when on the network of those who flood their connections is kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FloodsConfig {
    /// Flooded connections within the window that only cost themselves.
    pub connections_max: NonZeroU32,
    pub window_ms: NonZeroU64,
    pub block_ms: NonZeroU64,
}

impl Default for FloodsConfig {
    fn default() -> Self {
        Self {
            connections_max: NonZeroU32::new(3).expect("a positive constant"),
            window_ms: NonZeroU64::new(60_000).expect("a positive constant"),
            block_ms: NonZeroU64::new(600_000).expect("a positive constant"),
        }
    }
}

/// Counts them.
#[derive(Debug, Clone)]
pub(crate) struct Floods {
    config: FloodsConfig,
    seen: Arc<Limiter>,
}

impl Floods {
    /// What was counted by the same settings stays counted.
    pub(crate) fn new(config: FloodsConfig, before: Option<&Self>) -> Result<Self, QuotaError> {
        if let Some(same) = before.filter(|before| before.config == config) {
            return Ok(same.clone());
        }
        let quota = QuotaConfig {
            algorithm: Algorithm::SlidingWindow,
            limit: config.connections_max,
            window_ms: config.window_ms,
            burst: None,
            block_ms: None,
        };
        Ok(Self { config, seen: Arc::new(Limiter::new(quota.quota()?, NETWORKS_MAX)) })
    }

    /// Counts a flooded connection; for how long its network is to be kept out now, if it is.
    pub(crate) fn strike(&self, peer: IpAddr, now: u64) -> Option<Duration> {
        let verdict = self.seen.decide(&household(peer), 1, now).verdict;
        let block = Duration::from_millis(self.config.block_ms.get());
        matches!(verdict, Verdict::Refuse { .. }).then_some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_floods_again_and_again_is_kept_out_and_others_are_not() {
        let floods = Floods::new(FloodsConfig::default(), None).expect("the defaults can be held to");
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let strikes = [one, one, one, one, other].map(|peer| floods.strike(peer, 1));
        assert_eq!(strikes, [None, None, None, Some(Duration::from_secs(600)), None]);
    }

    #[test]
    fn what_was_counted_stays_counted_when_other_settings_change() {
        let config = FloodsConfig::default();
        let floods = Floods::new(config, None).expect("the defaults can be held to");
        let one = IpAddr::from([10, 0, 0, 1]);
        (0..3).for_each(|_| assert_eq!(floods.strike(one, 1), None));
        let same = Floods::new(config, Some(&floods)).expect("they can still be");
        assert!(same.strike(one, 1).is_some());
    }
}
