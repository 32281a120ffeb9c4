//! One attempt, from the claim to what came of it.

use std::{
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use authz::Actor;
use clock::Clock;
use futures_util::FutureExt;
use ledger::{Ledger, SubmitError};
use serde_json::value::{RawValue, to_raw_value};

use super::{Registry, shift::Leases};
use crate::{
    claim::Claimed,
    job::{Attempt, JobError, Progress},
    release::Release,
    renew::Renew,
    rows::{Lease, Outcome},
    settle::{Settle, SettleError},
};

/// Pause before a word that could not be told is told again.
const TELL_AGAIN: Duration = Duration::from_millis(200);

/// The longest answer that is kept.
const RESULT_BYTES_MAX: usize = 16 * 1024;

/// Words of a failure that are kept.
const FAILURE_CHARS_MAX: usize = 500;

/// What every attempt of a process needs.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) ledger: Ledger,
    pub(super) registry: Arc<Registry>,
    pub(super) lease: Duration,
    pub(super) clock: Clock,
}

/// What an attempt last said of its progress, until it is passed on.
type News = Arc<Mutex<Option<(u8, String)>>>;

/// Runs one attempt and tells what came of it. Its lease is among `leases` meanwhile.
pub(super) async fn attend(worker: Rc<Worker>, leases: Leases, claimed: Claimed) {
    let job = claimed.lease.id;
    leases.borrow_mut().insert(job, claimed.lease.clone());
    let dice = || u64::from_le_bytes(worker.clock.random());
    let mut span = telemetry::begin_job("job", claimed.cause.as_deref(), dice);
    match &mut span {
        Some(span) => {
            span.rename(format!("job {}", claimed.name));
            span.say("holdfast.job", job.to_string());
            span.say("messaging.operation.type", "process");
            span.say("messaging.destination.name", claimed.lease.queue.clone());
            telemetry::within(span, attempt(&worker, &leases, claimed)).await;
        }
        None => attempt(&worker, &leases, claimed).await,
    }
    leases.borrow_mut().remove(&job);
}

async fn attempt(worker: &Worker, leases: &Leases, claimed: Claimed) {
    let Claimed { lease, name, payload, last, exhausted, .. } = claimed;
    if exhausted {
        let lost = JobError::Never("its worker was lost during the last attempt".to_owned());
        return tell(worker, lease, Err(lost), true).await;
    }
    let news = News::default();
    let told = Arc::clone(&news);
    let progress = Progress(Arc::new(move |percent, note| {
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some((percent, note.to_owned()));
    }));
    let attempt = Attempt { job: lease.id, number: lease.attempts, progress };
    let running = AssertUnwindSafe(worker.registry.run(&name, &payload, attempt)).catch_unwind();
    let mut running = std::pin::pin!(running);
    let mut lease = lease;
    let mut since_renewed = worker.clock.stopwatch();
    loop {
        let look = (worker.lease / 3).min(Duration::from_secs(1));
        tokio::select! {
            ran = &mut running => {
                let ran = ran.unwrap_or_else(|_| Err(JobError::Later("it panicked".to_owned())));
                return tell(worker, lease, ran, last).await;
            }
            () = tokio::time::sleep(look) => {}
        }
        let progress = news.lock().unwrap_or_else(PoisonError::into_inner).take();
        if progress.is_none() && since_renewed.elapsed() < worker.lease / 3 {
            continue;
        }
        let renew = Renew { lease: lease.clone(), for_another: worker.lease, progress };
        match worker.ledger.operate(renew).await {
            Ok(Some(renewed)) => {
                leases.borrow_mut().insert(renewed.id, renewed.clone());
                (lease, since_renewed) = (renewed, worker.clock.stopwatch());
            }
            Ok(None) => {
                tracing::warn!(code = "queue/lease-lost", job = %lease.id, "another worker has the job; this one stops");
                return;
            }
            // The lease may last until the ledger is back.
            Err(error) => tracing::debug!(%error, "a lease could not be renewed yet"),
        }
    }
}

/// Tells what came of an attempt, again and again while the ledger cannot hear it and the lease lasts.
async fn tell(worker: &Worker, lease: Lease, ran: Result<Box<RawValue>, JobError>, last: bool) {
    let (outcome, result) = match ran {
        Ok(result) if result.get().len() > RESULT_BYTES_MAX => {
            (Outcome::Dead, to_raw_value("its answer is too large to keep").unwrap_or_default())
        }
        Ok(result) => (Outcome::Done, result),
        Err(JobError::Later(failure)) if !last => return release(worker, lease, failure).await,
        Err(JobError::Later(failure) | JobError::Never(failure)) => {
            let failure: String = failure.chars().take(FAILURE_CHARS_MAX).collect();
            (Outcome::Dead, to_raw_value(&failure).unwrap_or_default())
        }
    };
    let Lease { queue, expires_at, id: job, token, attempts, .. } = lease;
    while worker.clock.now() < expires_at {
        let (queue, result) = (queue.clone(), result.clone());
        let settle = Settle { queue, job, attempts, outcome, result, expires_at, token };
        let Ok(permitted) = Actor::service("queue").permit(settle) else { return };
        match worker.ledger.submit(permitted).await {
            Ok(_) => return,
            Err(SubmitError::Refused(SettleError::LeaseLost)) => {
                tracing::warn!(code = "queue/lease-lost", %job, "what came of the job was told too late");
                return;
            }
            Err(_) => tokio::time::sleep(TELL_AGAIN).await,
        }
    }
}

async fn release(worker: &Worker, lease: Lease, failure: String) {
    let failure: String = failure.chars().take(FAILURE_CHARS_MAX).collect();
    tracing::info!(code = "queue/attempt-failed", job = %lease.id, attempt = lease.attempts, failure, "a job failed and will be tried again");
    let expires_at = lease.expires_at;
    while worker.clock.now() < expires_at {
        let release = Release { lease: lease.clone(), failure: Some(failure.clone()) };
        if worker.ledger.operate(release).await.is_ok() {
            return;
        }
        tokio::time::sleep(TELL_AGAIN).await;
    }
}
