//! A running gateway: started with settings, asked, told to read them anew.

use std::{net::SocketAddr, path::PathBuf, process::Command, time::Duration};

use anyhow::Context;
use clock::Clock;

use crate::{Client, binary::holdfast, process::Process};

/// How long a hand-over may take before the test is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway that runs, on ports of its own. It is killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    pub public: SocketAddr,
    pub admin: SocketAddr,
    settings: PathBuf,
    _folder: tempfile::TempDir,
}

impl Gateway {
    /// Starts a gateway with these settings.
    ///
    /// # Errors
    /// When it ends instead of serving; the error holds what it said.
    pub fn start(settings: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, settings).context("cannot write the settings")?;
        let mut command = Command::new(holdfast());
        command.arg("gateway").arg("--config").arg(&path);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        let (process, (public, admin)) = Process::start(command, addresses)?;
        Ok(Self { process, public, admin, settings: path, _folder: folder })
    }

    /// Writes other settings, and tells it to read them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn reload(&self, settings: &str) -> anyhow::Result<()> {
        std::fs::write(&self.settings, settings).context("cannot write the settings")?;
        self.process.signal("-HUP");
        Ok(())
    }

    /// Has it hand over to a new process, and waits until that answers. The old one stays for what it has open.
    ///
    /// # Errors
    /// When nobody goes on.
    pub async fn hand_over(&mut self) -> anyhow::Result<()> {
        let before = u64::from(self.process.id());
        self.process.signal("-USR2");
        let began = Clock::System.stopwatch();
        while began.elapsed() < PATIENCE {
            let pid = self.operator().get("/process").await?.json()["pid"].as_u64().context("a pid")?;
            if pid != before {
                self.process.is_succeeded_by(u32::try_from(pid)?);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("nobody goes on")
    }

    /// Waits until a process that has handed over has ended.
    ///
    /// # Errors
    /// When it ends otherwise than in order, or not at all.
    pub async fn predecessor_ends(&mut self) -> anyhow::Result<()> {
        let began = Clock::System.stopwatch();
        while !self.process.first_has_ended()? {
            anyhow::ensure!(began.elapsed() < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Somebody who calls it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.public)
    }

    /// An operator on the other port.
    #[must_use]
    pub fn operator(&self) -> Client {
        Client::new(self.admin)
    }

    /// Memory that it holds, in bytes.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn resident_bytes(&self) -> anyhow::Result<f64> {
        self.process.resident_bytes()
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not stop, or not in order.
    pub fn stop(self) -> anyhow::Result<()> {
        self.process.stop()
    }
}

fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (public, admin) = line.strip_prefix("holdfast passes on from ")?.split_once(" (operators: ")?;
    Some((public.parse().ok()?, admin.strip_suffix(')')?.parse().ok()?))
}
