//! Writes a report: its data, the page, the list of checks, and the signature.

use std::{fs, path::Path};

use anyhow::Context;

use super::{Report, Signer, html, junit};

pub(super) const JSON: &str = "report.json";
pub(super) const HTML: &str = "report.html";
pub(super) const JUNIT: &str = "report.xml";
pub(super) const NOTE: &str = "report.note";

/// Can a report be written into this folder, which is made if it is not there? Better asked before than after hours.
pub fn can_write(folder: &Path) -> anyhow::Result<()> {
    let tried = folder.join(".holdfast-drill");
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&tried, b"can this be written?"));
    written
        .and_then(|()| fs::remove_file(&tried))
        .with_context(|| format!("no report can be written into {}", folder.display()))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_tried_before_there_is_a_report() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("inner");
        can_write(&inner).expect("it is made");
        assert_eq!(fs::read_dir(&inner).expect("it is there").count(), 0, "nothing is left of the try");
        fs::write(folder.path().join("file"), "").expect("it is written");
        assert!(can_write(&folder.path().join("file")).is_err());
    }
}
