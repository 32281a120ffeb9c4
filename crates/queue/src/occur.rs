//! An occurrence of a schedule becomes a job, once.

use authz::{Actor, By, Guarded};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{Keys, StoreError, Tx};

use crate::{
    enqueue::put_in_line,
    rows::{AnyJob, JobKey, JobRow, ScheduleRow},
    schedule::Schedule,
};

/// Enqueues the job of a schedule's occurrence. While an earlier occurrence's job is unfinished it is the same job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Occur {
    pub schedule: String,
    pub occurrence: Timestamp,
    /// The job, should there be a new one.
    pub job: Id<AnyJob>,
    pub queue: String,
    pub name: String,
    pub payload: Box<RawValue>,
    pub attempts_max: u16,
}

/// Why an occurrence was not enqueued.
#[derive(Debug, thiserror::Error)]
pub enum OccurError {
    #[error("this occurrence, or a later one, was enqueued already")]
    Past,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Occur {
    /// This occurrence of a schedule.
    pub(crate) fn of(schedule: &Schedule, occurrence: Timestamp, job: Id<AnyJob>) -> Self {
        Self {
            schedule: schedule.name.to_owned(),
            occurrence,
            job,
            queue: schedule.queue.to_owned(),
            name: schedule.job.to_owned(),
            payload: schedule.payload.clone(),
            attempts_max: schedule.attempts_max,
        }
    }

    /// The key by which an unfinished job is known as this schedule's.
    fn unique_key(&self) -> String {
        format!("schedule {}", self.schedule)
    }
}

impl Guarded for Occur {
    /// Only those give it who keep schedules.
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl Command for Occur {
    const NAME: &'static str = "queue/occur";
    type Done = Id<AnyJob>;
    type Refused = OccurError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<ScheduleRow>(self.schedule.clone());
        keys.want::<JobKey>((self.queue.clone(), self.unique_key()));
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<Id<AnyJob>>, OccurError> {
        let known = tx.get::<ScheduleRow>(self.schedule.clone())?;
        if known.is_some_and(|known| known.occurrence >= self.occurrence) {
            return Err(OccurError::Past);
        }
        let unique_key = self.unique_key();
        let Self { schedule, occurrence, job: id, queue, name, payload, attempts_max } = self;
        let unfinished = tx.get::<JobKey>((queue.clone(), unique_key.clone()))?;
        let job = unfinished.as_ref().map_or(id, |key| key.id);
        tx.put(ScheduleRow { schedule, occurrence, job });
        if unfinished.is_none() {
            tx.put(JobKey { queue: queue.clone(), unique_key: unique_key.clone(), id });
            let row = JobRow {
                queue,
                id,
                name,
                payload: payload.get().as_bytes().to_vec(),
                priority: 0,
                attempts_max,
                unique_key: Some(unique_key),
                run_at: at,
                enqueued_at: at,
            };
            put_in_line(tx, &row, at);
            tx.put(row);
        }
        Ok(Applied::new(job))
    }
}

impl From<OccurError> for Problem {
    fn from(error: OccurError) -> Self {
        match error {
            OccurError::Past => Self::conflict("queue/occurrence-past", error),
            OccurError::Store(error) => error.into(),
        }
    }
}
