//! Every query about queues.

use std::time::Duration;

use clock::Timestamp;
use ids::Id;
use store::{Batch, Cell, Column, Snapshot, StoreError};

use crate::rows::{
    AnyJob, Delayed, Finished, JobCounts, JobKey, JobRow, Lease, Outcome, ProgressRow, QueueRow, ScheduleRow,
};

/// Lengths are counted up to here: beyond it, how much more does not matter.
pub const COUNTED_MAX: u64 = 100_000;

/// How a queue stands. Lengths stop at [`COUNTED_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStatus {
    pub queue: String,
    /// Jobs whose time has come and that nobody is at.
    pub ready: u64,
    pub delayed: u64,
    /// Jobs that workers are at.
    pub active: u64,
    /// Ever.
    pub done: u64,
    pub dead: u64,
    /// How long the first in line has waited since its time came.
    pub oldest: Duration,
    pub paused: bool,
    pub held: bool,
}

/// Where a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobStatus {
    Waiting { name: String, run_at: Timestamp, attempts: u16, failure: Option<String> },
    Active { name: String, attempts: u16, percent: u8, note: String },
    Finished(Finished),
}

/// Puts all unfinished jobs where those stand whose time has not come, from where claims take those whose time has; and
/// nobody else stands anywhere. A step of priority is worth this.
pub(crate) fn put_all_in_line(batch: &mut Batch<'_>, step: Duration) -> Result<(), StoreError> {
    batch.execute("DELETE FROM jobs_ready", &[])?;
    batch.execute("DELETE FROM jobs_delayed", &[])?;
    let step = Cell::Integer(i64::try_from(step.as_millis()).unwrap_or(i64::MAX));
    let all = "INSERT INTO jobs_delayed (queue, run_at, id, turn, attempts, failure) \
               SELECT queue, run_at, id, run_at - priority * $1, 0, NULL FROM jobs";
    batch.execute(all, &[step]).map(drop)
}

/// The queues that have unfinished jobs.
pub(crate) fn unfinished_queues(snapshot: &Snapshot<'_>) -> Result<Vec<String>, StoreError> {
    let mut queues = Vec::new();
    snapshot.query("SELECT DISTINCT queue FROM jobs ORDER BY queue", &[], |cells| {
        queues.push(cells.read(0)?);
        Ok(())
    })?;
    Ok(queues)
}

/// The last occurrence of a schedule that was enqueued.
pub(crate) fn last_occurrence(
    snapshot: &Snapshot<'_>,
    schedule: &str,
) -> Result<Option<Timestamp>, StoreError> {
    Ok(snapshot.get::<ScheduleRow>(&schedule.to_owned())?.map(|row| row.occurrence))
}

/// May a claim find anything to do? An idle queue costs a look, not a place in the order of changes.
pub(crate) fn may_claim(snapshot: &Snapshot<'_>, queue: &str, now: Timestamp) -> Result<bool, StoreError> {
    let rests = snapshot.get::<QueueRow>(&queue.to_owned())?.is_some_and(|state| state.paused || state.held);
    if rests {
        return Ok(false);
    }
    let any = "SELECT 1 FROM jobs_ready WHERE queue = $1 UNION ALL \
               SELECT 1 FROM jobs_delayed WHERE queue = $1 AND run_at <= $2 UNION ALL \
               SELECT 1 FROM job_leases WHERE queue = $1 AND expires_at <= $2 LIMIT 1";
    let mut found = false;
    snapshot.query(any, &[Cell::Text(queue.into()), now.cell()], |_| {
        found = true;
        Ok(())
    })?;
    Ok(found)
}

