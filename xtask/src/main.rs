//! `cargo xtask`: everything that is done to this repository, by one command each.

mod api_check;
mod bench;
mod environment;
mod steps;
mod test;
mod tidy;
mod web;

use std::{io::Write, path::Path, process::ExitCode};

use clap::{Parser, Subcommand};

/// Everything that is done to this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Check everything: format, rules, lints, tests, documentation, the API, dependencies.
    Test(test::TestOptions),
    /// Check the rules of the house that no compiler knows.
    Tidy,
    /// Try the served API against its description.
    ApiCheck,
    /// Measure.
    Bench(bench::BenchOptions),
}

fn main() -> ExitCode {
    let root = root();
    let done = match Arguments::parse().task {
        Task::Test(options) => test::run(root, &options),
        Task::Tidy => tidy::run(root),
        Task::ApiCheck => api_check::run(root),
        Task::Bench(options) => bench::run(root, &options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// Tells the person who runs this, on standard error.
fn tell(text: &str) {
    // Tests run steps that fail on purpose: nobody should read of those.
    if cfg!(test) {
        return;
    }
    // If nobody listens there is nobody to tell.
    drop(writeln!(std::io::stderr(), "{text}"));
}
