//! `cargo xtask test`: everything that must hold before a change goes in, the quickest first.

use std::{path::Path, process::Command};

use clap::Args;
use peers::Postgres;

use crate::{
    api_check,
    steps::{Outcome, Steps, succeed},
    tidy, web,
};

/// How much to test.
#[derive(Debug, Args)]
pub(crate) struct TestOptions {
    /// Tests take their time: more cases, more seeds.
    #[arg(long)]
    long: bool,
    /// Run the tests of this crate, and nothing else.
    #[arg(long = "crate", value_name = "CRATE")]
    only: Option<String>,
}

/// Tools that are run where they are installed: the step, the arguments to `cargo` or the program alone.
const OPTIONAL: [(&str, &[&str], &str); 3] = [
    ("cargo deny", &["cargo", "deny", "check"], "cargo-deny is not installed: `cargo install cargo-deny`"),
    ("cargo machete", &["cargo", "machete"], "cargo-machete is not installed: `cargo install cargo-machete`"),
    ("typos", &["typos"], "typos is not installed: `cargo install typos-cli`"),
];

/// Builds the binary that the system tests start, with the features of the whole workspace, which the tests are compiled with.
const BINARY: [&str; 4] = ["build", "--workspace", "--bin", "holdfast"];

pub(crate) fn run(root: &Path, options: &TestOptions) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    match &options.only {
        Some(name) => one(root, options, name, &mut steps)?,
        None => all(root, options, &mut steps)?,
    }
    steps.summarise();
    Ok(())
}

fn one(root: &Path, options: &TestOptions, name: &str, steps: &mut Steps) -> anyhow::Result<()> {
    if name == "rig" {
        steps.command("cargo build", &mut cargo(root, &BINARY))?;
    }
    with_servers(steps, |steps, servers| {
        steps.command("cargo test", tests(root, &["-p", name], options).envs(servers.iter().cloned()))
    })
}

/// Starts the servers that tests share, and ends them afterwards.
fn with_servers(
    steps: &mut Steps,
    run: impl FnOnce(&mut Steps, &[(&'static str, String)]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut shared = None;
    steps.step("servers for the tests", || {
        shared = Some(Postgres::share()?);
        Ok(Outcome::Passed)
    })?;
    let (_server, settings) = shared.expect("the step has passed");
    run(steps, &settings)
}

fn all(root: &Path, options: &TestOptions, steps: &mut Steps) -> anyhow::Result<()> {
    steps.command("cargo fmt", &mut cargo(root, &["fmt", "--all", "--check"]))?;
    steps.step("tidy", || tidy::run(root).map(|()| Outcome::Passed))?;
    steps.step("the pages", || web::run(root).map(|()| Outcome::Passed))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps.command("cargo clippy", &mut cargo(root, &clippy))?;
    steps.command("cargo build", &mut cargo(root, &BINARY))?;
    with_servers(steps, |steps, servers| {
        steps.command("cargo test", tests(root, &["--workspace"], options).envs(servers.iter().cloned()))
    })?;
    let mut documentation = cargo(root, &["doc", "--no-deps", "--workspace"]);
    steps.command("cargo doc", documentation.env("RUSTDOCFLAGS", "-D warnings"))?;
    steps.step("the API against its description", || api_check::run(root).map(|()| Outcome::Passed))?;
    for (name, words, missing) in OPTIONAL {
        steps.step(name, || optional(root, words, missing))?;
    }
    Ok(())
}

fn tests(root: &Path, which: &[&str], options: &TestOptions) -> Command {
    let mut command = cargo(root, &["test"]);
    command.args(which);
    // System tests wait more than they compute: with as many at once as there are processors, half of those idle.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    command.env("RUST_TEST_THREADS", (cores + cores.div_ceil(2)).to_string());
    if options.long {
        command.env("HOLDFAST_LONG", "1");
    }
    command
}

fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(arguments);
    command
}

fn optional(root: &Path, words: &[&str], missing: &'static str) -> anyhow::Result<Outcome> {
    let (program, arguments) = words.split_first().expect("a tool has a name");
    // `cargo deny check` and `cargo machete` are programs named with their first argument.
    let asked: Vec<_> = arguments.iter().take(1).copied().chain(["--version"]).collect();
    let there = Command::new(program).args(asked).output().is_ok_and(|output| output.status.success());
    if !there {
        return Ok(Outcome::Skipped(missing));
    }
    succeed(Command::new(program).current_dir(root).args(arguments))?;
    Ok(Outcome::Passed)
}
