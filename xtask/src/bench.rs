//! `cargo xtask bench NAME`: measurements by name, each in a file of its own under `bench/`.

use anyhow::bail;
use clap::Args;

/// What to measure, and how.
#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    /// The bench; leave it out to see which there are.
    name: Option<String>,
    #[command(flatten)]
    manner: Manner,
}

/// How to measure.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Manner {
    /// A short run, that shows only that the bench works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print the results as one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// One measurement.
struct Bench {
    name: &'static str,
    /// What it measures, in a line.
    about: &'static str,
    run: fn(Manner) -> anyhow::Result<()>,
}

/// Every bench there is. Add a file `bench/<name>.rs` with a `pub(super) fn run`, and a line here.
const BENCHES: &[Bench] = &[];

pub(crate) fn run(options: &BenchOptions) -> anyhow::Result<()> {
    let name = options.name.as_deref().unwrap_or_default();
    let Some(bench) = BENCHES.iter().find(|bench| bench.name == name) else { bail!("{}", unknown(name)) };
    (bench.run)(options.manner)
}

fn unknown(name: &str) -> String {
    let known: Vec<_> =
        BENCHES.iter().map(|bench| format!("\n  {:<14} {}", bench.name, bench.about)).collect();
    let asked =
        if name.is_empty() { "name a bench".to_owned() } else { format!("there is no bench `{name}`") };
    if known.is_empty() {
        return format!("{asked}: there are no benches yet");
    }
    format!("{asked}; there are:{}", known.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_bench_is_refused_with_the_list_of_those_there_are() {
        let message = unknown("teleport");
        assert!(message.contains("`teleport`"), "{message}");
        assert!(BENCHES.iter().all(|bench| message.contains(bench.name)), "{message}");
    }
}
