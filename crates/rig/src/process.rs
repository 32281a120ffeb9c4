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
pub(crate) struct Process(Child);

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
                return Ok((Self(child), told));
            }
            writeln!(said, "{line}")?;
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    pub(crate) fn signal(&self, signal: &str) {
        drop(Command::new("kill").args([signal, &self.id().to_string()]).status());
    }

    /// Asks it to stop, and waits until it has, in order.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.signal("-TERM");
        for _ in 0..PATIENCE.as_millis() / 20 {
            if let Some(status) = self.0.try_wait()? {
                anyhow::ensure!(status.success(), "the process ended with {status}");
                return Ok(());
            }
            wait(Duration::from_millis(20));
        }
        bail!("the process did not stop")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "a test that waits for another process has no runtime's timer")]
fn wait(time: Duration) {
    thread::sleep(time);
}
