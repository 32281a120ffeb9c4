//! Our queues: every job is asked for by a command of its own, and its end is a command, too.

use std::time::Duration;

use authz::{Actor, By, Guarded};
use clock::{Clock, Timestamp};
use futures_util::{StreamExt, stream};
use ids::Id;
use ledger::{Applied, Command, Ledger, LedgerConfig, Opening, Times};
use problem::Problem;
use queue::{
    AnyJob, Attempt, Bell, Enqueue, EnqueueError, Job, JobError, QueueConfig, Registry, WorkerConfig, Workers,
};
use serde::{Deserialize, Serialize};
use store::{DatabaseConfig, Databases, Keys, StoreError, Told, Tx};
use telemetry::Metrics;

use crate::load::on_runtime;

/// Commands on their way at any time.
const WAITING: usize = 4096;
const CONCURRENCY: u32 = 4096;

/// Does nothing.
#[derive(Debug, Serialize, Deserialize)]
struct Nothing {
    order: u32,
}

impl Job for Nothing {
    const NAME: &'static str = "bench/nothing";
    const QUEUE: &'static str = "bench";
    type Context = ();
    type Done = ();

    async fn run(self, (): (), _: Attempt) -> Result<(), JobError> {
        Ok(())
    }
}

/// Asks for one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) order: u32,
    pub(crate) job: Id<AnyJob>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        Self::internal(&error)
    }
}

impl Guarded for Ask {
    fn allows(&self, _: &Actor) -> bool {
        true
    }
}

impl Command for Ask {
    const NAME: &'static str = "bench/ask";
    type Done = ();
    type Refused = AskError;

    fn reads(&self, _: &mut Keys<'_>) {}

    fn apply(self, _: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, AskError> {
        queue::enqueue(tx, at, &Nothing { order: self.order }, Enqueue::now(self.job))?;
        Ok(Applied::new(()))
    }
}

/// Jobs a second, from the first that was asked for to the last that was done.
pub(super) fn measure(database: Option<&str>, jobs: u32) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let mut config = DatabaseConfig::default();
    config.postgres.url = database.map(str::parse).transpose().map_err(anyhow::Error::msg)?;
    let databases = Databases::new(folder.path(), &config)?;
    let bell = Bell::default();
    let ledger = Ledger::open(Opening {
        name: "bench".into(),
        origin: "example.org/bench".to_owned(),
        store: databases.open("bench", &ledger::schema().and(queue::schema()))?,
        keys: seal::Keys::open(folder.path(), &Clock::System)?,
        clock: Clock::System,
        config: LedgerConfig::default(),
        checkpoint_path: folder.path().join("bench.checkpoint"),
        watchers: vec![bell.watcher()],
        told: Told::new(),
        times: Times::Exact,
        standing: ledger::Standing::LASTING,
        metrics: Metrics::new(),
    })?;
    let mut config = WorkerConfig::default();
    let concurrency = std::num::NonZeroU32::new(CONCURRENCY).unwrap_or(std::num::NonZeroU32::MIN);
    config.queues.insert("bench".to_owned(), QueueConfig { concurrency, ..QueueConfig::default() });
    let registry = Registry::new().with::<Nothing>(());
    let workers = Workers::start("bench", ledger.clone(), registry, bell, &config, Clock::System)?;
    let seconds = on_runtime(send_and_wait(&ledger, jobs))?;
    workers.stop();
    ledger.stop();
    Ok(f64::from(jobs) / seconds)
}

async fn send_and_wait(ledger: &Ledger, jobs: u32) -> anyhow::Result<f64> {
    let began = Clock::System.stopwatch();
    let sent = stream::iter(0..jobs).map(|order| {
        let permitted = Actor::service("bench").permit(Ask { order, job: Clock::System.id() });
        async move { anyhow::Ok(ledger.submit(permitted?).await.map(drop)?) }
    });
    let mut sent = sent.buffer_unordered(WAITING);
    while let Some(sent) = sent.next().await {
        sent?;
    }
    loop {
        let now = Clock::System.now();
        let status =
            ledger.readers().read(move |snapshot| queue::queue_status(snapshot, "bench", now)).await?;
        if status.done >= u64::from(jobs) {
            return Ok(began.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
