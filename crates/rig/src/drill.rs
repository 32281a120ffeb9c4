//! A drill, run as an operator runs it, and what its report says.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::{Outcome, server::run_alone_with};

/// A drill that is over.
#[derive(Debug)]
pub struct Drilled {
    /// How the program ended.
    pub outcome: Outcome,
    report: Value,
    folder: TempDir,
}

/// Runs `holdfast drill` with these arguments until it ends.
///
/// # Errors
/// When it cannot be run.
pub fn drill(arguments: &[&str]) -> anyhow::Result<Drilled> {
    drill_with(arguments, &[])
}

/// The same with more in its environment.
///
/// # Errors
/// When it cannot be run.
pub fn drill_with(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Drilled> {
    let folder = tempfile::tempdir()?;
    let report = folder.path().display().to_string();
    let arguments: Vec<_> = ["drill"].iter().chain(arguments).copied().chain(["--report", &report]).collect();
    let outcome = run_alone_with(&arguments, environment)?;
    let written = std::fs::read(folder.path().join("report.json"));
    // Whoever is refused writes none.
    let report = written.map_or(Ok(Value::Null), |text| serde_json::from_slice(&text))?;
    Ok(Drilled { outcome, report, folder })
}

impl Drilled {
    /// Where the report lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Every check.
    #[must_use]
    pub fn checks(&self) -> &[Value] {
        self.report["checks"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The verdict: `held`, `open` or `failed`.
    #[must_use]
    pub fn word(&self) -> &str {
        self.report["verdict"]["word"].as_str().unwrap_or_default()
    }

    /// What became of one of the guide's targets.
    #[must_use]
    pub fn target(&self, metric: &str) -> Option<&Value> {
        self.report["targets"].as_array()?.iter().find(|row| row["metric"] == metric)
    }

    /// The names of the checks that failed.
    #[must_use]
    pub fn failed(&self) -> Vec<&str> {
        self.failures().filter_map(|check| check["name"].as_str()).collect()
    }

    /// What the checks that failed say, for people.
    #[must_use]
    pub fn why(&self) -> Vec<String> {
        let why = |check: &Value| format!("{}: {}: {}", check["name"], check["detail"], check["evidence"]);
        self.failures().map(why).collect()
    }

    fn failures(&self) -> impl Iterator<Item = &Value> {
        self.checks().iter().filter(|check| check["outcome"] == "failed")
    }

    /// How the check of this name ended; nothing if there was none.
    #[must_use]
    pub fn outcome_of(&self, name: &str) -> Option<&str> {
        self.checks().iter().find(|check| check["name"] == name).and_then(|check| check["outcome"].as_str())
    }
}
