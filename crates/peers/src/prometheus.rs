//! Prometheus 2, as Debian 12 has it.

use std::{fs, net::SocketAddr, path::Path, process::Child};

use anyhow::Context;

use crate::{
    free_port,
    program::{Program, start_bound},
};

const PROMETHEUS: Program = Program { name: "prometheus", package: "prometheus" };

/// The program that checks Prometheus' files.
pub const PROMTOOL: Program = Program { name: "promtool", package: "prometheus" };

/// The program that checks Alertmanager's files.
pub const AMTOOL: Program = Program { name: "amtool", package: "prometheus-alertmanager" };

/// A server with files of its own, which asks its targets every second.
#[derive(Debug)]
pub struct Prometheus {
    pub address: SocketAddr,
    server: Child,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts one that asks these targets, each under the name of its job, and goes by these rules.
    ///
    /// # Errors
    /// When it cannot be installed or started.
    pub fn start(targets: &[(&str, SocketAddr)], rules: &Path) -> anyhow::Result<Self> {
        PROMETHEUS.ensure()?;
        let folder = tempfile::tempdir()?;
        let rules = fs::canonicalize(rules)?;
        let mut config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{rules:?}]\nscrape_configs:\n"
        );
        for (job, target) in targets {
            config.push_str(&format!(
                "- {{ job_name: {job}, static_configs: [{{ targets: [\"{target}\"] }}] }}\n"
            ));
        }
        let path = folder.path().join("prometheus.yml");
        fs::write(&path, config)?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let arguments = [
            "prometheus".to_owned(),
            format!("--config.file={}", path.display()),
            format!("--storage.tsdb.path={}", folder.path().join("data").display()),
            format!("--web.listen-address={address}"),
        ];
        let arguments: Vec<&Path> = arguments.iter().map(Path::new).collect();
        let server = start_bound(None, "KILL", &arguments, folder.path()).context("Prometheus")?;
        Ok(Self { address, server, _folder: folder })
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
