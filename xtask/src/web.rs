//! The pages' sources: types that fit, tests that pass, and committed assets that are what they are built to.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, ensure};
use peers::{NODE, NPM};

use crate::steps::succeed;

const ASSETS: &str = "crates/pages/assets";

/// Checks all of it, with Node.js, which Debian has.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    NODE.ensure()?;
    NPM.ensure()?;
    let web = root.join("web");
    // Nothing that a package brings is run when it is installed.
    succeed(npm(&web).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    succeed(npm(&web).args(["run", "--silent", "check"]))?;
    succeed(npm(&web).args(["run", "--silent", "test"]))?;
    let built = tempfile::tempdir()?;
    let folder = built.path().join("assets");
    succeed(Command::new("node").current_dir(&web).args(["build.mjs", "--into"]).arg(&folder))?;
    let (built, committed) = (files(&folder)?, files(&root.join(ASSETS))?);
    let differs = |name: &&String| built.get(*name) != committed.get(*name);
    let different: Vec<_> = built.keys().chain(committed.keys()).filter(differs).collect();
    ensure!(
        different.is_empty(),
        "{ASSETS} is not what web/ is built to ({different:?}): run `npm run build` in web/, and commit what comes out"
    );
    Ok(())
}

fn npm(web: &Path) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(web);
    command
}

fn files(folder: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        found.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    Ok(found)
}
