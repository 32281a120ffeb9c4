//! Schemathesis, in an environment of its own under the target folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{
    steps::{output, succeed},
    tell,
};

/// What is installed. Hypothesis makes the requests: another version makes others from the same seed.
const PACKAGES: [&str; 2] = ["schemathesis==4.32.5", "hypothesis==6.170.15"];

/// The program, installed if it is not there or not this version.
pub(super) fn ensure(root: &Path) -> anyhow::Result<PathBuf> {
    let folder = root.join("target/schemathesis");
    let installed = folder.join("installed");
    let program = folder.join("bin/schemathesis");
    if fs::read_to_string(&installed).is_ok_and(|packages| packages == PACKAGES.join(" ")) {
        return Ok(program);
    }
    tell(&format!("installing {} in {}", PACKAGES.join(" "), folder.display()));
    let environment = output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    environment.context("this check needs Python 3 with the module venv (Debian: python3-venv)")?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    succeed(&mut pip)?;
    fs::write(&installed, PACKAGES.join(" ")).context("cannot note what was installed")?;
    Ok(program)
}
