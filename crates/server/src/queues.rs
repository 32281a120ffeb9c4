//! The queues of all services: how they stand, and what operators do to them.

mod http;
mod rate;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use authz::Actor;
use clock::{Clock, Stopwatch};
pub(crate) use http::{description, operator_routes, routes};
use ids::Id;
use ledger::{Ledger, SubmitError};
use problem::Problem;
use queue::{
    AnyJob, Finished, Hold, JobStatus, ManageError, Outcome, Pause, PurgeDead, QueueConfig, QueueStatus,
    RetryDead, finished, job_status, queue_status,
};
use rate::Rate;
use telemetry::{
    EncodeLabelSet, Metrics,
    instruments::{family::Family, gauge::Gauge},
};
use tokio::sync::watch;

use crate::jobs::Crew;

/// How often it is looked how the queues stand.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Jobs that one page lists, at most; as many are forgotten at once.
const PAGE_MAX: u32 = 200;

/// Every queue of this deployment.
#[derive(Debug, Clone)]
pub(crate) struct Queues(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queues: BTreeMap<&'static str, Served>,
    running: Stopwatch,
    instruments: Instruments,
}

/// One queue, and how fast its jobs have ended lately.
#[derive(Debug)]
struct Served {
    ledger: Ledger,
    config: QueueConfig,
    rate: Mutex<Rate>,
}

/// How a queue stands, and how many processes would do its work.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    status: QueueStatus,
    config: QueueConfig,
    /// Jobs that ended in a second, in the last minute.
    per_second: f64,
    wanted_workers: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfQueue {
    queue: &'static str,
}

type Numbers = Family<OfQueue, Gauge>;

/// How the queues stood when it was last looked.
#[derive(Debug, Default)]
struct Instruments {
    ready: Numbers,
    delayed: Numbers,
    active: Numbers,
    dead: Numbers,
    oldest_seconds: Family<OfQueue, Gauge<f64, AtomicU64>>,
    jobs_per_second: Family<OfQueue, Gauge<f64, AtomicU64>>,
    wanted_workers: Numbers,
}

impl Instruments {
    fn register(registry: &mut telemetry::Registry) -> Self {
        let this = Self::default();
        let registry = registry.sub_registry_with_prefix("queue");
        registry.register("ready", "Jobs whose time has come and that nobody is at", this.ready.clone());
        registry.register("delayed", "Jobs whose time has not come", this.delayed.clone());
        registry.register("active", "Jobs that workers are at", this.active.clone());
        registry.register("dead", "Jobs that were given up, ever", this.dead.clone());
        registry.register(
            "oldest_seconds",
            "Since the time of the first in line came",
            this.oldest_seconds.clone(),
        );
        registry.register(
            "jobs_per_second",
            "Jobs that ended, over the last minute",
            this.jobs_per_second.clone(),
        );
        registry.register(
            "wanted_workers",
            "Processes that would do what is to be done",
            this.wanted_workers.clone(),
        );
        this
    }

    fn show(&self, queue: &'static str, standing: &Standing) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (of, status) = (OfQueue { queue }, &standing.status);
        self.ready.get_or_create(&of).set(number(status.ready));
        self.delayed.get_or_create(&of).set(number(status.delayed));
        self.active.get_or_create(&of).set(number(status.active));
        self.dead.get_or_create(&of).set(number(status.dead));
        self.oldest_seconds.get_or_create(&of).set(status.oldest.as_secs_f64());
        self.jobs_per_second.get_or_create(&of).set(standing.per_second);
        self.wanted_workers.get_or_create(&of).set(number(standing.wanted_workers));
    }
}

