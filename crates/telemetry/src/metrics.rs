//! The registry: every crate registers its instruments here, and `/metrics` writes them out.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex},
};

use prometheus_client::registry::Registry;

use crate::process::Process;

/// A handle to the process's registry of metrics.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// That of a whole process, with what the system knows of it. Every series says in which region it stands, if it
    /// stands in any.
    #[must_use]
    pub fn of_process(region: &str, version: &'static str) -> Self {
        let labels = (!region.is_empty()).then(|| (Cow::from("region"), Cow::from(region.to_owned())));
        let mut registry = Registry::with_labels(labels.into_iter());
        registry.register_collector(Box::new(Process::new()));
        let build = prometheus_client::metrics::info::Info::new(vec![("version", version)]);
        registry.register("holdfast_build", "The program that is running", build);
        Self(Arc::new(Mutex::new(registry)))
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
        drop(registry);
        together(&text)
    }
}

/// The same with all series of a name in one place, as the format wants it: several parts of a process register the
/// same name, each with a label of its own.
fn together(text: &str) -> String {
    let mut families: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut at = None;
    for line in text.lines() {
        let name =
            line.strip_prefix("# ").filter(|_| line != "# EOF").and_then(|line| line.split(' ').nth(1));
        let known = name.and_then(|name| places.get(name).copied());
        match (name, known) {
            // Said already.
            (Some(name), Some(place)) if families[place].1.contains(&line) => {
                at = Some(places[name]);
            }
            (Some(_), Some(place)) => {
                at = Some(place);
                families[place].1.push(line);
            }
            (Some(name), None) => {
                places.insert(name, families.len());
                at = Some(families.len());
                families.push((name, vec![line]));
            }
            (None, _) => {
                if let Some(place) = at.filter(|_| line != "# EOF") {
                    families[place].1.push(line);
                }
            }
        }
    }
    let mut out = String::with_capacity(text.len());
    for line in families.iter().flat_map(|(_, lines)| lines).chain(&["# EOF"]) {
        out.push_str(line);
        out.push('\n');
    }
    out
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

    fn count(metrics: &Metrics, bed: &'static str) {
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_label(("bed".into(), bed.into()));
            let counter = Counter::<u64>::default();
            registry.register("kelp_cut", "Blades of kelp cut", counter.clone());
            registry.register("kelp_kept", "Blades of kelp kept", Counter::<u64>::default());
            counter.inc();
        });
    }

    #[test]
    fn what_was_counted_is_written_out_with_each_name_in_one_place() {
        let metrics = Metrics::new();
        count(&metrics, "north");
        count(&metrics, "south");
        let expected = "# HELP kelp_cut Blades of kelp cut.\n# TYPE kelp_cut counter\n\
                        kelp_cut_total{bed=\"north\"} 1\nkelp_cut_total{bed=\"south\"} 1\n\
                        # HELP kelp_kept Blades of kelp kept.\n# TYPE kelp_kept counter\n\
                        kelp_kept_total{bed=\"north\"} 0\nkelp_kept_total{bed=\"south\"} 0\n# EOF\n";
        assert_eq!(metrics.encode(), expected);
    }

    #[test]
    fn a_process_tells_of_itself_and_where_it_stands() {
        let text = Metrics::of_process("north", "1.2.3").encode();
        for known in [
            "process_cpu_seconds_total{region=\"north\"} ",
            "process_resident_memory_bytes{region=\"north\"} ",
            "holdfast_build_info{region=\"north\",version=\"1.2.3\"} 1",
        ] {
            assert!(text.contains(known), "{known} in {text}");
        }
        assert!(Metrics::of_process("", "1.2.3").encode().contains("process_open_fds "));
    }
}
