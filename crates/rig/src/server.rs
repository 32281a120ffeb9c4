//! A running server: started, asked, stopped, or killed.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{Client, binary::holdfast};

/// How long a start or a stop may take before the test is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// More settings, as TOML.
    pub settings: String,
    /// The PostgreSQL server that keeps the databases, if one does.
    pub database: Option<String>,
    /// The folder of keys, if it is not in the folder of data.
    pub keys: Option<PathBuf>,
    /// More of its environment.
    pub environment: Vec<(String, String)>,
}

impl ServerOptions {
    fn add_to(&self, command: &mut Command, settings: &Path) -> anyhow::Result<()> {
        std::fs::write(settings, &self.settings).context("cannot write the settings")?;
        command.arg("--config").arg(settings);
        if let Some(database) = &self.database {
            // As an operator would, since arguments are seen by everybody.
            command.env("HOLDFAST_DATABASE", database);
        }
        command.envs(self.environment.iter().cloned());
        if let Some(keys) = &self.keys {
            command.arg("--keys").arg(keys);
        }
        Ok(())
    }
}

/// A server that runs, on ports of its own. It is killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub public: SocketAddr,
    pub admin: SocketAddr,
    data: PathBuf,
}

/// What a command that ends by itself did.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Server {
    /// Starts a server on this folder of data.
    ///
    /// # Errors
    /// When it ends instead of serving; the error holds what it said.
    pub fn start(data: &Path) -> anyhow::Result<Self> {
        Self::start_with(data, &ServerOptions::default())
    }

    /// Starts a server with settings.
    ///
    /// # Errors
    /// When it ends instead of serving; the error holds what it said.
    pub fn start_with(data: &Path, options: &ServerOptions) -> anyhow::Result<Self> {
        let settings = tempfile::NamedTempFile::new().context("cannot make a file of settings")?;
        let mut command = Command::new(holdfast());
        command.arg("serve").arg("--data").arg(data);
        options.add_to(&mut command, settings.path())?;
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let stderr = child.stderr.take().context("its standard error is piped")?;
        let (sender, lines) = mpsc::channel();
        // Read to the end, so that the server never waits for a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        let mut said = String::new();
        loop {
            let Ok(line) = lines.recv_timeout(PATIENCE) else {
                drop(child.kill());
                bail!("the server did not start ({:?}): {said}", child.wait());
            };
            if let Some((public, admin)) = addresses(&line) {
                return Ok(Self { child, public, admin, data: data.to_owned() });
            }
            writeln!(said, "{line}")?;
        }
    }

    /// Somebody who has not signed in.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.public)
    }

    /// An operator on the other port.
    #[must_use]
    pub fn operator(&self) -> Client {
        Client::new(self.admin)
    }

    /// The administrator of the first start, signed in.
    ///
    /// # Errors
    /// When the password is not there, or does not hold.
    pub async fn administrator(&self) -> anyhow::Result<Client> {
        let password = std::fs::read_to_string(self.data.join("first-administrator-password"))?;
        self.client().sign_in("administrator", &password).await
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops it where it stands, until it is thawed.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        drop(Command::new("kill").args([signal, &self.child.id().to_string()]).status());
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not stop, or not in order.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.signal("-TERM");
        for _ in 0..PATIENCE.as_millis() / 20 {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "the server ended with {status}");
                return Ok(());
            }
            wait(Duration::from_millis(20));
        }
        bail!("the server did not stop")
    }

    /// Memory that it holds, in bytes.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn resident_bytes(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0)
    }

    /// Runs `holdfast verify` on a folder that no server uses.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn verify(data: &Path) -> anyhow::Result<Outcome> {
        Self::verify_with(data, &ServerOptions::default())
    }

    /// The same, with settings.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn verify_with(data: &Path, options: &ServerOptions) -> anyhow::Result<Outcome> {
        let settings = tempfile::NamedTempFile::new().context("cannot make a file of settings")?;
        let mut command = Command::new(holdfast());
        command.arg("verify").arg(data);
        options.add_to(&mut command, settings.path())?;
        let output = command.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Outcome { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }
}

/// Runs `holdfast` with these arguments, on a folder of data, to its end.
///
/// # Errors
/// When it cannot be run.
pub fn run(arguments: &[&str], data: &Path, options: &ServerOptions) -> anyhow::Result<Outcome> {
    let settings = tempfile::NamedTempFile::new().context("cannot make a file of settings")?;
    let mut command = Command::new(holdfast());
    command.args(arguments).arg("--data").arg(data);
    options.add_to(&mut command, settings.path())?;
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Outcome { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "a test that waits for another process has no runtime's timer")]
fn wait(time: Duration) {
    thread::sleep(time);
}

fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (public, admin) = line.strip_prefix("holdfast serves ")?.split_once(" (operators: ")?;
    Some((public.parse().ok()?, admin.strip_suffix(')')?.parse().ok()?))
}
