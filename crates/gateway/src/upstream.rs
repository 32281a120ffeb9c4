//! One server behind the gateway, as all threads see it.
//!
//! Its counts are shared on purpose: whoever balances by what is in flight must know what the other threads have
//! sent. They lie on cache lines of the upstream's own, and a request touches those of one upstream.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{Ejection, EjectionConfig, Health, HealthConfig, ewma::SharedEwma};

/// How long a slow answer is remembered.
const EWMA_DECAY_MS: u64 = 10_000;

/// A server, for as long as some table names it.
#[repr(align(128))]
pub(crate) struct Upstream {
    in_flight: AtomicU32,
    failed_in_a_row: AtomicU32,
    requests: AtomicU64,
    failed: AtomicU64,
    cost: SharedEwma,
    is_well: AtomicBool,
    ejected_until_ms: AtomicU64,
    ejections: AtomicU64,
    mind: Mutex<Mind>,
    pub(crate) address: Box<str>,
    /// Tells it from all others of this process.
    pub(crate) number: u64,
    /// Tells it from others of its pool, in every process alike.
    pub(crate) identity: u64,
}

#[derive(Debug, Default)]
struct Mind {
    ejection: Ejection,
    health: Health,
    /// What the last health check that failed found, until one is passed.
    why_not: Option<Box<str>>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(pub(crate) Arc<Upstream>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Upstream {
    pub(crate) fn new(address: &str) -> Arc<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            in_flight: AtomicU32::new(0),
            failed_in_a_row: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            cost: SharedEwma::default(),
            is_well: AtomicBool::new(true),
            ejected_until_ms: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
            mind: Mutex::default(),
            address: address.into(),
            number: NUMBERS.fetch_add(1, Relaxed),
            identity: xxh3_64(address.as_bytes()),
        })
    }

    /// Sends it one more request.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        InFlight(self.clone())
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    pub(crate) fn ejections(&self) -> u64 {
        self.ejections.load(Relaxed)
    }

    /// What an answer costs lately; nought if that is not known.
    pub(crate) fn cost_us(&self, now_ms: u64) -> u64 {
        self.cost.at(now_ms, EWMA_DECAY_MS)
    }

    /// The share of its recent requests that failed, in millionths; only measured where the cost is.
    pub(crate) fn failed_share(&self, now_ms: u64) -> u64 {
        self.cost.failed_at(now_ms, EWMA_DECAY_MS)
    }

    pub(crate) fn is_well(&self) -> bool {
        self.is_well.load(Relaxed)
    }

    /// How long it is still left alone; nothing if it is not.
    pub(crate) fn ejected_for_ms(&self, now_ms: u64) -> Option<u64> {
        self.ejected_until_ms.load(Relaxed).checked_sub(now_ms).filter(|left| *left > 0)
    }

    pub(crate) fn is_available(&self, now_ms: u64) -> bool {
        self.is_well() && self.ejected_for_ms(now_ms).is_none()
    }

    /// It answered, and not with a failure.
    pub(crate) fn succeeded(&self, took_us: u64, now_ms: u64, measured: bool) {
        if measured {
            self.cost.took(took_us, now_ms, EWMA_DECAY_MS);
            self.cost.ended(false, now_ms, EWMA_DECAY_MS);
        }
        if self.failed_in_a_row.load(Relaxed) > 0 {
            self.failed_in_a_row.store(0, Relaxed);
            self.mind(|mind| mind.ejection.succeeded());
        }
    }

    /// It was asked for so long, and did not answer.
    pub(crate) fn costs(&self, took_us: u64, now_ms: u64) {
        self.cost.took(took_us, now_ms, EWMA_DECAY_MS);
    }

    /// It failed. Is it ejected for that?
    pub(crate) fn has_failed(
        &self,
        now_ms: u64,
        config: &EjectionConfig,
        may_eject: bool,
        measured: bool,
    ) -> bool {
        if measured {
            // How long it took to fail says nothing.
            self.cost.ended(true, now_ms, EWMA_DECAY_MS);
        }
        self.failed.fetch_add(1, Relaxed);
        self.has_lost(now_ms, config, may_eject)
    }

    /// It did not serve a request that another one served. Is it ejected for that?
    pub(crate) fn has_lost(&self, now_ms: u64, config: &EjectionConfig, may_eject: bool) -> bool {
        self.failed_in_a_row.fetch_add(1, Relaxed);
        let until_ms = self.mind(|mind| mind.ejection.failed(now_ms, config, may_eject));
        if let Some(until_ms) = until_ms {
            self.ejected_until_ms.store(until_ms, Relaxed);
            self.ejections.fetch_add(1, Relaxed);
        }
        until_ms.is_some()
    }

    /// What the last health check found wrong with it, if it did.
    pub(crate) fn why_not(&self) -> Option<String> {
        self.mind(|mind| mind.why_not.as_deref().map(str::to_owned))
    }

    /// It was asked whether it is well; `why_not` is what was found wrong. Does that change what is thought of it?
    pub(crate) fn probed(&self, why_not: Option<&str>, config: &HealthConfig) -> bool {
        let good = why_not.is_none();
        let well = self.mind(|mind| {
            mind.why_not = why_not.map(Into::into);
            mind.health = mind.health.with(good, config);
            mind.health.is_well()
        });
        let was_well = self.is_well.swap(well, Relaxed);
        if well && !was_well {
            // Whoever came back is given their share again, whatever failed before.
            self.ejected_until_ms.store(0, Relaxed);
        }
        well != was_well
    }

    /// Nobody asks it any more whether it is well: it is taken to be, for nobody would find out that it is again.
    pub(crate) fn is_asked_no_more(&self) {
        self.mind(|mind| (mind.health, mind.why_not) = (Health::default(), None));
        self.is_well.store(true, Relaxed);
    }

    fn mind<T>(&self, think: impl FnOnce(&mut Mind) -> T) -> T {
        // Arithmetic that does not panic half way.
        think(&mut self.mind.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
