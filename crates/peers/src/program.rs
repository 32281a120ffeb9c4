//! A program of somebody else's, and how it is had and started.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError, mpsc},
};

use anyhow::{Context, ensure};

/// A program and the Debian package that has it.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name, or its path where Debian keeps it off the search path.
    pub name: &'static str,
    pub package: &'static str,
}

impl Program {
    fn is_there(&self) -> bool {
        let mut which = Command::new("which");
        which.arg(self.name).stdout(Stdio::null()).stderr(Stdio::null());
        which.status().is_ok_and(|status| status.success())
    }

    /// Installs the program if it is missing.
    ///
    /// # Errors
    /// When it cannot be installed.
    pub fn ensure(&self) -> anyhow::Result<()> {
        // apt-get does not wait for another of its kind, and tests come many at a time.
        static ALONE: Mutex<()> = Mutex::new(());
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        for arguments in [&["update", "-qq"][..], &["install", "-qq", "-y", self.package][..]] {
            if self.is_there() {
                break;
            }
            let mut apt = Command::new("apt-get");
            apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
            apt.status().context("apt-get cannot be run")?;
        }
        ensure!(self.is_there(), "{} is missing: install the Debian package {}", self.name, self.package);
        Ok(())
    }

    /// The program, installed first if it is missing.
    ///
    /// # Errors
    /// When it cannot be installed.
    pub fn command(&self) -> anyhow::Result<Command> {
        self.ensure()?;
        Ok(Command::new(self.name))
    }
}

/// A command as it would be typed by `user`, for programs that refuse to run as root; as it is for anybody
/// else.
pub(crate) fn as_user(user: &str, program: &Path) -> anyhow::Result<Command> {
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", user, "--init-groups", "--"]).arg(program);
    Ok(command)
}

pub(crate) fn is_root() -> anyhow::Result<bool> {
    let id = Command::new("id").arg("-u").output().context("id cannot be run")?;
    Ok(id.stdout == b"0\n")
}

/// Starts a server that is told to end (by the signal named) when this process ends, however it ends. What it starts is in
/// its process group.
/// `arguments` begin with its program.
pub(crate) fn start_bound(
    user: Option<&str>,
    signal: &str,
    arguments: &[&Path],
    folder: &Path,
) -> anyhow::Result<Child> {
    // Inside, because the signal is forgotten when the user changes.
    let setpriv = Path::new("setpriv");
    let mut bound = user.map_or_else(|| Ok(Command::new(setpriv)), |user| as_user(user, setpriv))?;
    bound.args(["--pdeathsig", signal, "--"]).args(arguments).current_dir(folder);
    bound.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // The system watches the thread that starts a child, not its process: this one never ends.
    let (sender, started) = mpsc::channel();
    std::thread::Builder::new().name("peers".to_owned()).spawn(move || {
        if sender.send(bound.spawn()).is_ok() {
            loop {
                std::thread::park();
            }
        }
    })?;
    started.recv().context("a starting thread ended")?.context("the server does not start")
}

/// Runs a command to its end; its words are in the error if it fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be run"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {words}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
