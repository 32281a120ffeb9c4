//! Steps that run one after the other: each is announced, timed, and the first that fails ends the run.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use crate::tell;

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// What it needs is not installed; it says which.
    Skipped(&'static str),
}

/// The steps that have run, for the summary.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    ran: Vec<(&'static str, Outcome, Duration)>,
}

impl Steps {
    /// Runs a step; the error names it.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        run: impl FnOnce() -> anyhow::Result<Outcome>,
    ) -> anyhow::Result<()> {
        tell(&format!("\n==> {name}"));
        let began = now();
        let outcome = run();
        let took = began.elapsed();
        match outcome {
            Ok(outcome) => {
                tell(&line(name, outcome, took));
                self.ran.push((name, outcome, took));
                Ok(())
            }
            Err(error) => {
                self.summarise();
                tell(&format!("  FAILED   {:>7.1} s  {name}", took.as_secs_f64()));
                Err(error.context(format!("the step `{name}` failed; mend it and run this again")))
            }
        }
    }

    /// Runs a command as a step.
    pub(crate) fn command(&mut self, name: &'static str, command: &mut Command) -> anyhow::Result<()> {
        self.step(name, || succeed(command).map(|()| Outcome::Passed))
    }

    /// What has run, how long it took, and what was skipped.
    pub(crate) fn summarise(&self) {
        tell("\n==> summary");
        for &(name, outcome, took) in &self.ran {
            tell(&line(name, outcome, took));
        }
        let total: Duration = self.ran.iter().map(|&(_, _, took)| took).sum();
        tell(&format!("  in all   {:>7.1} s", total.as_secs_f64()));
    }
}

fn line(name: &str, outcome: Outcome, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    match outcome {
        Outcome::Passed => format!("  passed   {seconds:>7.1} s  {name}"),
        Outcome::Skipped(why) => format!("  SKIPPED  {seconds:>7.1} s  {name}: {why}"),
    }
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(status.success(), "`{shown}` ended with {status}");
    Ok(())
}

/// What a command that must succeed writes to its standard output.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let shown = shown(command);
    let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` ended with {}: {}", output.status, error.trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` does not write UTF-8"))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[expect(clippy::disallowed_methods, reason = "how long a step takes is measured, never simulated")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_that_fails_is_named() {
        let mut steps = Steps::default();
        assert!(steps.command("true", &mut Command::new("true")).is_ok());
        let error = steps.command("lies", &mut Command::new("false")).expect_err("false fails");
        assert!(format!("{error:#}").contains("`lies` failed"), "{error:#}");
    }

    #[test]
    fn a_command_that_is_not_there_is_named() {
        let error = output(&mut Command::new("no-such-command-at-all")).expect_err("there is none");
        assert!(error.to_string().contains("no-such-command-at-all"), "{error}");
    }
}
