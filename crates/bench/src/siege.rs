//! A server under attack: how much longer honest callers wait, and which injections are told from honest text.

mod floods;
mod payloads;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::figures::Figures;

/// What is sent. Nothing of it comes with the project.
#[derive(Debug, Clone, Args)]
pub(crate) struct Lists {
    /// A folder of lists of attacks, one in a line, such as PayloadsAllTheThings (for `siege`).
    #[arg(long, value_name = "FOLDER")]
    payloads: Option<PathBuf>,
    /// A folder of honest texts, one in a line; without it those that the inspection is tested with (for `siege`).
    #[arg(long, value_name = "FOLDER")]
    benign: Option<PathBuf>,
}

pub(crate) fn run(quick: bool, lists: &Lists) -> anyhow::Result<Figures> {
    let mut figures = Figures::new("siege");
    floods::run(quick, &mut figures)?;
    payloads::run(quick, lists.payloads.as_deref(), lists.benign.as_deref(), &mut figures)?;
    Ok(figures)
}

/// All files below a folder.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
