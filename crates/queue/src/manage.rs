//! What operators do to queues: pause them, let held ones go, try dead jobs again, forget them; and what a start and a
//! restore do.

use authz::{Actor, By, Guarded, Role};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command, Operation};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Batch, Column, Keys, Scan, StoreError, Tx};

use crate::{
    enqueue::{STEP, put_in_line},
    rows::{AnyJob, Finished, JobRow, Lease, Outcome, QueueRow, Ready},
    sql,
};

/// Dead jobs that one command forgets.
const PURGED_MAX: usize = 500;

/// Stops workers from taking jobs of a queue, or lets them take some again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pause {
    pub queue: String,
    pub paused: bool,
}

/// Holds what a restore found unfinished, or lets it go.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hold {
    pub queue: String,
    pub held: bool,
}

/// Puts back in line what workers were at. Only for whoever knows that there are none.
#[derive(Debug, Clone)]
pub struct TakeBack {
    pub queue: String,
}

/// A job that was given up is tried again, with all its attempts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryDead {
    pub queue: String,
    /// Which of those that were given up.
    pub place: u64,
}

/// Jobs that were given up are forgotten.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PurgeDead {
    pub queue: String,
    /// At most 500; those that are not there are passed over.
    pub places: Vec<u64>,
}

/// Why an operator's wish was not granted.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    #[error("there is no such job among those that were given up")]
    NoSuchJob,
    #[error("at most {PURGED_MAX} jobs can be forgotten at once")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who may look after queues?
#[must_use]
pub fn may_manage(actor: &Actor) -> bool {
    actor.is_service() || actor.has(Role::Administrator) || actor.has(Role::Operator)
}

fn state(tx: &mut Tx<'_>, queue: &str) -> Result<QueueRow, StoreError> {
    Ok(tx.get::<QueueRow>(queue.to_owned())?.unwrap_or_else(|| QueueRow::new(queue)))
}

impl Guarded for Pause {
    fn allows(&self, actor: &Actor) -> bool {
        may_manage(actor)
    }
}

impl Guarded for Hold {
    fn allows(&self, actor: &Actor) -> bool {
        may_manage(actor)
    }
}

impl Command for Pause {
    const NAME: &'static str = "queue/pause";
    type Done = ();
    type Refused = ManageError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<QueueRow>(self.queue.clone());
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, ManageError> {
        let state = QueueRow { paused: self.paused, ..state(tx, &self.queue)? };
        tx.put(state);
        Ok(Applied::new(()))
    }
}

impl Command for Hold {
    const NAME: &'static str = "queue/hold";
    type Done = ();
    type Refused = ManageError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<QueueRow>(self.queue.clone());
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, ManageError> {
        let state = QueueRow { held: self.held, ..state(tx, &self.queue)? };
        tx.put(state);
        Ok(Applied::new(()))
    }
}

impl Operation for TakeBack {
    /// How many there were.
    type Done = u32;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<QueueRow>(self.queue.clone());
    }

    fn apply(self, tx: &mut Tx<'_>, _at: Timestamp) -> Result<u32, StoreError> {
        let mut taken_back = 0;
        let all = Scan { prefix: vec![self.queue.cell()], below: None, limit: usize::MAX };
        for lease in tx.scan::<Lease>(&all)? {
            let Lease { queue, id, turn, attempts, .. } = lease.clone();
            tx.delete(lease);
            tx.put(Ready { queue, turn, id, attempts });
            taken_back += 1;
        }
        let before = state(tx, &self.queue)?;
        if before.leased > 0 {
            tx.put(QueueRow { leased: 0, ..before });
        }
        Ok(taken_back)
    }
}

/// Puts all unfinished jobs in line anew: the last touch to a database that was restored, whose jobs may be done twice.
///
/// # Errors
/// When the store fails.
pub fn line_up_unfinished(batch: &mut Batch<'_>) -> Result<(), StoreError> {
    sql::put_all_in_line(batch, STEP)
}

/// Puts all unfinished jobs in line anew, and holds their queues: the last touch to a database that was restored,
/// however its rows came there, whose jobs may have been done since. Answers which queues.
///
/// # Errors
/// When the store fails.
pub fn hold_unfinished(batch: &mut Batch<'_>) -> Result<Vec<String>, StoreError> {
    line_up_unfinished(batch)?;
    let queues = batch.read(sql::unfinished_queues)?;
    for queue in &queues {
        batch.replace(QueueRow { held: true, ..QueueRow::new(queue) });
    }
    Ok(queues)
}

impl Guarded for RetryDead {
    fn allows(&self, actor: &Actor) -> bool {
        may_manage(actor)
    }
}

impl Command for RetryDead {
    const NAME: &'static str = "queue/retry-dead";
    type Done = Id<AnyJob>;
    type Refused = ManageError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Finished>((self.queue.clone(), Outcome::Dead, self.place));
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<Id<AnyJob>>, ManageError> {
        let dead = tx.get::<Finished>((self.queue, Outcome::Dead, self.place))?;
        let dead = dead.ok_or(ManageError::NoSuchJob)?;
        let job = JobRow {
            queue: dead.queue.clone(),
            id: dead.id,
            name: dead.name.clone(),
            payload: dead.payload.clone(),
            priority: 0,
            attempts_max: dead.attempts_max,
            unique_key: None,
            run_at: at,
            enqueued_at: at,
        };
        put_in_line(tx, &job, at);
        let id = job.id;
        tx.put(job);
        tx.delete(dead);
        Ok(Applied::new(id))
    }
}

impl Guarded for PurgeDead {
    fn allows(&self, actor: &Actor) -> bool {
        may_manage(actor)
    }
}

impl Command for PurgeDead {
    const NAME: &'static str = "queue/purge-dead";
    /// How many were there.
    type Done = u64;
    type Refused = ManageError;

    fn reads(&self, keys: &mut Keys<'_>) {
        for place in self.places.iter().take(PURGED_MAX) {
            keys.want::<Finished>((self.queue.clone(), Outcome::Dead, *place));
        }
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<u64>, ManageError> {
        if self.places.len() > PURGED_MAX {
            return Err(ManageError::TooMany);
        }
        let mut purged = 0;
        for place in self.places {
            if let Some(dead) = tx.get::<Finished>((self.queue.clone(), Outcome::Dead, place))? {
                tx.delete(dead);
                purged += 1;
            }
        }
        Ok(Applied::new(purged))
    }
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        match error {
            ManageError::NoSuchJob => Self::not_found("queue/no-such-job", error),
            ManageError::TooMany => Self::unprocessable("queue/too-many", error),
            ManageError::Store(error) => error.into(),
        }
    }
}
