//! What a hit costs, near and shared, and a Zipf trace beside bare moka.

mod zipf;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use cache::{Cache, RedisConfig, RedisUrl, Room, RoomConfig, Tag};
use clock::Clock;
use futures_util::FutureExt;
use peers::Redis;
use telemetry::Metrics;

use crate::{
    figures::{Figures, median},
    load::on_runtime,
};

/// A value of about the size of a small record.
const VALUE_BYTES: usize = 200;
/// Keys that near hits are spread over: they fit in a processor's second cache.
const NEAR_KEYS: usize = 1000;
/// The caches lie about to be measured and not to run out.
const ROOM_BYTES: u64 = 256 << 20;

type Never = std::convert::Infallible;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, hits, shared) = if quick { (3, 2_000_000, 3000) } else { (7, 10_000_000, 20_000) };
    let mut near = Vec::new();
    for _ in 0..runs {
        near.push(near_hit_ns(hits)?);
    }
    let zipf = zipf::measure(runs, quick)?;
    let mut figures = Figures::new("cache");
    figures.add("l1_hit_ns", median(near), "a hit in this process, one thread");
    figures.add(
        "l2_hit_us",
        on_runtime(shared_hit_us(shared))?,
        "a hit in Redis on this machine, the median",
    );
    figures.add(
        "ratio_to_moka",
        median(zipf.ratios),
        "of moka's `get_with`, throughput on the same Zipf trace",
    );
    figures.add("zipf_per_s", median(zipf.per_second), "keys a second on that trace, two threads");
    figures.add("hit_ratio", zipf.hit_ratio, "of keys on that trace");
    figures.add("moka_hit_ratio", zipf.moka_hit_ratio, "of moka with as many bytes");
    Ok(figures)
}

fn value() -> String {
    "k".repeat(VALUE_BYTES)
}

/// A room, and how many values it had to read.
fn room(cache: &Cache, bytes_max: u64) -> anyhow::Result<(Room<String, Never>, Arc<AtomicU64>)> {
    let config = RoomConfig {
        bytes_max: bytes_max.try_into()?,
        fresh_ms: 3_600_000.try_into()?,
        ..RoomConfig::default()
    };
    let tags = |key: &str| vec![Tag::of(key)];
    let reads = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&reads);
    let room = Room::new(cache, "bench", config, tags, move |_| {
        counts.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(Some(value())))
    });
    Ok((room, reads))
}

fn open(redis: &RedisConfig) -> anyhow::Result<Cache> {
    Ok(Cache::open(Clock::System, &Metrics::new(), redis)?)
}

#[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 hits")]
fn near_hit_ns(hits: usize) -> anyhow::Result<f64> {
    let cache = open(&RedisConfig::default())?;
    let (room, _) = room(&cache, ROOM_BYTES)?;
    let keys: Vec<String> = (0..NEAR_KEYS).map(|key| format!("person:{key:020}")).collect();
    on_runtime(room.warm(keys.iter().cloned(), 1));
    let stopwatch = Clock::System.stopwatch();
    let mut bytes = 0;
    for key in keys.iter().cycle().take(hits) {
        let found = room.get(key).now_or_never().context("a hit does not wait")??;
        bytes += found.value.map_or(0, |value| value.len());
    }
    let took = stopwatch.elapsed();
    ensure!(bytes == hits * VALUE_BYTES, "something was not there");
    Ok(took.as_nanos() as f64 / hits as f64)
}

/// One node reads, another finds what it read in Redis.
async fn shared_hit_us(keys: usize) -> anyhow::Result<f64> {
    let redis = Redis::start()?;
    let config = RedisConfig { urls: vec![RedisUrl::try_from(redis.url())?], ..RedisConfig::default() };
    let (one, other) = (open(&config)?, open(&config)?);
    while one.goes_alone() || other.goes_alone() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let keys: Vec<Arc<str>> = (0..keys).map(|key| format!("person:{key:020}").into()).collect();
    room(&one, ROOM_BYTES)?.0.warm(keys.iter().map(|key| key.to_string()), 16).await;
    // Nobody waits for what is put there.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (shared, reads) = room(&other, ROOM_BYTES)?;
    let mut took = Vec::new();
    for key in &keys {
        let stopwatch = Clock::System.stopwatch();
        shared.get(key).await?;
        took.push(stopwatch.elapsed().as_secs_f64() * 1e6);
    }
    let missed = reads.load(Ordering::Relaxed);
    ensure!(missed * 100 < keys.len() as u64, "{missed} of {} were not in Redis", keys.len());
    Ok(median(took))
}
