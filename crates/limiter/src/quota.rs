//! How much is allowed, and what a key has used of it.

mod even_spacing;
mod fixed_window;
mod give_back;
mod lease;
mod sliding_window;
mod sub_buckets;
mod token_bucket;

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

pub use lease::Leased;
use serde::{Deserialize, Serialize};

/// A quota as it stands in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct QuotaConfig {
    pub algorithm: Algorithm,
    /// How many may pass in a window.
    pub limit: NonZeroU32,
    pub window_ms: NonZeroU64,
    /// How many may pass, or wait, at once where the algorithm spreads them over the window; all of them by
    /// default.
    #[serde(default)]
    pub burst: Option<NonZeroU32>,
    /// Whoever asks for more than is allowed gets nothing at all for so long.
    #[serde(default)]
    pub block_ms: Option<NonZeroU64>,
}

/// How what was used is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Windows that begin at fixed times. Nearly twice the limit may pass within a window's length, where two
    /// of them meet.
    FixedWindow,
    /// The last window counts by how much of it is still within a window's length: close to the limit as long as
    /// calls come evenly.
    SlidingWindow,
    /// Thirds of a window, the oldest counted whole: never more than the limit within a window's length, and
    /// sometimes a third of a window's wait too much. At most 4,095.
    SubBuckets,
    /// Generic cell rate algorithm (ITU-T I.371): the limit is refilled evenly, and a burst may pass at once.
    TokenBucket,
    /// One after the other at even distances; a burst may wait for its turns.
    EvenSpacing,
}

/// What settings say cannot be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    #[error("{algorithm:?} counts up to {most}, and not to {limit}; use token-bucket")]
    TooMany { algorithm: Algorithm, limit: u32, most: u32 },
    #[error("a window of {0} ms is longer than a year")]
    TooLong(u64),
    #[error("more than one a nanosecond cannot be told apart")]
    TooFast,
}

/// How much is allowed. Times are nanoseconds from any one moment that all calls share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    algorithm: Algorithm,
    limit: u32,
    window: u64,
    burst: u32,
    block: u64,
}

/// What was decided about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    /// How many more may pass now.
    pub remaining: u32,
    /// How long until all of the quota is there again.
    pub reset_after: Duration,
}

/// May it pass?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// It may, when its turn has come.
    PassAfter(Duration),
    /// Not before this has passed, if nothing else passes meanwhile.
    Refuse {
        retry_after: Duration,
    },
}

/// What a key has used: nought for one that has used nothing, or not for a while. The highest bit says that it
/// is blocked, and the others until when.
pub type Used = u64;

/// What one algorithm finds out, before blocks are looked at.
struct Finding {
    verdict: Verdict,
    used: Used,
    remaining: u64,
    /// Nanoseconds until nothing is used any more.
    resets: u64,
}

const BLOCKED: u64 = 1 << 63;
const YEAR: u64 = 366 * 24 * 60 * 60 * 1000;
const NANOS: u64 = 1_000_000;

impl QuotaConfig {
    /// The quota, if it can be counted.
    ///
    /// # Errors
    /// When its numbers are out of the algorithm's range.
    pub fn quota(&self) -> Result<Quota, QuotaError> {
        let Self { algorithm, limit, window_ms, burst, block_ms } = *self;
        let most = match algorithm {
            Algorithm::SlidingWindow => sliding_window::LIMIT_MAX,
            Algorithm::SubBuckets => sub_buckets::LIMIT_MAX,
            Algorithm::FixedWindow | Algorithm::TokenBucket | Algorithm::EvenSpacing => u32::MAX,
        };
        if limit.get() > most {
            return Err(QuotaError::TooMany { algorithm, limit: limit.get(), most });
        }
        let long = [Some(window_ms), block_ms].into_iter().flatten().find(|length| length.get() > YEAR);
        if let Some(length) = long {
            return Err(QuotaError::TooLong(length.get()));
        }
        let window = window_ms.get() * NANOS;
        if window < u64::from(limit.get()) {
            return Err(QuotaError::TooFast);
        }
        let burst = burst.unwrap_or(limit).min(limit).get();
        let block = block_ms.map_or(0, |block| block.get() * NANOS);
        Ok(Quota { algorithm, limit: limit.get(), window, burst, block })
    }
}

