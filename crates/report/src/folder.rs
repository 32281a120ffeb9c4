//! Writes a report: its data, the page, the list of checks, and the signature.

use std::{fs, path::Path};

use anyhow::Context;

use super::{Report, Signer, html, junit};

pub(super) const JSON: &str = "report.json";
pub(super) const HTML: &str = "report.html";
pub(super) const JUNIT: &str = "report.xml";
pub(super) const NOTE: &str = "report.note";

/// Writes all of it into a folder, which is made if it is not there.
pub fn write(report: &Report, folder: &Path, signer: &Signer) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let json = serde_json::to_vec_pretty(report)?;
    let note = signer.sign(report, &json)?;
    for (name, bytes) in [
        (HTML, html::page(report).into_bytes()),
        (JUNIT, junit::document(report)?.into_bytes()),
        (NOTE, note.into_bytes()),
        (JSON, json),
    ] {
        fs::write(folder.join(name), bytes).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}
