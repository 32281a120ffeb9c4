//! A job has ended: done, or given up.

use authz::{Actor, By, Guarded};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{Keys, StoreError, Tx};

use crate::{
    cause,
    claim::{Held, held, let_go},
    enqueue::leave_line,
    rows::{AnyJob, CauseRow, Finished, JobCounts, JobKey, JobRow, Lease, Outcome, ProgressRow, QueueRow},
};

/// Ends a job, under the lease of its last attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settle {
    pub queue: String,
    pub job: Id<AnyJob>,
    pub attempts: u16,
    pub outcome: Outcome,
    /// What it answered, or why it was given up.
    pub result: Box<RawValue>,
    /// When the lease ends, and its token.
    pub expires_at: Timestamp,
    pub token: [u8; 16],
}

/// Why a job was not ended.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    #[error("the job was given to another worker meanwhile, or has ended")]
    LeaseLost,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Guarded for Settle {
    /// Only workers give it.
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl Command for Settle {
    const NAME: &'static str = "queue/settle";
    type Done = ();
    type Refused = SettleError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<JobRow>((self.queue.clone(), self.job));
        keys.want::<JobCounts>(self.queue.clone());
        keys.want::<QueueRow>(self.queue.clone());
        keys.want::<Lease>((self.queue.clone(), self.expires_at, self.job));
        keys.want::<ProgressRow>((self.queue.clone(), self.job));
        keys.want::<CauseRow>(cause::place(&self.queue, self.job));
    }

    /// A late word of a worker that was given up does not count.
    fn admit(&self, tx: &mut Tx<'_>, _at: Timestamp) -> Result<(), SettleError> {
        let lease = Held { expires_at: self.expires_at, id: self.job, token: self.token };
        held(tx, &self.queue, lease)?.map(drop).ok_or(SettleError::LeaseLost)
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, SettleError> {
        let Self { queue, job: id, attempts, outcome, result, .. } = self;
        let job = tx.get::<JobRow>((queue.clone(), id))?.ok_or(SettleError::LeaseLost)?;
        let mut counts = tx.get::<JobCounts>(queue.clone())?.unwrap_or_else(|| JobCounts::new(&queue));
        let place = counts.count(outcome);
        tx.put(counts);
        if let Some(unique_key) = job.unique_key.clone()
            && let Some(key) = tx.get::<JobKey>((queue.clone(), unique_key))?
        {
            tx.delete(key);
        }
        if let Some(oldest) = place.checked_sub(outcome.kept())
            && let Some(oldest) = tx.get::<Finished>((queue.clone(), outcome, oldest))?
        {
            tx.delete(oldest);
        }
        match tx.get::<Lease>((queue.clone(), self.expires_at, id))? {
            Some(lease) => let_go(tx, lease)?,
            // A replay has no leases: the job stands where it was put in line.
            None => leave_line(tx, &job)?,
        }
        if let Some(progress) = tx.get::<ProgressRow>((queue.clone(), id))? {
            tx.delete(progress);
        }
        cause::forget(tx, &queue, id)?;
        let payload = match outcome {
            Outcome::Done => Vec::new(),
            Outcome::Dead => job.payload.clone(),
        };
        let result = result.get().as_bytes().to_vec();
        let (name, attempts_max) = (job.name.clone(), job.attempts_max);
        tx.put(Finished { queue, outcome, place, id, name, payload, result, attempts, at, attempts_max });
        tx.delete(job);
        Ok(Applied::new(()))
    }
}

impl From<SettleError> for Problem {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::LeaseLost => Self::conflict("queue/lease-lost", error),
            SettleError::Store(error) => error.into(),
        }
    }
}
