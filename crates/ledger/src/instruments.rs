//! What a ledger counts.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use telemetry::{
    EncodeLabelSet, Registry,
    instruments::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    seconds_buckets,
};
use tokio::sync::watch;

use crate::{ledger::Head, pending::Settled, publisher::Published};

/// One ledger's instruments; every ledger of the process registers its own, labelled with its name.
#[derive(Debug, Clone)]
pub(crate) struct Instruments {
    pub(crate) commands: Family<Outcome, Counter>,
    pub(crate) commits: Counter,
    pub(crate) batch_size: Histogram,
    pub(crate) sync_seconds: Histogram,
    pub(crate) unplanned_reads: Counter,
    pub(crate) waiting: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    outcome: &'static str,
}

/// The part of the registry that is this ledger's.
fn of_ledger<'r>(registry: &'r mut Registry, ledger: &str) -> &'r mut Registry {
    registry
        .sub_registry_with_prefix("ledger")
        .sub_registry_with_label(("ledger".into(), ledger.to_owned().into()))
}

/// How long the ledger is, and how much of it a checkpoint covers.
#[derive(Debug)]
pub(crate) struct Covered {
    entries: watch::Receiver<Head>,
    covered: watch::Receiver<Option<Arc<Published>>>,
}

impl Covered {
    pub(crate) fn register(
        registry: &mut Registry,
        ledger: &str,
        entries: &watch::Receiver<Head>,
        covered: &watch::Receiver<Option<Arc<Published>>>,
    ) {
        let this = Self { entries: entries.clone(), covered: covered.clone() };
        of_ledger(registry, ledger).register_collector(Box::new(this));
    }
}

impl Collector for Covered {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let covered = self.covered.borrow().as_ref().map_or(0, |published| published.checkpoint.size());
        for (name, help, count) in [
            ("entries", "Entries of the ledger, as far as this node knows", self.entries.borrow().size),
            ("checkpoint_entries", "Entries that the newest checkpoint of this node covers", covered),
        ] {
            let count = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            count.encode(metric)?;
        }
        Ok(())
    }
}

impl Instruments {
    pub(crate) fn register(registry: &mut Registry, ledger: &str) -> Self {
        let registry = of_ledger(registry, ledger);
        let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];
        let this = Self {
            commands: Family::default(),
            commits: Counter::default(),
            batch_size: Histogram::new(sizes),
            sync_seconds: Histogram::new(seconds_buckets()),
            unplanned_reads: Counter::default(),
            waiting: Gauge::default(),
        };
        registry.register("commands", "Commands by how they ended", this.commands.clone());
        registry.register("commits", "Batches made durable", this.commits.clone());
        registry.register("batch_size", "Commands in a batch", this.batch_size.clone());
        registry.register("sync_seconds", "Time a batch waited for the disk", this.sync_seconds.clone());
        registry.register(
            "unplanned_reads",
            "Rows that commands read without having named them",
            this.unplanned_reads.clone(),
        );
        registry.register("waiting", "Commands waiting for the writer", this.waiting.clone());
        this
    }

    pub(crate) fn count(&self, settled: &Settled) {
        let outcome = match settled {
            Settled::Durable { .. } => "durable",
            Settled::Operated => "operated",
            Settled::Refused => "refused",
            Settled::Withdrawn => "withdrawn",
            Settled::Repeated { .. } => "repeated",
            Settled::KeyReused => "key-reused",
            Settled::Panicked => "panicked",
            Settled::NotDurable => "not-durable",
            Settled::InDoubt => "in-doubt",
        };
        self.commands.get_or_create(&Outcome { outcome }).inc();
    }

    #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^52 commands")]
    pub(crate) fn synced(&self, commands: usize, unplanned_reads: u64, took: Duration) {
        self.commits.inc();
        self.batch_size.observe(commands as f64);
        self.sync_seconds.observe(took.as_secs_f64());
        self.unplanned_reads.inc_by(unplanned_reads);
    }
}
