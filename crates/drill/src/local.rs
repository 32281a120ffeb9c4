//! A deployment that the drill starts itself, from its own binary in a folder of its own: the only one it does harm to.

use std::{
    ffi::OsString,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use clock::Clock;
use rustix::process::{Pid, Signal, kill_process};

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Callers from this address are the drill's honest people: no limit of an address is meant for them, since one machine
/// plays a whole country.
pub(crate) const HONEST: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Whose name the deployment has.
pub(crate) const NAME: &str = "drill.invalid/holdfast";

/// The first entry of its ledger that somebody asked for: the one before is the administrator, who comes with the first start.
pub(crate) const FIRST_ASKED: u64 = 1;

/// What a node is started with, besides what the drill wants of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeOptions {
    /// More settings.
    pub(crate) settings: String,
    /// In the environment, where other users of the machine do not see it.
    pub(crate) database: Option<String>,
    /// Where its data are, if they are not in a folder of its own.
    pub(crate) data: Option<PathBuf>,
    /// The folder of the keys that it shares with others.
    pub(crate) keys: Option<PathBuf>,
    /// What else it finds in its environment.
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

/// A node with files of its own. It is killed when dropped, or when the drill ends however it ends.
#[derive(Debug)]
pub(crate) struct Local {
    folder: tempfile::TempDir,
    data: PathBuf,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    options: NodeOptions,
    child: Option<Child>,
}

/// The drill's own program, to be run in another role; it ends with the drill, where the machine can see to that.
pub(crate) fn own_program() -> anyhow::Result<Command> {
    let binary = std::env::current_exe().context("cannot find the drill's own program")?;
    if Command::new("setpriv").arg("--version").output().is_ok_and(|output| output.status.success()) {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(binary);
        return Ok(command);
    }
    Ok(Command::new(binary))
}

impl Local {
    /// Starts a node on free ports.
    ///
    /// # Errors
    /// When it does not start; the error holds what it said.
    pub(crate) fn start(options: NodeOptions) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("holdfast-drill-").tempdir()?;
        let data = options.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let port = || peers::free_port().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let (public, admin) = (port()?, port()?);
        let text = format!(
            "name = \"{NAME}\"\n[networks]\nallowed = [\"{HONEST}/32\"]\n\
             [identity]\nregistrations = {{ burst = 100000000, interval-ms = 1 }}\n{}",
            options.settings
        );
        fs::write(folder.path().join("settings.toml"), text)?;
        let mut local = Self { folder, data, public, admin, options, child: None };
        local.begin()?;
        Ok(local)
    }

    /// Its folder of data.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The file of its database, which is there unless its database is a server's.
    pub(crate) fn database(&self) -> PathBuf {
        self.data.join("services/identity.db")
    }

    /// Everything that it writes: data, settings, and what it said.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file that holds the administrator's first password.
    pub(crate) fn first_password(&self) -> anyhow::Result<String> {
        fs::read_to_string(self.data().join("first-administrator-password"))
            .context("the deployment told no password of its administrator")
    }

    /// Starts the process, and waits until it serves.
    pub(crate) fn begin(&mut self) -> anyhow::Result<()> {
        ensure!(self.child.is_none(), "the node runs already");
        let said = File::options().create(true).append(true).open(self.folder.path().join("said.log"))?;
        let mut command = own_program()?;
        command.arg("serve").arg("--data").arg(self.data());
        command.arg("--config").arg(self.folder.path().join("settings.toml"));
        command.arg("--listen").arg(self.public.to_string());
        command.arg("--admin-listen").arg(self.admin.to_string());
        self.add_shared(&mut command);
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
        self.child = Some(child.context("cannot start a node")?);
        let began = Clock::System.stopwatch();
        while TcpStream::connect(self.public).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || began.elapsed() > START_MAX {
                self.child = None;
                bail!("the node does not start: {}", self.said());
            }
            crate::ending::go_on()?;
            crate::pause::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// What all who look at its data need.
    fn add_shared(&self, command: &mut Command) {
        // Never the database that whoever drills has in their own environment: what is drilled is broken.
        command.env_remove("HOLDFAST_DATABASE");
        if let Some(database) = &self.options.database {
            command.env("HOLDFAST_DATABASE", database);
        }
        if let Some(keys) = &self.options.keys {
            command.arg("--keys").arg(keys);
        }
    }

    /// It runs, as far as its process is there.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Starts it again if it has ended by itself.
    pub(crate) fn revive(&mut self) -> anyhow::Result<()> {
        if self.runs() {
            return Ok(());
        }
        self.ended()?;
        self.begin()
    }

    /// The end of what it said.
    pub(crate) fn said(&self) -> String {
        let said = fs::read_to_string(self.folder.path().join("said.log")).unwrap_or_default();
        let lines: Vec<_> = said.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn pid(&self) -> Option<Pid> {
        self.child.as_ref().and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?))
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(self.pid().context("no node runs")?, signal).context("cannot signal the node")
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.ended()
    }

    /// Stops it where it stands.
    pub(crate) fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end, and waits until it has, in order.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        self.ended()
    }

    fn ended(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.wait().context("cannot wait for the node")?;
        }
        Ok(())
    }

    /// Runs `holdfast verify` on its data; the node must not run. Its words if all is in order.
    pub(crate) fn verify(&self) -> anyhow::Result<String> {
        let mut command = own_program()?;
        command.arg("verify").arg(self.data()).arg("--config").arg(self.folder.path().join("settings.toml"));
        self.add_shared(&mut command);
        let output = command.output().context("cannot verify")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        ensure!(output.status.success(), "{}", text(&output.stderr));
        Ok(text(&output.stdout))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
