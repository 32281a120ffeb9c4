//! A running worker: started, asked, stopped, or killed.

use std::{net::SocketAddr, path::Path, process::Command};

use anyhow::Context;

use crate::{Client, ServerOptions, binary::holdfast, process::Process};

/// A process that works at jobs and serves nobody but operators. It is killed when dropped.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    admin: SocketAddr,
}

impl Worker {
    /// Starts a worker of these queues, with commas between them.
    ///
    /// # Errors
    /// When it ends instead of working; the error holds what it said.
    pub fn start(data: &Path, options: &ServerOptions, queues: &str) -> anyhow::Result<Self> {
        let settings = tempfile::NamedTempFile::new().context("cannot make a file of settings")?;
        let mut command = Command::new(holdfast());
        command.arg("work").arg("--data").arg(data).args(["--queues", queues]);
        options.add_to(&mut command, settings.path())?;
        command.args(["--admin-listen", "127.0.0.1:0"]);
        let (process, admin) = Process::start(command, |line| address(line, queues))?;
        Ok(Self { process, admin })
    }

    /// An operator on its port.
    #[must_use]
    pub fn operator(&self) -> Client {
        Client::new(self.admin)
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Stops it where it stands, until it is thawed.
    pub fn freeze(&self) {
        self.process.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process.signal("-CONT");
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not stop, or not in order.
    pub fn stop(self) -> anyhow::Result<()> {
        self.process.stop()
    }
}

fn address(line: &str, queues: &str) -> Option<SocketAddr> {
    let rest = line.strip_prefix("holdfast works at ")?;
    let rest = rest.strip_prefix(&queues.replace(',', ", "))?;
    rest.strip_prefix(" (operators: ")?.strip_suffix(')')?.parse().ok()
}
