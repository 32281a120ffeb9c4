//! One process goes on where another ends, on the same sockets: whoever connects meanwhile waits, and nobody is refused.
//!
//! The sockets are passed on as systemd passes them (`LISTEN_FDS`, `LISTEN_FDNAMES`), so a server can be started on
//! sockets of systemd's too. Beside them a successor has a line to its predecessor: it says a word when it is about to
//! begin, and hears the end when nothing is used by the other any more.

use std::{
    collections::BTreeMap,
    env,
    io::{self, Read, Write},
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use command_fds::{CommandFdExt, FdMapping};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::sync::Notify;

use crate::signals::{Signals, Told};

/// The name under which a successor finds its line to us.
const LINE: &str = "predecessor";
/// The name under which it finds what is known to nobody but us.
const KNOWN: &str = "known";
/// So much of that it reads.
const KNOWN_BYTES_MAX: u64 = 16 << 20;
/// What it says when it is about to begin.
const WORD: u8 = b'!';
/// How long a successor may take to say it.
const WORD_MAX: Duration = Duration::from_secs(60);
/// How long a predecessor may take to end.
const END_MAX: Duration = Duration::from_secs(120);
/// The first descriptor that is passed on: those before are the standard streams.
const FIRST: i32 = 3;

/// Sockets that somebody else opened for us, and a line to our predecessor, if we have one.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    sockets: BTreeMap<String, Vec<TcpListener>>,
    line: Option<UnixStream>,
    known: Option<UnixStream>,
}

impl Inherited {
    /// Takes what was passed on. To be called once, before any thread is started.
    #[expect(clippy::disallowed_methods, reason = "it is whoever starts us that says so, and not a setting")]
    pub(crate) fn take() -> anyhow::Result<Self> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut this = Self::default();
        for index in 0..passed.len() {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or(PUBLIC);
            if name == LINE {
                this.line = passed.take_custom(index, libc::AF_UNIX, libc::SOCK_STREAM, "unix stream")?;
            } else if name == KNOWN {
                this.known = passed.take_custom(index, libc::AF_UNIX, libc::SOCK_STREAM, "unix stream")?;
            } else if let Some(socket) = passed.take_tcp_listener(index)? {
                this.sockets.entry(name.to_owned()).or_default().push(socket);
            }
        }
        Ok(this)
    }

    /// The sockets of a port.
    pub(crate) fn of(&mut self, port: &str) -> Vec<TcpListener> {
        self.sockets.remove(port).unwrap_or_default()
    }

    /// What the predecessor knew that stands in no file, if it says anything.
    pub(crate) fn known(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(known) = self.known.take() else { return Ok(None) };
        known.set_read_timeout(Some(WORD_MAX))?;
        let mut told = Vec::new();
        known
            .take(KNOWN_BYTES_MAX)
            .read_to_end(&mut told)
            .context("the predecessor does not say what it knows")?;
        Ok(Some(told))
    }

    /// Tells the predecessor, if there is one, that we begin; it may go on for a while with what it has open.
    pub(crate) fn join_predecessor(&mut self) -> anyhow::Result<()> {
        match self.line.take() {
            Some(mut line) => line.write_all(&[WORD]).context("the predecessor has gone"),
            None => Ok(()),
        }
    }

    /// Tells the predecessor, if there is one, that we could begin, and waits until it has ended.
    pub(crate) fn replace_predecessor(&mut self) -> anyhow::Result<()> {
        let Some(mut line) = self.line.take() else { return Ok(()) };
        line.write_all(&[WORD]).context("the predecessor has gone")?;
        line.set_read_timeout(Some(END_MAX))?;
        let mut rest = Vec::new();
        line.read_to_end(&mut rest).context("the predecessor does not end")?;
        Ok(())
    }
}

/// The public port, and that of the operators, as sockets are named.
pub(crate) const PUBLIC: &str = "public";
pub(crate) const ADMIN: &str = "admin";

/// A process that waits for us to end.
#[derive(Debug)]
pub(crate) struct Successor {
    child: Child,
    /// It is heard when this is dropped, or we are gone.
    _line: UnixStream,
}

impl Successor {
    /// Starts `program` as we were started, with what is passed on, and waits until it could begin.
    pub(crate) fn start(program: &Path, passed_on: Passed) -> anyhow::Result<Self> {
        let (mut line, theirs) = UnixStream::pair()?;
        let (mut known, theirs_known) = UnixStream::pair()?;
        let mut passed: Vec<(&str, OwnedFd)> = vec![(LINE, theirs.into()), (KNOWN, theirs_known.into())];
        for (name, sockets) in passed_on.sockets {
            passed.extend(sockets.into_iter().map(|socket| (name, socket.into())));
        }
        let names: Vec<&str> = passed.iter().map(|(name, _)| *name).collect();
        let mut command = Command::new(program);
        command.args(env::args_os().skip(1)).env_remove("LISTEN_PID");
        command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        let descriptors = passed.into_iter().zip(FIRST..);
        let mappings = descriptors.map(|((_, parent_fd), child_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.collect())?;
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        // With it goes our copy of their end: only the child has one now.
        drop(command);
        known.set_write_timeout(Some(WORD_MAX))?;
        // Whether it heard all shows in whether it begins.
        let _told = known.write_all(&passed_on.known);
        drop(known);
        line.set_read_timeout(Some(WORD_MAX))?;
        let mut word = [0];
        if line.read_exact(&mut word).is_err() || word != [WORD] {
            let _killed = child.kill();
            bail!("the new process did not begin ({}): this one goes on", child.wait()?);
        }
        Ok(Self { child, _line: line })
    }

    /// Tells systemd, where it looks after us, that the other process is the one to look after.
    pub(crate) fn announce(&self) {
        let _told = sd_notify::notify(&[NotifyState::MainPid(self.child.id())]);
    }
}

/// What a successor is given.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// Sockets by the names of their ports.
    pub(crate) sockets: Vec<(&'static str, Vec<TcpListener>)>,
    /// What is known to this process alone, in words that only its own kind understands.
    pub(crate) known: Vec<u8>,
}

/// Waits until the process is told to stop, or another can go on with its sockets.
pub(crate) async fn until_over(
    signals: &mut Signals,
    hand_over: &HandOver,
    program: &Path,
    passed_on: impl Fn() -> io::Result<Passed>,
) -> Option<Successor> {
    loop {
        tokio::select! {
            told = signals.next() => if told == Told::Stop {
                return None;
            },
            () = hand_over.asked() => {}
        }
        tracing::info!(code = "server/handing-over", "starting the process that goes on");
        let started = async {
            let (program, passed_on) = (program.to_owned(), passed_on()?);
            // What it waits for is another process.
            tokio::task::spawn_blocking(move || Successor::start(&program, passed_on)).await?
        };
        match started.await {
            Ok(successor) => return Some(successor),
            Err(error) => tracing::error!(
                code = "server/not-handed-over",
                error = format!("{error:#}"),
                "this process goes on"
            ),
        }
    }
}

/// Tells systemd, where it waits for that, that we serve.
pub(crate) fn announce_ready() {
    let _told = sd_notify::notify(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
}

/// Where this program lies. Asked at the start: later another may lie there.
pub(crate) fn own_program() -> anyhow::Result<PathBuf> {
    env::current_exe().context("cannot find out where this program lies")
}

/// Asks the process to hand over, from wherever that is found out to be needed. Clones ask the same process.
#[derive(Debug, Clone, Default)]
pub(crate) struct HandOver(Arc<Notify>);

impl HandOver {
    pub(crate) fn ask(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn asked(&self) {
        self.0.notified().await;
    }
}
