//! What the rules look at: every file of the repository, and what each crate depends on.

use std::{fs, path::Path, process::Command};

use anyhow::Context;
use serde::Deserialize;

use super::source::Source;
use crate::steps::output;

/// The repository.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    pub(crate) crates: Vec<Crate>,
}

/// A file that is, or is going to be, committed.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    /// What is in it, if it is Rust.
    pub(crate) source: Option<Source>,
}

/// A crate of the workspace.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    /// From the root, as in `crates/ids`.
    pub(crate) folder: String,
    /// Every crate it depends on, in whatever way.
    pub(crate) uses: Vec<String>,
}

impl File {
    fn new(path: &str, text: String) -> Self {
        let source = path.ends_with(".rs").then(|| Source::parse(&text));
        Self { path: path.to_owned(), text, source }
    }

    /// Is all of it test code?
    pub(crate) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "examples" | "benches"))
    }

    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.split('.').next().unwrap_or(name)
    }

    /// Its lines, each with its number.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

impl Crate {
    pub(crate) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: String,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

impl Tree {
    /// Reads the files that git knows or would take, and asks Cargo for the crates.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut git = Command::new("git");
        git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let mut files = Vec::new();
        for path in output(&mut git)?.split_terminator('\0') {
            // Files that are not text have no rules; neither have files that were just deleted.
            let Ok(bytes) = fs::read(root.join(path)) else { continue };
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File::new(path, text));
            }
        }
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root).args(["metadata", "--no-deps", "--format-version", "1", "--offline"]);
        let metadata: Metadata = serde_json::from_str(&output(&mut cargo)?)
            .context("cannot read what cargo says of the workspace")?;
        let crates = metadata.packages.iter().map(|package| package.in_folder(&metadata.workspace_root));
        Ok(Self { files, crates: crates.collect() })
    }

    /// The files of Rust, with their source.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| Some((file, file.source.as_ref()?)))
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl Package {
    fn in_folder(&self, root: &str) -> Crate {
        let path = self.manifest_path.strip_prefix(root).unwrap_or(&self.manifest_path);
        let folder = path.trim_start_matches('/').trim_end_matches("/Cargo.toml").to_owned();
        let uses = self.dependencies.iter().map(|dependency| dependency.name.clone()).collect();
        Crate { name: self.name.clone(), folder, uses }
    }
}

/// Samples for the rules' tests.
#[cfg(test)]
impl Tree {
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| File::new(path, (*text).to_owned())).collect();
        Self { files, crates: Vec::new() }
    }

    pub(crate) fn with_crate(mut self, name: &str, uses: &[&str]) -> Self {
        let folder = if name == "xtask" { name.to_owned() } else { format!("crates/{name}") };
        let uses = uses.iter().map(|name| (*name).to_owned()).collect();
        self.crates.push(Crate { name: name.to_owned(), folder, uses });
        self
    }
}
