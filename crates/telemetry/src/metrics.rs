//! The registry: every crate registers its instruments here, and `/metrics` writes them out.

use std::sync::{Arc, Mutex};

use prometheus_client::registry::Registry;

/// A handle to the process's registry of metrics.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a component register its instruments and keep them.
    pub fn register<T>(&self, make: impl FnOnce(&mut Registry) -> T) -> T {
        make(&mut self.0.lock().expect("registering does not panic"))
    }

    /// All values in the OpenMetrics text format, which Prometheus reads.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let registry = self.0.lock().expect("registering does not panic");
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a string takes all text");
        text
    }
}

/// Bounds of the histograms of durations, in seconds: those of the OpenTelemetry HTTP conventions, with
/// finer ones below 5 ms, where most of our answers lie.
pub fn seconds_buckets() -> impl Iterator<Item = f64> {
    [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0,
        2.5, 5.0, 7.5, 10.0,
    ]
    .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;

    #[test]
    fn what_was_counted_is_written_out() {
        let metrics = Metrics::new();
        let counter = metrics.register(|registry| {
            let counter = Counter::<u64>::default();
            registry.register("kelp_cut", "Blades of kelp cut", counter.clone());
            counter
        });
        counter.inc();
        assert!(metrics.encode().contains("kelp_cut_total 1"), "{}", metrics.encode());
    }
}
