//! A process of the binary that runs until it is told to stop.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, bail};

/// How long a start or a stop may take before the test is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running process. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// A process that went on in its place, and ends with it.
    successor: Option<u32>,
}

impl Process {
    /// Starts it, and waits for the line on its standard error in which it says that it is ready.
    pub(crate) fn start<T>(
        mut command: Command,
        ready: impl Fn(&str) -> Option<T>,
    ) -> anyhow::Result<(Self, T)> {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let stderr = child.stderr.take().context("its standard error is piped")?;
        let (sender, lines) = mpsc::channel();
        // Read to the end, so that the process never waits for a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        let mut said = String::new();
        loop {
            let Ok(line) = lines.recv_timeout(PATIENCE) else {
                drop(child.kill());
                bail!("the process did not start ({:?}): {said}", child.wait());
            };
            if let Some(told) = ready(&line) {
                return Ok((Self { child, successor: None }, told));
            }
            writeln!(said, "{line}")?;
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.successor.unwrap_or_else(|| self.child.id())
    }

    /// Memory that it holds.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0)
    }

    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        if self.successor.is_none() {
            self.child.kill()?;
            self.child.wait()?;
        }
        Ok(())
    }

    /// Has it ended? If not in order, that is an error.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        match self.successor {
            // It is nobody's child that we could wait for.
            Some(successor) => Ok(has_ended(successor)),
            None => self.first_has_ended(),
        }
    }

    /// The same of the process that was started first, whoever has succeeded it.
    pub(crate) fn first_has_ended(&mut self) -> anyhow::Result<bool> {
        let status = self.child.try_wait()?;
        let in_order = status.is_none_or(|status| status.success());
        anyhow::ensure!(in_order, "the process ended with {status:?}");
        Ok(status.is_some())
    }

    /// Names the process that goes on in its place.
    pub(crate) fn is_succeeded_by(&mut self, pid: u32) {
        self.successor = Some(pid);
    }

    pub(crate) fn signal(&self, signal: &str) {
        drop(Command::new("kill").args([signal, &self.id().to_string()]).status());
    }

    /// Asks it to stop, and waits until it has, in order.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.signal("-TERM");
        for _ in 0..PATIENCE.as_millis() / 20 {
            if self.has_ended()? {
                return Ok(());
            }
            wait(Duration::from_millis(20));
        }
        bail!("the process did not stop")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.successor.is_some() {
            self.signal("-KILL");
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "a test that waits for another process has no runtime's timer")]
fn wait(time: Duration) {
    thread::sleep(time);
}

/// Is there no such process, or none that still runs?
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}
