//! A job is asked for, inside a command.

use std::time::Duration;

use clock::Timestamp;
use ids::Id;
use problem::Problem;
use store::{StoreError, Tx};

use crate::{
    cause,
    job::Job,
    rows::{AnyJob, Delayed, JobKey, JobRow, Ready},
};

/// The highest priority; 0 is the lowest.
pub const PRIORITY_MAX: u8 = 9;

/// What one step of priority is worth: a job that has waited so long comes before one that has just come
/// with a priority one higher. So none waits for ever.
pub(crate) const STEP: Duration = Duration::from_secs(60);

/// How a job is enqueued.
#[derive(Debug, Clone)]
pub struct Enqueue {
    /// A new identifier, which came with the command.
    pub id: Id<AnyJob>,
    pub priority: u8,
    /// Not before this has passed.
    pub delay: Duration,
    /// While an unfinished job of the queue has this key, asking for another is asking for that one.
    pub unique_key: Option<String>,
}

/// Why a job was not enqueued.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    #[error("a job has no JSON form")]
    Encoding(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<EnqueueError> for Problem {
    fn from(error: EnqueueError) -> Self {
        match error {
            EnqueueError::Encoding(_) => Self::internal(&error),
            EnqueueError::Store(error) => error.into(),
        }
    }
}

impl Enqueue {
    /// As soon as a worker is free.
    #[must_use]
    pub const fn now(id: Id<AnyJob>) -> Self {
        Self { id, priority: 0, delay: Duration::ZERO, unique_key: None }
    }

    /// With this priority, at most [`PRIORITY_MAX`].
    #[must_use]
    pub fn with_priority(mut self, priority: u8) -> Self {
        self.priority = priority.min(PRIORITY_MAX);
        self
    }

    /// Not before this has passed.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Once, however often it is asked for while it is unfinished.
    #[must_use]
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        self.unique_key = Some(key.into());
        self
    }
}

/// Enqueues `job`, which exists if and only if the command that runs now is accepted. Answers with its
/// identifier, or that of the unfinished job with the same key.
///
/// # Errors
/// When the store fails, or the job has no JSON form.
pub fn enqueue<J: Job>(
    tx: &mut Tx<'_>,
    at: Timestamp,
    job: &J,
    how: Enqueue,
) -> Result<Id<AnyJob>, EnqueueError> {
    let Enqueue { id, priority, delay, unique_key } = how;
    let queue = J::QUEUE.to_owned();
    if let Some(unique_key) = unique_key.clone() {
        if let Some(known) = tx.get::<JobKey>((queue.clone(), unique_key.clone()))? {
            return Ok(known.id);
        }
        tx.put(JobKey { queue: queue.clone(), unique_key, id });
    }
    let row = JobRow {
        queue,
        id,
        name: J::NAME.to_owned(),
        payload: serde_json::to_vec(job)?,
        priority,
        attempts_max: J::ATTEMPTS_MAX,
        unique_key,
        run_at: at.plus(delay),
        enqueued_at: at,
    };
    put_in_line(tx, &row, at);
    tx.put(row);
    Ok(id)
}

/// Puts a job where it is found when its time has come, with the trace that it comes from.
pub(crate) fn put_in_line(tx: &mut Tx<'_>, row: &JobRow, at: Timestamp) {
    let JobRow { queue, id, run_at, .. } = row.clone();
    cause::remember(tx, &queue, id);
    let turn = turn(run_at, row.priority);
    if run_at <= at {
        tx.put(Ready { queue, turn, id, attempts: 0 });
    } else {
        tx.put(Delayed { queue, run_at, id, turn, attempts: 0, failure: None });
    }
}

/// Takes a job out of line whom nobody ever took from there.
pub(crate) fn leave_line(tx: &mut Tx<'_>, row: &JobRow) -> Result<(), StoreError> {
    let JobRow { queue, id, run_at, .. } = row.clone();
    if let Some(ready) = tx.get::<Ready>((queue.clone(), turn(run_at, row.priority), id))? {
        tx.delete(ready);
    }
    if let Some(delayed) = tx.get::<Delayed>((queue, run_at, id))? {
        tx.delete(delayed);
    }
    Ok(())
}

/// The place in the line of a job that wants to run then.
pub(crate) fn turn(run_at: Timestamp, priority: u8) -> i64 {
    let worth = STEP * u32::from(priority);
    i64::try_from(run_at.minus(worth).millis()).unwrap_or(i64::MAX)
}