impl Quota {
    /// How many may pass in a window.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// The window's length.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_nanos(self.window)
    }

    /// Does it block whoever asks for more?
    pub(crate) const fn blocks(&self) -> bool {
        self.block > 0
    }

    /// What was used of it counts for no longer than so.
    pub(crate) fn life(&self) -> Duration {
        // A second more than it takes: clocks and journeys are not exact.
        let longest = self.window.saturating_mul(2).max(self.block);
        Duration::from_nanos(longest).saturating_add(Duration::from_secs(1))
    }

    /// The same, which blocks nobody.
    pub(crate) const fn unblocking(self) -> Self {
        Self { block: 0, ..self }
    }

    /// So many thousandths of it, at least one a window.
    pub(crate) fn scaled(self, permille: u32) -> Self {
        if permille == crate::WHOLE_PERMILLE {
            return self;
        }
        let scale = |count: u32| {
            let scaled = u64::from(count) * u64::from(permille) / u64::from(crate::WHOLE_PERMILLE);
            u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
        };
        Self { limit: scale(self.limit), burst: scale(self.burst), ..self }
    }

    /// Decides about one request that costs so much, at `now`; tells what the key has used then.
    pub(crate) fn decide(&self, used: Used, now: u64, cost: u32) -> (Used, Decision) {
        if used & BLOCKED != 0 {
            let until = used & !BLOCKED;
            if now < until {
                return (used, refused(until - now, until - now));
            }
        }
        let used = if used & BLOCKED == 0 { used } else { 0 };
        let found = self.find(used, now, u64::from(cost));
        if let (Verdict::Refuse { .. }, 1..) = (found.verdict, self.block) {
            let until = now + self.block;
            return (until | BLOCKED, refused(self.block, self.block));
        }
        let decision = Decision {
            verdict: found.verdict,
            remaining: u32::try_from(found.remaining).unwrap_or(u32::MAX),
            reset_after: Duration::from_nanos(found.resets),
        };
        (found.used, decision)
    }

    /// Has the key used nothing that still counts?
    pub(crate) fn is_idle(&self, used: Used, now: u64) -> bool {
        if used & BLOCKED != 0 {
            return now >= used & !BLOCKED;
        }
        self.find(used, now, 0).resets == 0
    }

    fn find(&self, used: Used, now: u64, cost: u64) -> Finding {
        match self.algorithm {
            Algorithm::FixedWindow => fixed_window::find(self, used, now, cost),
            Algorithm::SlidingWindow => sliding_window::find(self, used, now, cost),
            Algorithm::SubBuckets => sub_buckets::find(self, used, now, cost),
            Algorithm::TokenBucket => token_bucket::find(self, used, now, cost),
            Algorithm::EvenSpacing => even_spacing::find(self, used, now, cost),
        }
    }
}

/// The moment to count at: `now`, or the beginning of the window that was counted in last, if that comes next. Threads
/// look at the clock before they wait for each other, so times come out of order: none of them may end a window that
/// has begun, or what was counted in it would be forgotten.
const fn in_order(now: u64, length: u64, numbers: u64, counted_in: u64) -> u64 {
    let next = now / length + 1;
    if next % numbers == counted_in { next * length } else { now }
}

fn refused(retry: u64, resets: u64) -> Decision {
    Decision {
        verdict: Verdict::Refuse { retry_after: Duration::from_nanos(retry) },
        remaining: 0,
        reset_after: Duration::from_nanos(resets),
    }
}

impl Finding {
    fn refused(used: Used, retry: u64, resets: u64) -> Self {
        Self {
            verdict: Verdict::Refuse { retry_after: Duration::from_nanos(retry) },
            used,
            remaining: 0,
            resets,
        }
    }
}

#[cfg(test)]
mod tests;
