//! This window's count and the last one's, which counts by how much of it is still within a window's length.

use super::{Finding, Quota, Used, Verdict, in_order};

pub(super) const LIMIT_MAX: u32 = (1 << COUNT_BITS) - 1;

const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const WINDOWS: u64 = 1 << 23;

pub(super) fn find(quota: &Quota, used: Used, now: u64, cost: u64) -> Finding {
    let now = in_order(now, quota.window, WINDOWS, used >> (2 * COUNT_BITS));
    let (window, since) = ((now / quota.window) % WINDOWS, now % quota.window);
    let (counted_in, before, counted) =
        (used >> (2 * COUNT_BITS), used >> COUNT_BITS & COUNT_MASK, used & COUNT_MASK);
    let (before, counted) = match (window + WINDOWS - counted_in) % WINDOWS {
        0 => (before, counted),
        1 => (counted, 0),
        _ => (0, 0),
    };
    let (limit, left) = (u64::from(quota.limit), quota.window - since);
    let pack = |count| window << (2 * COUNT_BITS) | before << COUNT_BITS | count;
    // Both below 2^20, and a window below 2^55: products need the wider type. Rounded up, against the caller.
    let weighed = |left: u64| {
        u64::try_from((u128::from(before) * u128::from(left)).div_ceil(u128::from(quota.window)))
            .unwrap_or(u64::MAX)
    };
    let count = counted + cost;
    let resets = match (before, count) {
        (0, 0) => 0,
        (_, 0) => left,
        (_, _) => left + quota.window,
    };
    if weighed(left) + count > limit {
        // In this window, as the last one fades; or in the next, as this one does.
        let retry = match limit.checked_sub(count) {
            Some(room) => wait(quota, before, room, left),
            None => left + wait(quota, counted, limit.saturating_sub(cost), quota.window),
        };
        return Finding::refused(pack(counted), retry, if counted == 0 { left } else { left + quota.window });
    }
    Finding { verdict: Verdict::Pass, used: pack(count), remaining: limit - count - weighed(left), resets }
}

/// How long until the last window weighs at most so much.
fn wait(quota: &Quota, before: u64, room: u64, left: u64) -> u64 {
    let weighs = u128::from(room) * u128::from(quota.window) / u128::from(before.max(1));
    left.saturating_sub(u64::try_from(weighs).unwrap_or(u64::MAX)).max(1)
}

/// What is used without one of the window of `then`, which is this one or the last.
pub(super) const fn give_back(quota: &Quota, used: Used, then: u64) -> Used {
    let window = (then / quota.window) % WINDOWS;
    let shift = match ((used >> (2 * COUNT_BITS)) + WINDOWS - window) % WINDOWS {
        0 => 0,
        1 => COUNT_BITS,
        _ => return used,
    };
    if used >> shift & COUNT_MASK > 0 { used - (1 << shift) } else { used }
}
