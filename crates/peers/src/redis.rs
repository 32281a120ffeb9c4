//! Redis 7, as Debian 12 has it: one server, one watched by sentinels, and a cluster.

mod cluster;
mod sentinel;

pub use cluster::RedisCluster;
pub use sentinel::RedisSentinel;

use std::{
    fs,
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context, ensure};

use crate::{
    free_port,
    program::{Program, run, start_bound},
};

const REDIS: Program = Program { name: "redis-server", package: "redis-server" };

/// How long a server may take until it serves.
const START_TRIES: u32 = 1_200;
const TRY_EVERY: Duration = Duration::from_millis(25);

/// What a server asks of whoever wants to speak with it: TLS with this certificate (PEM, for 127.0.0.1), and this
/// password. The certificate vouches for itself.
#[derive(Debug, Clone)]
pub struct Secrets {
    pub certificate: String,
    pub key: String,
    pub password: String,
}

impl Secrets {
    /// Writes the files that [`Secrets::settings`] names.
    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::write(folder.join("certificate.pem"), &self.certificate)?;
        Ok(fs::write(folder.join("key.pem"), &self.key)?)
    }

    /// Settings, as they stand in a file of them, of a server that listens on this port, and speaks with others
    /// in the same way.
    fn settings(&self, port: u16) -> Vec<(&'static str, String)> {
        let password = &self.password;
        [
            ("port", "0"),
            ("tls-port", &port.to_string()),
            ("tls-cert-file", "certificate.pem"),
            ("tls-key-file", "key.pem"),
            ("tls-ca-cert-file", "certificate.pem"),
            ("tls-auth-clients", "no"),
            ("tls-replication", "yes"),
            ("tls-cluster", "yes"),
            ("requirepass", password),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
    }

    /// What `redis-cli` needs.
    fn access(&self) -> [&str; 5] {
        ["--tls", "--insecure", "--no-auth-warning", "-a", &self.password]
    }

    fn url(secrets: Option<&Self>, port: u16) -> String {
        match secrets {
            Some(Self { password, .. }) => format!("rediss://:{password}@127.0.0.1:{port}"),
            None => format!("redis://127.0.0.1:{port}"),
        }
    }
}

/// A server with files of its own.
#[derive(Debug)]
pub struct Redis {
    folder: tempfile::TempDir,
    port: u16,
    arguments: Vec<String>,
    secrets: Option<Secrets>,
    child: Option<Child>,
}

impl Redis {
    /// Starts an empty server with Redis's own defaults.
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    /// Starts an empty server with these settings, as they stand in its file of settings.
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    pub fn start_with(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_behind(None, settings)
    }

    /// Starts an empty server that speaks only with those who know its secrets, if it has any.
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    pub fn start_behind(secrets: Option<&Secrets>, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        REDIS.ensure()?;
        let folder = tempfile::Builder::new().prefix("holdfast-redis-").tempdir()?;
        let port = free_port()?;
        let mut all = vec![("bind", "127.0.0.1".to_owned())];
        match secrets {
            Some(secrets) => {
                secrets.write(folder.path())?;
                all.extend(secrets.settings(port));
                all.push(("masterauth", secrets.password.clone()));
            }
            None => all.push(("port", port.to_string())),
        }
        all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut arguments = Vec::new();
        for (name, value) in all {
            arguments.push(format!("--{name}"));
            arguments.extend(value.split_whitespace().map(str::to_owned));
        }
        let mut server = Self { folder, port, arguments, secrets: secrets.cloned(), child: None };
        server.restart()?;
        Ok(server)
    }

    /// Its URL, with what it asks for.
    #[must_use]
    pub fn url(&self) -> String {
        Secrets::url(self.secrets.as_ref(), self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Starts it, or starts it again.
    ///
    /// # Errors
    /// When it does not start.
    #[expect(clippy::disallowed_methods, reason = "a test waits on its own thread")]
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        let mut arguments = vec![Path::new(REDIS.name)];
        arguments.extend(self.arguments.iter().map(Path::new));
        self.child = Some(start_bound(None, "KILL", &arguments, self.folder.path())?);
        for _ in 0..START_TRIES {
            if self.command(&["PING"]).is_ok_and(|answer| answer == "PONG") {
                return Ok(());
            }
            std::thread::sleep(TRY_EVERY);
        }
        anyhow::bail!("the server on port {} does not start", self.port)
    }

    /// Sends a command and returns what the answer prints as.
    ///
    /// # Errors
    /// When it fails.
    pub fn command(&self, words: &[&str]) -> anyhow::Result<String> {
        let mut cli = Command::new("redis-cli");
        let answer =
            run(cli.args(["-p", &self.port.to_string()]).args(access(self.secrets.as_ref())).args(words))?;
        let answer = answer.trim_end().to_owned();
        ensure!(!answer.starts_with("ERR"), "{words:?} failed: {answer}");
        Ok(answer)
    }

    /// Stops it where it stands.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal("-STOP")
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let child = self.child.as_ref().context("the server does not run")?;
        run(Command::new("kill").args([signal, &child.id().to_string()])).map(drop)
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// What `redis-cli` needs beside the port.
fn access(secrets: Option<&Secrets>) -> Vec<String> {
    secrets.iter().flat_map(|secrets| secrets.access()).map(str::to_owned).collect()
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
