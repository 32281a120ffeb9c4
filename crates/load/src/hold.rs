//! Connections that are opened and held, with a question on one of them now and then: as many as are asked for, beyond what one
//! table of descriptors takes, and beyond the ports that one address has.

mod holder;
mod line;

use std::{
    net::Ipv4Addr,
    sync::{Arc, atomic::Ordering, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, anyhow};
use holder::{Holder, Share, Together};
use nix::sched::{CloneFlags, unshare};
use rustix::process::{Resource, getrlimit};

use crate::{arrivals::float, record::Record, target::Target};

/// Descriptors of each table that are left to everything else: a thread's table begins as a copy of the process's.
const RESERVED: usize = 512;
/// Threads, at most.
const THREADS_MAX: usize = 256;
/// Examples of why one was lost, at most.
const EXAMPLES_MAX: usize = 3;
/// Ports of an address that Linux gives to connections that leave, unless it was told otherwise.
pub const PORTS: usize = 28_000;

/// How many are held, and how.
#[derive(Debug, Clone)]
pub struct Hold {
    pub target: Target,
    pub connections: usize,
    /// Where they come from, in turn; from this machine's own address if there is none.
    pub from: Vec<Ipv4Addr>,
    /// What is asked: on each once, for a connection that never asked for anything is cut, and later on one after the other.
    pub path: String,
    /// Questions a second on all of them together, while they are held.
    pub asked_per_s: f64,
    pub patience: Duration,
}

/// Connections that are open until they are let go.
#[derive(Debug)]
pub struct Held {
    together: Arc<Together>,
    threads: Vec<JoinHandle<anyhow::Result<Kept>>>,
}

/// What became of them.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The first question was answered on so many.
    pub opened: u64,
    /// The target, or a machine between, did not take so many.
    pub refused: u64,
    /// Of those: the first question was answered with 429.
    pub limited: u64,
    /// So many were open, and were closed while they were held.
    pub dropped: u64,
    /// What was asked while they were held.
    pub record: Record,
    /// Why some were refused or dropped.
    pub examples: Vec<String>,
}

/// Opens as many connections as are asked for, and returns when each is open or known not to be. Each thread has a table of
/// descriptors of its own, so the limit of one process is none for all.
///
/// # Errors
/// When a thread cannot be started, or cannot wait for its sockets.
pub fn hold(hold: &Hold) -> anyhow::Result<Held> {
    let count = hold.connections.div_ceil(room()).clamp(1, THREADS_MAX);
    hold_on(hold, count)
}

fn hold_on(hold: &Hold, count: usize) -> anyhow::Result<Held> {
    let together = Arc::new(Together::default());
    let (opened, opening) = mpsc::channel();
    let mut held = Held { together: Arc::clone(&together), threads: Vec::new() };
    let mut first = 0;
    for number in 0..count {
        let share = Share {
            first,
            count: hold.connections / count + usize::from(number < hold.connections % count),
            asked_per_s: hold.asked_per_s / float(count as u64),
        };
        first += share.count;
        let (hold, together, opened) = (hold.clone(), Arc::clone(&together), opened.clone());
        let work = move || {
            // Without a table of its own the thread shares the process's, and opens what that takes.
            unshare(CloneFlags::CLONE_FILES).unwrap_or_default();
            let mut holder = Holder::new(&hold, share, &together)?;
            let all = holder.open();
            // Whoever waits for this may have given up.
            opened.send(()).unwrap_or_default();
            all?;
            holder.hold()
        };
        let thread = thread::Builder::new().name(format!("drill-hold-{number}")).spawn(work);
        held.threads.push(thread.context("cannot start a thread")?);
    }
    drop(opened);
    // A thread that fails drops its end, and tells why when they are let go.
    opening.iter().take(count).for_each(drop);
    Ok(held)
}

/// Descriptors that one table has room for.
fn room() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    limit.saturating_sub(RESERVED).max(1)
}

impl Held {
    /// How many are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.together.open.load(Ordering::Relaxed)
    }

    /// Lets them go; what became of them.
    ///
    /// # Errors
    /// When a thread could not go on.
    pub fn let_go(mut self) -> anyhow::Result<Kept> {
        self.together.over.store(true, Ordering::Relaxed);
        let mut kept = Kept::default();
        for thread in self.threads.drain(..) {
            kept.merge(thread.join().map_err(|_| anyhow!("whoever held connections panicked"))??);
        }
        Ok(kept)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.together.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

impl Kept {
    fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text());
        }
    }

    /// Adds what became of others.
    pub fn merge(&mut self, other: Self) {
        self.opened += other.opened;
        self.refused += other.refused;
        self.limited += other.limited;
        self.dropped += other.dropped;
        self.record.merge(&other.record);
        for text in other.examples {
            self.example(|| text);
        }
    }
}

#[cfg(test)]
mod tests;
