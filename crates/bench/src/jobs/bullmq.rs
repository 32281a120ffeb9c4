//! BullMQ, from npm.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use peers::Redis;

const SCRIPT: &str = include_str!("bullmq.mjs");
const PACKAGE: &str = r#"{"private": true, "type": "module", "dependencies": {"bullmq": "^5"}}"#;

/// An installed BullMQ.
pub(super) struct BullMq(PathBuf);

/// Installs it under the build's folder, once.
pub(super) fn install() -> anyhow::Result<BullMq> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench/bullmq");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), PACKAGE)?;
    fs::write(folder.join("bench.mjs"), SCRIPT)?;
    if !folder.join("node_modules/bullmq").exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder);
        ensure!(npm.status().context("npm cannot be run")?.success(), "npm cannot install BullMQ");
    }
    Ok(BullMq(folder))
}

impl BullMq {
    /// Jobs a second.
    pub(super) fn measure(&self, redis: &Redis, jobs: u32) -> anyhow::Result<f64> {
        let mut node = Command::new("node");
        node.arg("bench.mjs").arg(redis.port().to_string()).arg(jobs.to_string()).current_dir(&self.0);
        let output = node.output().context("node cannot be run")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let words = String::from_utf8_lossy(&output.stderr);
        text.trim().parse().with_context(|| format!("BullMQ said nothing of use: {text}{words}"))
    }
}
