//! A queue that lets one through at a time, at even distances: what is kept is when the next turn is.

use super::{Finding, Quota, Used, Verdict, token_bucket::distance};
use std::time::Duration;

pub(super) fn find(quota: &Quota, used: Used, now: u64, cost: u64) -> Finding {
    let distance = distance(quota);
    let turn = used.max(now);
    let (waits, longest) = (turn - now, u64::from(quota.burst) * distance);
    // Whoever came first has passed already: a queue of `burst` waits behind it.
    let remaining = |waits: u64| (longest + distance).saturating_sub(waits) / distance;
    let after = waits.saturating_add(cost.saturating_mul(distance));
    if after > longest + distance {
        return Finding::refused(used, after - longest - distance, waits);
    }
    let verdict = if waits == 0 { Verdict::Pass } else { Verdict::PassAfter(Duration::from_nanos(waits)) };
    Finding { verdict, used: now + after, remaining: remaining(after), resets: after }
}
