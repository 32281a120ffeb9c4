//! Chromium without a window, driven by WebDriver (W3C), as Debian has both.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command},
};

use anyhow::Context;

use crate::{
    free_port,
    program::{Program, start_bound},
};

const CHROMIUM: Program = Program { name: "chromium", package: "chromium" };
const DRIVER: Program = Program { name: "chromedriver", package: "chromium-driver" };

/// A driver, and the browsers that are asked of it.
#[derive(Debug)]
pub struct Browser {
    /// Where it takes commands.
    pub address: SocketAddr,
    driver: Child,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts a driver.
    ///
    /// # Errors
    /// When it cannot be installed or started.
    pub fn start() -> anyhow::Result<Self> {
        CHROMIUM.ensure()?;
        DRIVER.ensure()?;
        let folder = tempfile::tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let port = format!("--port={}", address.port());
        let arguments = ["chromedriver", &port, "--silent"].map(Path::new);
        let driver = start_bound(None, "TERM", &arguments, folder.path()).context("chromedriver")?;
        Ok(Self { address, driver, _folder: folder })
    }

    /// What a session with this driver is to be like.
    #[must_use]
    pub fn arguments() -> Vec<&'static str> {
        // Whoever runs tests as root has no other sandbox than the machine; shared memory may be small there.
        vec!["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run"]
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With its browsers: it leaves those behind whose sessions nobody ended.
        drop(Command::new("kill").args(["--", &format!("-{}", self.driver.id())]).status());
        drop(self.driver.wait());
    }
}
