//! The same keys in the same order, for our cache and for bare moka.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::Context;
use cache::RedisConfig;
use clock::{Clock, Timestamp};
use futures_util::FutureExt;
use moka::sync::Cache as Moka;

use super::{open, room, value};
use crate::load::on_runtime;

/// How unequal keys are: that of the YCSB benchmark.
const SKEW: f64 = 0.99;
const KEYS: usize = 200_000;
/// Room for about a tenth of all entries.
const BYTES: u64 = KEYS as u64 / 10 * ENTRY_BYTES;
/// What an entry weighs for both: its value, its key, and what keeps them.
const ENTRY_BYTES: u64 = 387;
const THREADS: usize = 2;

pub(super) struct Zipf {
    pub(super) ratios: Vec<f64>,
    pub(super) per_second: Vec<f64>,
    pub(super) hit_ratio: f64,
    pub(super) moka_hit_ratio: f64,
}

struct Trace {
    keys: Vec<Arc<str>>,
    order: Vec<usize>,
}

struct Run {
    per_second: f64,
    hit_ratio: f64,
}

pub(super) fn measure(runs: usize, quick: bool) -> anyhow::Result<Zipf> {
    let trace = Arc::new(Trace::new(if quick { 1_000_000 } else { 4_000_000 }));
    let mut zipf = Zipf { ratios: Vec::new(), per_second: Vec::new(), hit_ratio: 0.0, moka_hit_ratio: 0.0 };
    for _ in 0..runs {
        let (ours, moka) = (ours(&trace)?, bare_moka(&trace)?);
        zipf.ratios.push(ours.per_second / moka.per_second);
        zipf.per_second.push(ours.per_second);
        (zipf.hit_ratio, zipf.moka_hit_ratio) = (ours.hit_ratio, moka.hit_ratio);
    }
    Ok(zipf)
}

impl Trace {
    #[expect(clippy::cast_precision_loss, reason = "keys are far below 2^52")]
    fn new(length: usize) -> Self {
        let keys = (0..KEYS).map(|key| format!("person:{key:020}").into()).collect();
        let mut sums: Vec<f64> = Vec::with_capacity(KEYS);
        for rank in 1..=KEYS {
            sums.push(sums.last().unwrap_or(&0.0) + (rank as f64).powf(-SKEW));
        }
        let all = sums.last().copied().unwrap_or(1.0);
        // The same dice on every run.
        let dice = Clock::manual(Timestamp::EPOCH, 1);
        let throw = || f64::from(u32::from_le_bytes(dice.random())) / f64::from(u32::MAX) * all;
        let order =
            (0..length).map(|_| throw()).map(|at| sums.partition_point(|sum| *sum < at).min(KEYS - 1));
        Self { keys, order: order.collect() }
    }

    /// Asks for every key in order, each thread for its share; counts what had to be read.
    #[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 keys")]
    fn play<Ask>(self: &Arc<Self>, reads: &AtomicU64, ask: Ask) -> anyhow::Result<Run>
    where
        Ask: Fn(&Arc<str>) -> anyhow::Result<()> + Send + Clone + 'static,
    {
        let together = Arc::new(Barrier::new(THREADS + 1));
        let threads: Vec<_> = (0..THREADS)
            .map(|own| {
                let (trace, ask, together) = (Arc::clone(self), ask.clone(), Arc::clone(&together));
                thread::spawn(move || {
                    together.wait();
                    let mine = trace.order.iter().skip(own).step_by(THREADS);
                    mine.map(|key| &trace.keys[*key]).try_for_each(ask)
                })
            })
            .collect();
        together.wait();
        let stopwatch = Clock::System.stopwatch();
        for thread in threads {
            thread.join().ok().context("a thread panicked")??;
        }
        let all = self.order.len() as f64;
        let missed = reads.load(Ordering::Relaxed) as f64;
        Ok(Run { per_second: all / stopwatch.elapsed().as_secs_f64(), hit_ratio: 1.0 - missed / all })
    }
}

fn ours(trace: &Arc<Trace>) -> anyhow::Result<Run> {
    let cache = open(&RedisConfig::default())?;
    let (room, reads) = room(&cache, BYTES)?;
    trace.play(&reads, move |key| {
        // Seldom, the other thread reads the same key just now.
        let found = room.get(key).now_or_never();
        found.unwrap_or_else(|| on_runtime(room.get(key)))?;
        Ok(())
    })
}

fn bare_moka(trace: &Arc<Trace>) -> anyhow::Result<Run> {
    let moka: Moka<String, Arc<String>> = Moka::builder()
        .max_capacity(BYTES)
        .weigher(|_: &String, _: &Arc<String>| u32::try_from(ENTRY_BYTES).unwrap_or(u32::MAX))
        .time_to_live(std::time::Duration::from_hours(1))
        .build();
    let reads = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&reads);
    trace.play(&reads, move |key| {
        moka.get_with_by_ref(&**key, || {
            counts.fetch_add(1, Ordering::Relaxed);
            Arc::new(value())
        });
        Ok(())
    })
}
