//! How long a room's entries live, and how much memory they may take.

use std::{num::NonZeroU64, time::Duration};

use serde::Deserialize;

/// A room's bounds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RoomConfig {
    /// Bytes that entries and their keys may take in this process.
    pub bytes_max: NonZeroU64,
    /// How long an entry is served without another thought.
    pub fresh_ms: NonZeroU64,
    /// Each entry's time is cut by up to this share at random, so that entries made together do not all
    /// expire together.
    pub jitter_percent: u8,
    /// How long after that it is still served while somebody reads it anew.
    pub stale_while_revalidate_ms: u64,
    /// How long after that it is served, and said to be old, when it cannot be read anew.
    pub stale_if_error_ms: u64,
    /// How long it is remembered that something is not there.
    pub absent_ms: u64,
    /// How long after a failure nobody tries to read again what can be served old.
    pub retry_ms: u64,
    /// Every hit makes an entry fresh again: for what only changes with its tags.
    pub renew_on_get: bool,
    /// Are entries shared with other nodes through Redis? Not for what nobody else may hold.
    pub shared: bool,
}

impl Default for RoomConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU64::new(number).expect("a positive constant");
        Self {
            bytes_max: positive(64 << 20),
            fresh_ms: positive(60_000),
            jitter_percent: 10,
            stale_while_revalidate_ms: 10_000,
            stale_if_error_ms: 600_000,
            absent_ms: 5_000,
            retry_ms: 1_000,
            renew_on_get: false,
            shared: true,
        }
    }
}

impl RoomConfig {
    /// How long an entry is fresh, with these dice.
    pub(crate) fn fresh(&self, there: bool, dice: u64) -> u64 {
        let whole = if there { self.fresh_ms.get() } else { self.absent_ms };
        let cut_max = whole.saturating_mul(self.jitter_percent.min(100).into()) / 100;
        whole - dice % (cut_max + 1)
    }

    /// How long an entry can be of any use.
    pub(crate) fn life(&self, there: bool) -> Duration {
        let old = self.stale_while_revalidate_ms.max(self.stale_if_error_ms);
        let life = if there { self.fresh_ms.get().saturating_add(old) } else { self.absent_ms };
        Duration::from_millis(life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_made_together_do_not_expire_together() {
        let config = RoomConfig::default();
        let lives: Vec<_> = [0, 3000, 6000, 6001].map(|dice| config.fresh(true, dice)).into();
        assert_eq!(lives, [60_000, 57_000, 54_000, 60_000]);
    }

    #[test]
    fn what_is_not_there_is_remembered_shorter() {
        assert_eq!(RoomConfig::default().fresh(false, 0), 5_000);
    }
}
