//! A running server: started, asked, stopped, or killed.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use anyhow::Context;

use crate::{Client, binary::holdfast, process::Process};

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
    /// Where operators ask, if not at this machine's own address.
    pub admin: Option<String>,
}

impl ServerOptions {
    /// The settings as they are given. All callers in tests are one address, which no limit is meant for unless
    /// the test says so.
    #[must_use]
    pub fn settings(&self) -> String {
        let said = ["[networks]", "[limits", "[[limits"].iter().any(|table| self.settings.contains(table));
        let open = if said { "" } else { "\n[networks]\nallowed = [\"127.0.0.0/8\"]\n" };
        format!("{}{open}", self.settings)
    }

    pub(crate) fn add_to(&self, command: &mut Command, settings: &Path) -> anyhow::Result<()> {
        std::fs::write(settings, self.settings()).context("cannot write the settings")?;
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
    process: Process,
    settings: tempfile::NamedTempFile,
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
        let admin = options.admin.as_deref().unwrap_or("127.0.0.1:0");
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", admin]);
        let (process, (public, admin)) = Process::start(command, addresses)?;
        Ok(Self { process, settings, public, admin, data: data.to_owned() })
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

    /// Writes other settings, which it goes by when it is told to read them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_settings(&self, settings: &str) -> anyhow::Result<()> {
        std::fs::write(self.settings.path(), settings).context("cannot write the settings")
    }

    /// Tells it to read its settings again.
    pub fn hang_up(&self) {
        self.process.signal("-HUP");
    }

    /// Has it hand over to a new process, and waits until it has ended and the other answers.
    ///
    /// # Errors
    /// When it does not end, or nobody goes on.
    pub async fn hand_over(&mut self) -> anyhow::Result<()> {
        self.process.signal("-USR2");
        self.handed_over().await
    }

    /// Waits until it has handed over to a new process by itself.
    ///
    /// # Errors
    /// When it ends otherwise, or nobody goes on.
    pub async fn handed_over(&mut self) -> anyhow::Result<()> {
        let before = self.process.id();
        while !self.process.has_ended()? {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let pid = self.operator().get("/process").await?.json()["pid"].as_u64().context("a pid")?;
        let pid = u32::try_from(pid)?;
        anyhow::ensure!(pid != before, "the same process answers");
        self.process.is_succeeded_by(pid);
        Ok(())
    }

    /// Memory that it holds, in bytes.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn resident_bytes(&self) -> anyhow::Result<f64> {
        self.process.resident_bytes()
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

/// Runs `holdfast` with nothing but these arguments, to its end.
///
/// # Errors
/// When it cannot be run.
pub fn run_alone(arguments: &[&str]) -> anyhow::Result<Outcome> {
    run_alone_with(arguments, &[])
}

pub(crate) fn run_alone_with(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Outcome> {
    let mut command = Command::new(holdfast());
    command.args(arguments).envs(environment.iter().copied()).stdin(std::process::Stdio::null());
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Outcome { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (public, admin) = line.strip_prefix("holdfast serves ")?.split_once(" (operators: ")?;
    Some((public.parse().ok()?, admin.strip_suffix(')')?.parse().ok()?))
}
