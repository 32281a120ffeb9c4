//! The generic cell rate algorithm: what is kept is when the bucket will be full again.

use super::{Finding, Quota, Used, Verdict};

pub(super) fn find(quota: &Quota, used: Used, now: u64, cost: u64) -> Finding {
    let distance = distance(quota);
    let full_at = used.max(now).saturating_add(cost.saturating_mul(distance));
    let depth = u64::from(quota.burst) * distance;
    let taken = full_at - now;
    if taken > depth {
        return Finding::refused(used, taken - depth, used.saturating_sub(now));
    }
    Finding { verdict: Verdict::Pass, used: full_at, remaining: (depth - taken) / distance, resets: taken }
}

/// What is used without one that was taken at `then`. What has flowed in since may have filled its place already.
pub(super) fn give_back(quota: &Quota, used: Used, then: u64, now: u64) -> Used {
    used.saturating_sub(distance(quota).saturating_sub(now.saturating_sub(then)))
}

/// Between two of an even stream; rounded up, so that never more than the limit passes in a window.
pub(super) fn distance(quota: &Quota) -> u64 {
    quota.window.div_ceil(u64::from(quota.limit))
}
