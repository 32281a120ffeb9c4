//! Windows that begin at fixed times: the number of the window above, the count in it below.

use super::{Finding, Quota, Used, Verdict, in_order};

const COUNT_BITS: u32 = 32;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const WINDOWS: u64 = 1 << 31;

pub(super) fn find(quota: &Quota, used: Used, now: u64, cost: u64) -> Finding {
    let now = in_order(now, quota.window, WINDOWS, used >> COUNT_BITS);
    let (window, since) = ((now / quota.window) % WINDOWS, now % quota.window);
    let counted = if used >> COUNT_BITS == window { used & COUNT_MASK } else { 0 };
    let (limit, left) = (u64::from(quota.limit), quota.window - since);
    let count = counted + cost;
    if count > limit {
        return Finding::refused(window << COUNT_BITS | counted, left, left);
    }
    Finding {
        verdict: Verdict::Pass,
        used: window << COUNT_BITS | count,
        remaining: limit - count,
        resets: if count == 0 { 0 } else { left },
    }
}

/// What is used without one of the window of `then`.
pub(super) const fn give_back(quota: &Quota, used: Used, then: u64) -> Used {
    let counts = used >> COUNT_BITS == (then / quota.window) % WINDOWS && used & COUNT_MASK > 0;
    if counts { used - 1 } else { used }
}
