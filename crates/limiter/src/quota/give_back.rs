//! What was counted, and turned out to be for nothing.

use super::{Algorithm, BLOCKED, Quota, Used, fixed_window, sliding_window, sub_buckets, token_bucket};

impl Quota {
    /// Gives back one request's worth that was counted at `then`; tells what the key has used without it. Never more
    /// comes back than still counts, and a turn in an even queue does not: others may stand behind it.
    pub(crate) fn give_back(&self, used: Used, then: u64, now: u64) -> Used {
        if used & BLOCKED != 0 {
            return used;
        }
        match self.algorithm {
            Algorithm::FixedWindow => fixed_window::give_back(self, used, then),
            Algorithm::SlidingWindow => sliding_window::give_back(self, used, then),
            Algorithm::SubBuckets => sub_buckets::give_back(self, used, then),
            Algorithm::TokenBucket => token_bucket::give_back(self, used, then, now),
            Algorithm::EvenSpacing => used,
        }
    }
}
