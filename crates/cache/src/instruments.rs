//! What a room counts.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};
use telemetry::{Metrics, instruments::counter::Counter};

const SHELVES: usize = 64;

thread_local! {
    static SEAT: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % SHELVES
    };
}

/// A counter that each thread counts on its own shelf of, so that hits on two cores never meet.
#[derive(Clone)]
pub(crate) struct Tally(Arc<[Shelf; SHELVES]>);

/// Aligned so that no two threads write to the same cache line (two lines are fetched together).
#[derive(Default)]
#[repr(align(128))]
struct Shelf(AtomicU64);

impl Tally {
    fn new() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Shelf::default())))
    }

    pub(crate) fn inc(&self) {
        SEAT.with(|seat| self.0[*seat].0.fetch_add(1, Ordering::Relaxed));
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.iter().map(|shelf| shelf.0.load(Ordering::Relaxed)).sum()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tally").field(&self.get()).finish()
    }
}

impl EncodeMetric for Tally {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_counter::<NoLabelSet, _, u64>(&self.get(), None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// One room's instruments.
#[derive(Debug, Clone)]
pub(crate) struct Instruments {
    pub(crate) hits: Tally,
    pub(crate) stale: Counter,
    pub(crate) stale_on_error: Counter,
    pub(crate) shared_hits: Counter,
    pub(crate) loads: Counter,
    pub(crate) joined: Counter,
    pub(crate) thrown_away: Counter,
    pub(crate) failures: Counter,
}

impl Instruments {
    pub(crate) fn register(metrics: &Metrics, room: &'static str) -> Self {
        let this = Self {
            hits: Tally::new(),
            stale: Counter::default(),
            stale_on_error: Counter::default(),
            shared_hits: Counter::default(),
            loads: Counter::default(),
            joined: Counter::default(),
            thrown_away: Counter::default(),
            failures: Counter::default(),
        };
        metrics.register(|registry| {
            let registry = registry
                .sub_registry_with_prefix("cache")
                .sub_registry_with_label(("room".into(), room.into()));
            registry.register("hits", "Answers from this process, fresh", this.hits.clone());
            let counters = [
                ("stale", "Answers past their time, while they were read anew", &this.stale),
                ("stale_on_error", "Answers past their time, because reading failed", &this.stale_on_error),
                ("shared_hits", "Entries taken from Redis", &this.shared_hits),
                ("loads", "Readings of a database", &this.loads),
                ("joined", "Misses that waited for somebody else's reading", &this.joined),
                ("thrown_away", "Readings whose tags were dropped meanwhile", &this.thrown_away),
                ("failures", "Readings that failed", &this.failures),
            ];
            for (name, help, counter) in counters {
                registry.register(name, help, counter.clone());
            }
        });
        this
    }
}