/// How a queue stands at `now`.
///
/// # Errors
/// When the store fails.
pub fn queue_status(snapshot: &Snapshot<'_>, queue: &str, now: Timestamp) -> Result<QueueStatus, StoreError> {
    let key = queue.to_owned();
    let state = snapshot.get::<QueueRow>(&key)?.unwrap_or_else(|| QueueRow::new(queue));
    let counts = snapshot.get::<JobCounts>(&key)?.unwrap_or_else(|| JobCounts::new(queue));
    let mut oldest = Duration::ZERO;
    let first = "SELECT jobs.run_at FROM jobs JOIN jobs_ready ON jobs_ready.queue = jobs.queue AND \
                 jobs_ready.id = jobs.id WHERE jobs_ready.queue = $1 ORDER BY jobs_ready.turn LIMIT 1";
    snapshot.query(first, &[key.cell()], |cells| {
        oldest = now.since(cells.read::<Timestamp>(0)?);
        Ok(())
    })?;
    // Only claims move those whose time has come, and there may be nobody who claims: that above all must be seen.
    let first_due =
        "SELECT run_at FROM jobs_delayed WHERE queue = $1 AND run_at <= $2 ORDER BY run_at LIMIT 1";
    snapshot.query(first_due, &[key.cell(), now.cell()], |cells| {
        oldest = oldest.max(now.since(cells.read::<Timestamp>(0)?));
        Ok(())
    })?;
    let count = |from: &str, now: Option<Timestamp>| count(snapshot, from, queue, now);
    let ready = count("jobs_ready WHERE queue = $1", None)?;
    let due = count("jobs_delayed WHERE queue = $1 AND run_at <= $2", Some(now))?;
    Ok(QueueStatus {
        ready: (ready + due).min(COUNTED_MAX),
        delayed: count("jobs_delayed WHERE queue = $1 AND run_at > $2", Some(now))?,
        active: count("job_leases WHERE queue = $1", None)?,
        done: counts.done,
        dead: counts.dead,
        oldest,
        paused: state.paused,
        held: state.held,
        queue: key,
    })
}

fn count(
    snapshot: &Snapshot<'_>,
    from: &str,
    queue: &str,
    now: Option<Timestamp>,
) -> Result<u64, StoreError> {
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {from} LIMIT {COUNTED_MAX}) AS counted");
    let now = now.as_ref().map(Column::cell);
    let values: Vec<_> = [Cell::Text(queue.into())].into_iter().chain(now).collect();
    let mut counted = 0;
    snapshot.query(&sql, &values, |cells| {
        counted = cells.read(0)?;
        Ok(())
    })?;
    Ok(counted)
}

/// Is a job with this key unfinished?
///
/// # Errors
/// When the store fails.
pub fn is_unfinished(snapshot: &Snapshot<'_>, queue: &str, unique_key: &str) -> Result<bool, StoreError> {
    Ok(snapshot.get::<JobKey>(&(queue.to_owned(), unique_key.to_owned()))?.is_some())
}

/// Where a job is; nothing if there is no such job, or it ended long ago.
///
/// # Errors
/// When the store fails.
pub fn job_status(
    snapshot: &Snapshot<'_>,
    queue: &str,
    id: Id<AnyJob>,
) -> Result<Option<JobStatus>, StoreError> {
    let values = [Cell::Text(queue.into()), id.cell()];
    let of_job = "WHERE queue = $1 AND id = $2";
    if let Some(job) = snapshot.get::<JobRow>(&(queue.to_owned(), id))? {
        if let Some(lease) = snapshot.rows::<Lease>(of_job, &values)?.pop() {
            let progress = snapshot.get::<ProgressRow>(&(queue.to_owned(), id))?;
            let (percent, note) = progress.map_or((0, String::new()), |row| (row.percent, row.note));
            return Ok(Some(JobStatus::Active { name: job.name, attempts: lease.attempts, percent, note }));
        }
        let delayed = snapshot.rows::<Delayed>(of_job, &values)?.pop();
        let (run_at, attempts, failure) =
            delayed.map_or((job.run_at, 0, None), |row| (row.run_at, row.attempts, row.failure));
        return Ok(Some(JobStatus::Waiting { name: job.name, run_at, attempts, failure }));
    }
    Ok(snapshot.rows::<Finished>(of_job, &values)?.pop().map(JobStatus::Finished))
}

/// Jobs that ended so, the newest first, from before a place on.
///
/// # Errors
/// When the store fails.
pub fn finished(
    snapshot: &Snapshot<'_>,
    queue: &str,
    outcome: Outcome,
    before: i64,
    limit: u32,
) -> Result<Vec<Finished>, StoreError> {
    let values = [
        Cell::Text(queue.into()),
        outcome.cell().clone(),
        Cell::Integer(before),
        Cell::Integer(limit.into()),
    ];
    snapshot.rows("WHERE queue = $1 AND outcome = $2 AND place < $3 ORDER BY place DESC LIMIT $4", &values)
}