impl Queues {
    /// The queues of all services.
    pub(crate) fn new(crews: &[Crew], configs: &BTreeMap<String, QueueConfig>, metrics: &Metrics) -> Self {
        let served = |ledger: &Ledger, queue: &'static str| {
            let config = configs.get(queue).copied().unwrap_or_default();
            (queue, Served { ledger: ledger.clone(), config, rate: Mutex::default() })
        };
        let queues = crews.iter().flat_map(|Crew { ledger, registry, .. }| {
            registry.queues().map(move |queue| served(ledger, queue))
        });
        Self(Arc::new(Shared {
            queues: queues.collect(),
            running: Clock::System.stopwatch(),
            instruments: metrics.register(Instruments::register),
        }))
    }

    /// Jobs whose time has come and that nobody is at, as it was last looked.
    pub(crate) fn waiting(&self) -> u64 {
        let ready = |queue| self.0.instruments.ready.get_or_create(&OfQueue { queue }).get();
        self.0.queues.keys().map(|queue| u64::try_from(ready(queue)).unwrap_or_default()).sum()
    }

    /// Looks again and again how the queues stand, until told to stop.
    pub(crate) async fn watch(self, mut stop: watch::Receiver<bool>) {
        self.say_what_is_held().await;
        while !*stop.borrow() {
            for queue in self.0.queues.keys() {
                match self.standing(queue).await {
                    Ok(standing) => self.0.instruments.show(queue, &standing),
                    Err(problem) => tracing::debug!(code = problem.code(), queue, "a queue cannot be seen"),
                }
            }
            drop(tokio::time::timeout(LOOK_EVERY, stop.wait_for(|stop| *stop)).await);
        }
    }

    async fn say_what_is_held(&self) {
        for queue in self.0.queues.keys() {
            if self.standing(queue).await.is_ok_and(|standing| standing.status.held) {
                tracing::warn!(
                    code = "server/queue-held",
                    queue,
                    "the jobs of this queue are held since a restore: look at them, and release the queue"
                );
            }
        }
    }

    fn find(&self, queue: &str) -> Result<(&'static str, &Served), Problem> {
        let found = self.0.queues.get_key_value(queue).map(|(queue, served)| (*queue, served));
        found.ok_or_else(|| Problem::not_found("queue/no-such-queue", "there is no queue of this name"))
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.queues.keys().copied()
    }

    /// How a queue stands now.
    async fn standing(&self, queue: &str) -> Result<Standing, Problem> {
        let (queue, Served { ledger, config, rate }) = self.find(queue)?;
        let now = ledger.clock().now();
        let status = ledger.readers().read(move |snapshot| queue_status(snapshot, queue, now)).await?;
        let mut rate = rate.lock().unwrap_or_else(PoisonError::into_inner);
        let per_second = rate.count(self.0.running.elapsed(), status.done + status.dead);
        let wanted_workers = wanted_workers(&status, config);
        Ok(Standing { status, config: *config, per_second, wanted_workers })
    }

    /// Stops workers from taking jobs of a queue, or lets them.
    async fn pause(&self, actor: &Actor, queue: &str, paused: bool) -> Result<(), Problem> {
        let (queue, served) = self.find(queue)?;
        served.ledger.submit(actor.permit(Pause { queue: queue.to_owned(), paused })?).await?;
        tracing::info!(code = "server/queue-paused", queue, paused, "a queue was paused or resumed");
        Ok(())
    }

    /// Lets the jobs go that a restore found unfinished.
    async fn release(&self, actor: &Actor, queue: &str) -> Result<(), Problem> {
        let (queue, served) = self.find(queue)?;
        served.ledger.submit(actor.permit(Hold { queue: queue.to_owned(), held: false })?).await?;
        tracing::info!(code = "server/queue-released", queue, "the jobs of a queue are not held any more");
        Ok(())
    }

    /// Jobs that ended so, the newest first, from before a place on.
    async fn ended(
        &self,
        queue: &str,
        outcome: Outcome,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Finished>, Problem> {
        let (queue, served) = self.find(queue)?;
        let (before, limit) = (before.unwrap_or(i64::MAX), limit.clamp(1, PAGE_MAX));
        let read = move |snapshot: &store::Snapshot<'_>| finished(snapshot, queue, outcome, before, limit);
        Ok(served.ledger.readers().read(read).await?)
    }

    /// Where a job is.
    async fn job(&self, queue: &str, job: Id<AnyJob>) -> Result<JobStatus, Problem> {
        self.look_for(queue, job).await?.ok_or_else(|| ManageError::NoSuchJob.into())
    }

    async fn look_for(&self, queue: &str, job: Id<AnyJob>) -> Result<Option<JobStatus>, Problem> {
        let (queue, served) = self.find(queue)?;
        Ok(served.ledger.readers().read(move |snapshot| job_status(snapshot, queue, job)).await?)
    }

    /// Puts a job that was given up in line again; one that stands there already is left there.
    async fn retry(&self, actor: &Actor, queue: &str, job: Id<AnyJob>) -> Result<(), Problem> {
        let place = match self.job(queue, job).await? {
            JobStatus::Waiting { .. } | JobStatus::Active { .. } => return Ok(()),
            JobStatus::Finished(ended) => given_up(&ended)?,
        };
        let (queue, served) = self.find(queue)?;
        let retry = actor.permit(RetryDead { queue: queue.to_owned(), place })?;
        match served.ledger.submit(retry).await {
            // Somebody else was quicker: it stands in line, or it was forgotten.
            Err(SubmitError::Refused(ManageError::NoSuchJob)) => self.job(queue, job).await.map(drop),
            submitted => Ok(submitted.map(drop)?),
        }
    }

    /// Forgets a job that was given up; one that is not there is forgotten already.
    async fn purge(&self, actor: &Actor, queue: &str, job: Id<AnyJob>) -> Result<(), Problem> {
        let places = match self.look_for(queue, job).await? {
            None => return Ok(()),
            Some(JobStatus::Finished(ended)) => vec![given_up(&ended)?],
            Some(JobStatus::Waiting { .. } | JobStatus::Active { .. }) => return Err(not_given_up()),
        };
        self.forget(actor, queue, places).await.map(drop)
    }

    /// Forgets all that were given up until now; how many there were.
    async fn purge_all(&self, actor: &Actor, queue: &str) -> Result<u64, Problem> {
        let (mut purged, mut before) = (0, None);
        loop {
            let page = self.ended(queue, Outcome::Dead, before, PAGE_MAX).await?;
            let Some(last) = page.last() else { return Ok(purged) };
            before = i64::try_from(last.place).ok();
            purged += self.forget(actor, queue, page.iter().map(|dead| dead.place).collect()).await?;
        }
    }

    async fn forget(&self, actor: &Actor, queue: &str, places: Vec<u64>) -> Result<u64, Problem> {
        let (queue, served) = self.find(queue)?;
        let purge = actor.permit(PurgeDead { queue: queue.to_owned(), places })?;
        Ok(served.ledger.submit(purge).await?.done)
    }
}

/// The place of a job among those that were given up.
fn given_up(ended: &Finished) -> Result<u64, Problem> {
    match ended.outcome {
        Outcome::Dead => Ok(ended.place),
        Outcome::Done => Err(not_given_up()),
    }
}

fn not_given_up() -> Problem {
    Problem::conflict("queue/not-given-up", "the job was not given up: it is done, or still to be done")
}

/// How many processes would do at once what may be done at once: none for jobs that nobody may take, and no more
/// than the queue's own limit has work for.
fn wanted_workers(status: &QueueStatus, config: &QueueConfig) -> u64 {
    let takes = !status.paused && !status.held;
    let jobs = status.active + if takes { status.ready } else { 0 };
    jobs.min(config.concurrency.get().into()).div_ceil(config.per_process().get().into())
}
