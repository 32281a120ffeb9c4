//! Connections that are opened and held, doing nothing: as many as are asked for, beyond what one table of descriptors takes.

use std::{
    net::TcpStream,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context;
use nix::sched::{CloneFlags, unshare};
use rustix::process::{Resource, getrlimit};

use crate::target::Target;

/// Descriptors of each table that are left to everything else.
const RESERVED: usize = 256;
/// Threads, at most.
const THREADS_MAX: usize = 128;
const CONNECT_MS_MAX: u64 = 2_000;

/// Connections that are open until this is dropped.
#[derive(Debug)]
pub struct Held {
    open: Arc<AtomicUsize>,
    over: Arc<Barrier>,
    threads: Vec<JoinHandle<()>>,
}

/// Opens as many connections as are asked for; [`Held::open`] tells how many there are. Each thread has a table of
/// descriptors of its own, so the limit of one process is none for all.
///
/// # Errors
/// When a thread cannot be started.
pub fn hold(target: &Target, connections: usize) -> anyhow::Result<Held> {
    let limit = getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let each = limit.saturating_sub(RESERVED).max(1);
    let count = connections.div_ceil(each).clamp(1, THREADS_MAX);
    let open = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(Barrier::new(count + 1));
    let opened = Arc::new(Barrier::new(count + 1));
    let address = target.address;
    let mut threads = Vec::new();
    for number in 0..count {
        let share = connections / count + usize::from(number < connections % count);
        let (open, over, opened) = (Arc::clone(&open), Arc::clone(&over), Arc::clone(&opened));
        let work = move || {
            // Without a table of its own the thread shares the process's, and opens what that takes.
            unshare(CloneFlags::CLONE_FILES).unwrap_or_default();
            let timeout = Duration::from_millis(CONNECT_MS_MAX);
            let mut lines = Vec::with_capacity(share);
            while lines.len() < share {
                let Ok(line) = TcpStream::connect_timeout(&address, timeout) else { break };
                lines.push(line);
                open.fetch_add(1, Ordering::Relaxed);
            }
            opened.wait();
            over.wait();
        };
        let thread = thread::Builder::new().name(format!("drill-hold-{number}")).spawn(work);
        threads.push(thread.context("cannot start a thread")?);
    }
    opened.wait();
    Ok(Held { open, over, threads })
}

impl Held {
    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.over.wait();
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}
