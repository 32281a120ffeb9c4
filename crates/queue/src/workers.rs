//! Those who do the work: they claim jobs, run them, and tell what came of them.

mod keep;
mod registry;
mod run;
mod shift;

use std::{
    collections::BTreeMap,
    io,
    num::NonZeroU32,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use clock::Clock;
use futures_util::future::{join, join_all};
use keep::keep_schedules;
use ledger::{Ledger, Watcher};
pub use registry::Registry;
use run::Worker;
use serde::Deserialize;
use shift::Shift;
use tokio::{
    sync::{Notify, watch},
    task::LocalSet,
};

use crate::{claim::QueueLimits, rows::Ready};

/// How often a queue is looked at when nothing tells of new jobs: other nodes' jobs are found so.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How a process works at jobs.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WorkerConfig {
    /// Whether a process that serves works at jobs beside that; if none does, others must.
    pub in_serve: bool,
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
    /// Jobs that one process works at the same time; as many as the queue allows, if it is not said.
    pub per_process: Option<NonZeroU32>,
}

impl QueueConfig {
    /// Jobs that one process works at the same time.
    #[must_use]
    pub fn per_process(&self) -> NonZeroU32 {
        self.per_process.unwrap_or(self.concurrency).min(self.concurrency)
    }

    const fn limits(&self) -> QueueLimits {
        QueueLimits {
            concurrency: self.concurrency.get(),
            per_second: match self.per_second {
                Some(rate) => Some(rate.get()),
                None => None,
            },
        }
    }
}

impl Default for QueueConfig {
    fn default() -> Self {
        let QueueLimits { concurrency, .. } = QueueLimits::default();
        let concurrency = NonZeroU32::new(concurrency).unwrap_or(NonZeroU32::MIN);
        Self { concurrency, per_second: None, per_process: None }
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        let in_serve = true;
        Self { in_serve, lease_ms: positive(30_000), drain_ms_max: positive(10_000), queues: BTreeMap::new() }
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
            let shifts = worker.registry.queues().map(|queue| {
                let limits = config.queues.get(queue).copied().unwrap_or_default();
                Shift::new(worker.clone(), queue, limits, millis(config.drain_ms_max))
            });
            let shifts = join_all(shifts.map(|shift| shift.run(bell.clone(), stopped.clone())));
            let schedules = keep_schedules(worker.clone(), stopped.clone());
            runtime.block_on(LocalSet::new().run_until(join(shifts, schedules)));
        };
        let thread = thread::Builder::new().name(format!("{name}-jobs")).spawn(works)?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Takes no more jobs from now on; those that run go on.
    pub fn close(&self) {
        self.stop.send_replace(true);
    }

    /// Takes no more jobs, lets those that run end within their time, gives the rest back, and ends.
    /// Blocks; call it from a thread that may wait.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.close();
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
