//! Tools from the Python package index, each in an environment of its own under the target folder.

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

/// The folder of an environment's programs, which is made if it is not there or holds other packages.
pub(crate) fn ensure(root: &Path, name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = root.join("target").join(name);
    let (installed, programs) = (folder.join("installed"), folder.join("bin"));
    let wanted = packages.join(" ");
    if fs::read_to_string(&installed).is_ok_and(|packages| packages == wanted) {
        return Ok(programs);
    }
    tell(&format!("installing {wanted} in {}", folder.display()));
    let environment = output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    environment.context("this check needs Python 3 with the module venv (Debian: python3-venv)")?;
    let mut pip = Command::new(programs.join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    succeed(&mut pip)?;
    fs::write(&installed, wanted).context("cannot note what was installed")?;
    Ok(programs)
}
