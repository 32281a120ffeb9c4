//! Several requests' worth of a quota at once, for a node that shares it with others.
//!
//! What is leased is used up in the shared count before any of it is given out, so that all nodes together never let
//! through more than the quota. Whatever a node has not used when its lease ends is lost.

use std::time::Duration;

use super::{Algorithm, BLOCKED, Quota, Used, Verdict, token_bucket};

/// How much of a bucket's depth a lease may outlive it by, and how long at most.
const BUCKET_PARTS: u64 = 10;
const LASTS_MAX: u64 = 1_000_000_000;

/// What a node got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leased {
    /// So many requests may pass, until so much time has gone by.
    Granted {
        tokens: u32,
        lasts: Duration,
    },
    Refused {
        retry_after: Duration,
    },
}

impl Quota {
    /// Takes up to `want` requests' worth at `now`, at least one or none; tells what is used then.
    #[must_use]
    pub fn lease(&self, used: Used, now: u64, want: u32) -> (Used, Leased) {
        let refused = |wait: u64| Leased::Refused { retry_after: Duration::from_nanos(wait) };
        let used = match (used & BLOCKED, used & !BLOCKED) {
            (0, used) => used,
            (_, until) if now < until => return (used, refused(until - now)),
            (_, _) => 0,
        };
        let lasts = self.lease_lasts(now);
        // A bucket goes on filling while a lease lasts. It is taken as full only when the lease is over, so that what
        // is in it and what is leased from it are never more than it holds.
        let used = if self.algorithm == Algorithm::TokenBucket { used.max(now + lasts) } else { used };
        let one = self.find(used, now, 1);
        if let Verdict::Refuse { retry_after } = one.verdict {
            if self.block > 0 {
                return ((now + self.block) | BLOCKED, refused(self.block));
            }
            return (one.used, Leased::Refused { retry_after });
        }
        // What ends at once leaves no time to give out a second one.
        let want = if lasts == 0 { 1 } else { want.max(1) };
        let tokens = u64::from(want).min(one.remaining + 1);
        let found = self.find(used, now, tokens);
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        (found.used, Leased::Granted { tokens, lasts: Duration::from_nanos(lasts) })
    }

    /// How long something taken now may be kept: no longer than what it was counted in runs.
    fn lease_lasts(&self, now: u64) -> u64 {
        match self.algorithm {
            Algorithm::FixedWindow | Algorithm::SlidingWindow => self.window - now % self.window,
            Algorithm::SubBuckets => {
                let third = self.window.div_ceil(3);
                third - now % third
            }
            Algorithm::TokenBucket => {
                let distance = token_bucket::distance(self);
                let depth = u64::from(self.burst) * distance;
                // Room for one stays, or a full bucket would be taken as one that has not even that.
                (depth / BUCKET_PARTS).min(depth - distance).min(LASTS_MAX)
            }
            Algorithm::EvenSpacing => 0,
        }
    }
}
