//! What a decision about a quota costs when ten million keys have used some of theirs.

use std::{hint::black_box, num::NonZeroU32, num::NonZeroU64};

use arrayvec::ArrayVec;
use clock::{Clock, Stopwatch};
use limiter::{Algorithm, Limiter, QuotaConfig, decide_together};

use crate::figures::{Figures, median};

/// Quotas that each request is counted in, as by address, by person, by kind and by route.
const TOGETHER: usize = 4;
/// Of each quota; of all of them together ten million.
const KEYS: u64 = 10_000_000 / TOGETHER as u64;

/// Places for so many keys that hardly one finds none.
const PLACES: usize = 12_500_000 / TOGETHER;

const REQUESTS: u32 = 1_500_000;
const DECISIONS: u32 = REQUESTS * 4;
const _: () = assert!(TOGETHER == 4, "each request takes as many decisions");

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let runs = if quick { 3 } else { 7 };
    let quota = QuotaConfig {
        algorithm: Algorithm::TokenBucket,
        limit: NonZeroU32::new(1000).unwrap_or(NonZeroU32::MIN),
        window_ms: NonZeroU64::new(3_600_000).unwrap_or(NonZeroU64::MIN),
        burst: None,
        block_ms: None,
    };
    let quota = quota.quota()?;
    let limiters: [Limiter; TOGETHER] = std::array::from_fn(|_| Limiter::new(quota, PLACES));
    let running = Clock::System.stopwatch();
    // Half an hour's worth: nobody has all of it again before the end.
    for key in 0..KEYS {
        for limiter in &limiters {
            let _decision = limiter.decide(&key, 500, nanos(&running));
        }
    }
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let mut random = Random(0x9E37_79B9_7F4A_7C15_u64 ^ run);
        together.push(cost(DECISIONS, &running, |now| {
            for _ in 0..REQUESTS {
                let tickets: ArrayVec<_, _> =
                    limiters.iter().map(|limiter| limiter.ticket(&random.below(KEYS))).collect();
                black_box(decide_together(&tickets, 1, now));
            }
        }));
        alone.push(cost(REQUESTS, &running, |now| {
            for _ in 0..REQUESTS {
                black_box(limiters[0].decide(&random.below(KEYS), 1, now));
            }
        }));
    }
    let count = |of: fn(&Limiter) -> u64| limiters.iter().map(of).sum::<u64>();
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes, and so are counts")]
    let (bytes, crowded) = (
        count(|limiter| limiter.bytes() as u64) as f64 / (KEYS * TOGETHER as u64) as f64,
        count(Limiter::crowded) as f64,
    );
    let mut figures = Figures::new("limiter");
    figures.add(
        "decision_ns",
        median(together),
        "one thread, four quotas a request, keys at random out of ten million",
    );
    figures.add("alone_ns", median(alone), "one quota a request");
    figures.add("bytes_per_key", bytes, "of the tables");
    figures.add("crowded", crowded, "decisions about keys that found no place");
    Ok(figures)
}

/// Nanoseconds for each of so many decisions.
fn cost(decisions: u32, running: &Stopwatch, decide: impl FnOnce(u64)) -> f64 {
    let began = Clock::System.stopwatch();
    decide(nanos(running));
    began.elapsed().as_secs_f64() * 1e9 / f64::from(decisions)
}

/// xorshift64: a few cycles.
struct Random(u64);

impl Random {
    const fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn nanos(running: &Stopwatch) -> u64 {
    u64::try_from(running.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
