//! Ending before the end: at the first word (Ctrl-C, or SIGTERM) nobody asks the target for anything any more, what was started is
//! stopped, and a report says what was measured so far. At the second the process ends as it stands.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::Live;

/// What ended it. A signal is meant for the process, so this is the process's.
static ENDED_BY: OnceLock<&'static str> = OnceLock::new();
/// Loads that run, and are stopped with it.
static RUNNING: Mutex<Vec<Weak<Live>>> = Mutex::new(Vec::new());
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What a shell says of a process that ended by Ctrl-C.
const AT_ONCE: i32 = 130;

/// Who ended the run before its end, if somebody did.
pub fn ended_by() -> Option<&'static str> {
    ENDED_BY.get().copied()
}

/// Goes on only if nobody has ended the run.
///
/// # Errors
/// When somebody has.
pub fn go_on() -> anyhow::Result<()> {
    match ended_by() {
        Some(who) => bail!("the run was broken off by {who}"),
        None => Ok(()),
    }
}

/// Comes when the run is ended.
pub async fn ended() {
    while ended_by().is_none() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Has a load stopped with the run.
pub fn stops(live: &Arc<Live>) {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.retain(|live| live.strong_count() > 0);
    running.push(Arc::downgrade(live));
    if ended_by().is_some() {
        live.stop();
    }
}

/// Listens for signals from now on, and says which came first.
///
/// # Errors
/// When nobody can listen.
pub fn listen(say: impl Fn(&'static str) + Send + 'static) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let listen = move || {
        runtime.block_on(async {
            loop {
                let who = tokio::select! {
                    _ = interrupt.recv() => "Ctrl-C",
                    _ = terminate.recv() => "SIGTERM",
                };
                if ENDED_BY.set(who).is_err() {
                    at_once();
                }
                say(who);
                for live in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                    live.upgrade().inspect(|live| live.stop());
                }
            }
        });
    };
    thread::Builder::new()
        .name("drill-signals".to_owned())
        .spawn(listen)
        .context("cannot listen for signals")?;
    Ok(())
}

#[expect(clippy::exit, reason = "whoever says it twice waits for nothing")]
fn at_once() {
    std::process::exit(AT_ONCE);
}
