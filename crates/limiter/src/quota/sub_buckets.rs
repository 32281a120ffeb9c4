//! Thirds of a window: the one that runs and the three before it, all counted whole, so that any window's length
//! lies within what is counted.

use super::{Finding, Quota, Used, Verdict, in_order};

pub(super) const LIMIT_MAX: u32 = (1 << COUNT_BITS) - 1;

const COUNT_BITS: u32 = 12;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
/// Buckets that a window is divided into; one more is counted.
const PARTS: u64 = 3;
const NUMBERS: u64 = 1 << 15;
const NUMBER_SHIFT: u32 = COUNT_BITS * 4;

pub(super) fn find(quota: &Quota, used: Used, now: u64, cost: u64) -> Finding {
    let length = quota.window.div_ceil(PARTS);
    let now = in_order(now, length, NUMBERS, used >> NUMBER_SHIFT);
    let (number, left) = ((now / length) % NUMBERS, length - now % length);
    let passed = (number + NUMBERS - (used >> NUMBER_SHIFT)) % NUMBERS;
    // The newest count lies lowest; what moves out above is forgotten.
    let counts =
        if passed > PARTS { 0 } else { used << (passed * u64::from(COUNT_BITS)) & ((1 << NUMBER_SHIFT) - 1) };
    let count = |age: u64| counts >> (age * u64::from(COUNT_BITS)) & COUNT_MASK;
    let counted: u64 = (0..=PARTS).map(count).sum();
    let limit = u64::from(quota.limit);
    // How long until the bucket of this age is counted no more.
    let forgotten = |age: u64| left + (PARTS - age) * length;
    let resets = |counts: u64| {
        let newest = (0..=PARTS).find(|age| counts >> (age * u64::from(COUNT_BITS)) & COUNT_MASK > 0);
        newest.map_or(0, forgotten)
    };
    if counted + cost > limit {
        let mut room = limit - counted.min(limit);
        let oldest = (0..=PARTS).rev().find(|age| {
            room += count(*age);
            room >= cost
        });
        let used = number << NUMBER_SHIFT | counts;
        return Finding::refused(used, forgotten(oldest.unwrap_or_default()), resets(counts));
    }
    let counts = counts + cost;
    Finding {
        verdict: Verdict::Pass,
        used: number << NUMBER_SHIFT | counts,
        remaining: limit - counted - cost,
        resets: resets(counts),
    }
}

/// What is used without one of the third of `then`.
pub(super) fn give_back(quota: &Quota, used: Used, then: u64) -> Used {
    let number = (then / quota.window.div_ceil(PARTS)) % NUMBERS;
    let age = ((used >> NUMBER_SHIFT) + NUMBERS - number) % NUMBERS;
    let shift = age * u64::from(COUNT_BITS);
    if age <= PARTS && used >> shift & COUNT_MASK > 0 { used - (1 << shift) } else { used }
}
