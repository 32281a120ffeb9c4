//! A primary and a replica, and three sentinels that watch them.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};

use anyhow::Context;

use super::{REDIS, Redis, Secrets, TRY_EVERY, access};
use crate::{free_port, program::start_bound};

const SENTINELS: usize = 3;
/// Until they know each other, and until a failover. A sentinel that was held up for two seconds, as on a busy machine,
/// looks on and does nothing for the next thirty (Redis calls it TILT): this outlasts two such times.
pub(super) const AGREE_TRIES: u32 = 3_200;

/// They call the servers `holdfast`, and replace a primary that is silent for half a second.
#[derive(Debug)]
pub struct RedisSentinel {
    /// The first is the primary at the start.
    pub servers: [Redis; 2],
    folder: tempfile::TempDir,
    secrets: Option<Secrets>,
    sentinels: Vec<(u16, Child)>,
}

impl RedisSentinel {
    /// By this name the sentinels know the servers.
    pub const NAME: &'static str = "holdfast";

    /// Starts all of them, and waits until they know each other.
    ///
    /// # Errors
    /// When they cannot be installed or do not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_behind(None)
    }

    /// The same, where everybody must know their secrets, if they have any.
    ///
    /// # Errors
    /// As [`RedisSentinel::start`].
    pub fn start_behind(secrets: Option<&Secrets>) -> anyhow::Result<Self> {
        let primary = Redis::start_behind(secrets, &[("repl-diskless-sync-delay", "0")])?;
        let follows = format!("127.0.0.1 {}", primary.port());
        let replica = Redis::start_behind(secrets, &[("replicaof", &follows)])?;
        let folder = tempfile::Builder::new().prefix("holdfast-sentinel-").tempdir()?;
        if let Some(secrets) = secrets {
            // Once: whoever writes them again may take them from under one that is reading them.
            secrets.write(folder.path())?;
        }
        let secrets = secrets.cloned();
        let mut this = Self { servers: [primary, replica], folder, secrets, sentinels: Vec::new() };
        for number in 0..SENTINELS {
            this.start_one(number)?;
        }
        let known = |word: &str, count: &str| {
            let told = this.ask(&["SENTINEL", "MASTER", Self::NAME]).unwrap_or_default();
            let words: Vec<_> = told.lines().collect();
            words.windows(2).any(|pair| pair == [word, count])
        };
        wait(AGREE_TRIES, || known("num-slaves", "1") && known("num-other-sentinels", "2"))?;
        Ok(this)
    }

    fn start_one(&mut self, number: usize) -> anyhow::Result<()> {
        let port = free_port()?;
        let name = Self::NAME;
        let file = self.folder.path().join(format!("{number}.conf"));
        let mut settings = format!(
            "bind 127.0.0.1\nsentinel monitor {name} 127.0.0.1 {} 2\n\
             sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 2000\n",
            self.servers[0].port()
        );
        match &self.secrets {
            Some(secrets) => {
                for (setting, value) in secrets.settings(port) {
                    writeln!(settings, "{setting} {value}")?;
                }
                let password = &secrets.password;
                writeln!(
                    settings,
                    "sentinel sentinel-pass {password}\nsentinel auth-pass {name} {password}"
                )?;
            }
            None => writeln!(settings, "port {port}")?,
        }
        fs::write(&file, settings)?;
        let program = PathBuf::from(REDIS.name);
        let arguments = [program.as_path(), &file, Path::new("--sentinel")];
        let mut child = start_bound(None, "KILL", &arguments, self.folder.path())?;
        let mut ended = None;
        wait(AGREE_TRIES, || {
            ended = child.try_wait().ok().flatten();
            ended.is_some() || self.ask_one(port, &["PING"]).is_ok()
        })?;
        if let Some(ended) = ended {
            anyhow::bail!("a sentinel on port {port} ended at once: {ended}");
        }
        self.sentinels.push((port, child));
        Ok(())
    }

    /// Where the sentinels are.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(|(port, _)| Secrets::url(self.secrets.as_ref(), *port)).collect()
    }

    fn ask(&self, words: &[&str]) -> anyhow::Result<String> {
        let (port, _) = self.sentinels.last().context("there are sentinels")?;
        self.ask_one(*port, words)
    }

    fn ask_one(&self, port: u16, words: &[&str]) -> anyhow::Result<String> {
        let mut cli = std::process::Command::new("redis-cli");
        crate::program::run(
            cli.args(["-p", &port.to_string()]).args(access(self.secrets.as_ref())).args(words),
        )
    }

    /// Kills the primary, and waits until the sentinels have made the replica one.
    ///
    /// # Errors
    /// When they do not.
    pub fn fail_over(&mut self) -> anyhow::Result<()> {
        self.servers[0].kill();
        wait(AGREE_TRIES, || self.servers[1].command(&["ROLE"]).is_ok_and(|role| role.starts_with("master")))
    }
}

impl Drop for RedisSentinel {
    fn drop(&mut self) {
        for (_, child) in &mut self.sentinels {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test waits on its own thread")]
pub(super) fn wait(tries: u32, mut done: impl FnMut() -> bool) -> anyhow::Result<()> {
    for _ in 0..tries {
        if done() {
            return Ok(());
        }
        std::thread::sleep(TRY_EVERY);
    }
    let waited: Duration = TRY_EVERY * tries;
    anyhow::bail!("the servers were not ready within {waited:?}")
}
