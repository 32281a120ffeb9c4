//! What a decision about a quota costs when ten million keys have used some of theirs.

use std::{hint::black_box, num::NonZeroU32, num::NonZeroU64};

use clock::Clock;
use limiter::{Algorithm, Limiter, QuotaConfig};

use crate::figures::{Figures, median};

const KEYS: u64 = 10_000_000;

/// Places for so many keys that hardly one finds none.
const PLACES: usize = 12_500_000;

const DECISIONS: u32 = 5_000_000;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let runs = if quick { 3 } else { 7 };
    let quota = QuotaConfig {
        algorithm: Algorithm::TokenBucket,
        limit: NonZeroU32::new(1000).unwrap_or(NonZeroU32::MIN),
        window_ms: NonZeroU64::new(3_600_000).unwrap_or(NonZeroU64::MIN),
        burst: None,
        block_ms: None,
    };
    let limiter = Limiter::new(quota.quota()?, PLACES);
    let running = Clock::System.stopwatch();
    // Half an hour's worth: nobody has all of it again before the end.
    for key in 0..KEYS {
        limiter.decide(&key, 500, nanos(&running));
    }
    let mut costs = Vec::new();
    for run in 0..runs {
        let mut random = 0x9E37_79B9_7F4A_7C15_u64 ^ run;
        let began = Clock::System.stopwatch();
        let now = nanos(&running);
        for _ in 0..DECISIONS {
            // xorshift64: a few cycles.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            black_box(limiter.decide(&(random % KEYS), 1, now));
        }
        costs.push(began.elapsed().as_secs_f64() * 1e9 / f64::from(DECISIONS));
    }
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
    let bytes = limiter.bytes() as f64 / KEYS as f64;
    let mut figures = Figures::new("limiter");
    figures.add("decision_ns", median(costs), "one thread, token bucket, keys at random out of ten million");
    figures.add("bytes_per_key", bytes, "of the table");
    #[expect(clippy::cast_precision_loss, reason = "there are ten million keys")]
    figures.add("crowded", limiter.crowded() as f64, "decisions about keys that found no place");
    Ok(figures)
}

fn nanos(running: &clock::Stopwatch) -> u64 {
    u64::try_from(running.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
