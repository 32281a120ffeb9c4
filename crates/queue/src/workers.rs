//! Those who do the work: they claim jobs, run them, and tell what came of them.

mod registry;
mod run;

use std::{
    collections::BTreeMap,
    io,
    num::NonZeroU32,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use clock::Clock;
use futures_util::future::join_all;
use ledger::{Ledger, OperateError, Watcher};
pub use registry::Registry;
use serde::Deserialize;
use tokio::{
    sync::{Notify, watch},
    task::{JoinSet, LocalSet},
};

use crate::{
    claim::{Claim, Claimed, QueueLimits},
    rows::Ready,
};
use run::{Worker, attend};

/// How often a queue is looked at when nothing tells of new jobs: other nodes' jobs are found so.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How a process works at jobs.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WorkerConfig {
    /// How long a worker is believed to be at a job before it must say so again.
    pub lease_ms: NonZeroU32,
    /// How long jobs that run may go on when the process is told to stop.
    pub drain_ms_max: NonZeroU32,
    /// Limits of queues, over all processes together; others have the usual ones.
    pub queues: BTreeMap<String, QueueConfig>,
}

/// Limits of one queue.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct QueueConfig {
    /// Jobs that are worked at the same time.
    pub concurrency: NonZeroU32,
    /// Jobs that are taken in one second.
    pub per_second: Option<NonZeroU32>,
}

impl Default for QueueConfig {
    fn default() -> Self {
        let QueueLimits { concurrency, .. } = QueueLimits::default();
        Self { concurrency: NonZeroU32::new(concurrency).unwrap_or(NonZeroU32::MIN), per_second: None }
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self { lease_ms: positive(30_000), drain_ms_max: positive(10_000), queues: BTreeMap::new() }
    }
}

/// Rings when jobs were put in line on this node.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// What a ledger with jobs is opened with.
    #[must_use]
    pub fn watcher(&self) -> Watcher {
        let bell = Arc::clone(&self.0);
        Box::new(move |changes| {
            if changes.of::<Ready>().any(|(_, row)| row.is_some()) {
                bell.notify_waiters();
            }
        })
    }
}

/// A thread that works at jobs until it is stopped.
#[derive(Debug)]
pub struct Workers {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Workers {
    /// Begins to work at the queues of `registry`.
    ///
    /// # Errors
    /// When the thread does not start.
    pub fn start(
        name: &str,
        ledger: Ledger,
        registry: Registry,
        bell: Bell,
        config: &WorkerConfig,
        clock: Clock,
    ) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let worker = Worker {
            name: format!("{name}-{}", std::process::id()),
            ledger,
            registry: Arc::new(registry),
            lease: millis(config.lease_ms),
            clock,
        };
        let config = config.clone();
        let works = move || {
            let queues: Vec<_> = worker.registry.queues().collect();
            let loops = queues.into_iter().map(|queue| {
                let limits = config.queues.get(queue).copied().unwrap_or_default();
                let limits = QueueLimits {
                    concurrency: limits.concurrency.get(),
                    per_second: limits.per_second.map(NonZeroU32::get),
                };
                let drain = millis(config.drain_ms_max);
                work_at(worker.clone(), queue, limits, bell.clone(), stopped.clone(), drain)
            });
            runtime.block_on(LocalSet::new().run_until(join_all(loops)));
        };
        let thread = thread::Builder::new().name(format!("{name}-jobs")).spawn(works)?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Takes no more jobs, lets those that run end within their time, gives the rest back, and ends.
    /// Blocks; call it from a thread that may wait.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(code = "queue/thread-panicked", "the thread of the workers had panicked");
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.end();
    }
}

fn millis(number: NonZeroU32) -> Duration {
    Duration::from_millis(number.get().into())
}

/// Works at one queue.
async fn work_at(
    worker: Worker,
    queue: &'static str,
    limits: QueueLimits,
    bell: Bell,
    mut stopped: watch::Receiver<bool>,
    drain: Duration,
) {
    let mut running = JoinSet::new();
    let worker = std::rc::Rc::new(worker);
    let mut quiet = true;
    while !*stopped.borrow() {
        // Heard from here on, so that nothing that is put in line during the claim is missed.
        let rung = bell.0.notified();
        let free = limits.concurrency.saturating_sub(u32::try_from(running.len()).unwrap_or(u32::MAX));
        let claimed = if free > 0 { claim(&worker, queue, free, limits).await } else { Ok(Vec::new()) };
        let claimed = match claimed {
            Ok(claimed) => {
                quiet = true;
                claimed
            }
            Err(error) => {
                if std::mem::take(&mut quiet) {
                    tracing::warn!(code = "queue/no-claims", %error, queue, "no jobs can be taken for now");
                }
                Vec::new()
            }
        };
        let found_some = !claimed.is_empty();
        for claimed in claimed {
            running.spawn_local(attend(std::rc::Rc::clone(&worker), claimed));
        }
        let full = running.len() >= usize::try_from(limits.concurrency).unwrap_or(usize::MAX);
        if found_some && !full {
            continue;
        }
        tokio::select! {
            Some(_) = running.join_next() => {
                // Others that ended meanwhile make room as well.
                while running.try_join_next().is_some() {}
            }
            () = rung, if !full => {}
            () = tokio::time::sleep(LOOK_EVERY), if !full => {}
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    }
    let ended = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, ended).await.is_err() {
        tracing::warn!(
            code = "queue/jobs-left",
            queue,
            jobs = running.len(),
            "jobs were still running; others take them on when their leases end"
        );
    }
}

async fn claim(
    worker: &Worker,
    queue: &'static str,
    wanted: u32,
    limits: QueueLimits,
) -> Result<Vec<Claimed>, OperateError> {
    let claim = Claim {
        queue,
        worker: worker.name.clone(),
        wanted,
        limits,
        lease: worker.lease,
        token: worker.clock.random(),
    };
    worker.ledger.operate(claim).await
}
