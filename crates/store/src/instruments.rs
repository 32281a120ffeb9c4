//! What is counted of connections and reads.

use telemetry::{
    EncodeLabelSet, Metrics,
    instruments::{counter::Counter, family::Family, gauge::Gauge},
};

/// The instruments of all databases of a process. Until they are registered they count for nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Instruments {
    connections: Family<Label, Gauge>,
    connected: Family<Label, Counter>,
    lost: Family<Label, Counter>,
    reads: Family<Label, Counter>,
    readers: Gauge,
    readers_busy: Gauge,
    replicas_behind: Counter,
    passed_over: Counter,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// Changes a database.
    Writer,
    /// Reads from the primary.
    Reader,
    /// Reads from a replica.
    Replica,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    role: &'static str,
}

impl Role {
    const fn label(self) -> Label {
        Label {
            role: match self {
                Self::Writer => "writer",
                Self::Reader => "reader",
                Self::Replica => "replica",
            },
        }
    }
}

/// Counts something for as long as it is kept.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Instruments {
    pub(crate) fn register(&self, metrics: &Metrics) {
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("store");
            registry.register(
                "connections",
                "Open connections to database servers",
                self.connections.clone(),
            );
            registry.register("connects", "Connections that were made", self.connected.clone());
            registry.register("exchanges_failed", "Exchanges that were not answered", self.lost.clone());
            registry.register("reads", "Reads, by whom they were put to", self.reads.clone());
            registry.register("readers", "Threads that read", self.readers.clone());
            registry.register("readers_busy", "Threads that read now", self.readers_busy.clone());
            registry.register(
                "replicas_behind",
                "Times that a replica had not caught up or did not answer",
                self.replicas_behind.clone(),
            );
            registry.register(
                "reads_passed_over",
                "Reads that the replica whose turn it was could not take",
                self.passed_over.clone(),
            );
        });
    }

    pub(crate) fn connected(&self, role: Role) -> Counted {
        self.connected.get_or_create(&role.label()).inc();
        let open = self.connections.get_or_create(&role.label()).clone();
        open.inc();
        Counted(open)
    }

    pub(crate) fn lost(&self, role: Role) {
        self.lost.get_or_create(&role.label()).inc();
    }

    pub(crate) fn reads(&self, role: Role, reads: u64) {
        self.reads.get_or_create(&role.label()).inc_by(reads);
    }

    /// One more thread can read, until this is dropped.
    pub(crate) fn reader(&self) -> Counted {
        self.readers.inc();
        Counted(self.readers.clone())
    }

    /// One more thread reads, until this is dropped.
    pub(crate) fn busy(&self) -> Counted {
        self.readers_busy.inc();
        Counted(self.readers_busy.clone())
    }

    pub(crate) fn replica_behind(&self) {
        self.replicas_behind.inc();
    }

    pub(crate) fn passed_over(&self, reads: u64) {
        self.passed_over.inc_by(reads);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
