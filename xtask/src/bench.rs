//! `cargo xtask bench NAME`: builds the crate `bench` optimised, and runs it.

use std::{path::Path, process::Command};

use clap::Args;

use crate::steps::succeed;

/// What to measure, and how.
#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    /// The measurement; `--help` among the arguments lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "NAME [--quick] [--json]")]
    arguments: Vec<String>,
}

pub(crate) fn run(root: &Path, options: &BenchOptions) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["run", "--quiet", "--release", "--package", "bench", "--"]);
    // Nothing said is a question.
    let nothing = ["--help".to_owned()];
    let asked = if options.arguments.is_empty() { nothing.as_slice() } else { &options.arguments };
    succeed(command.args(asked))
}
