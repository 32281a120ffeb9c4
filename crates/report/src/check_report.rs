//! Is a report what it was when it was signed?

use std::{fs, path::Path};

use anyhow::{Context, ensure};

use super::{
    Report,
    folder::{HTML, JSON, JUNIT, NOTE},
    html, junit, signature,
};

/// Checks the signature, and that the page and the list of checks say what the data says. Returns what to tell.
pub fn check_report(folder: &Path, expected: Option<&str>) -> anyhow::Result<String> {
    let read = |name: &str| fs::read(folder.join(name)).with_context(|| format!("cannot read {name}"));
    let json = read(JSON)?;
    let report: Report = serde_json::from_slice(&json).context("the data is no report of a drill")?;
    signature::check(&report, &json, &read(NOTE)?, expected).context("the signature does not hold")?;
    ensure!(read(HTML)? == html::page(&report).into_bytes(), "the page is not what the signed data says");
    ensure!(
        read(JUNIT)? == junit::document(&report)?.into_bytes(),
        "the list of checks is not what the signed data says"
    );
    Ok(format!(
        "the report of {} is what was signed; signed with {} ({})\n{} {}",
        report.run.began_at,
        report.signed_by.key,
        report.signed_by.whose,
        report.verdict.summary,
        report.verdict.of_targets()
    ))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::sample;
