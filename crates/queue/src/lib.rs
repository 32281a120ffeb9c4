//! Work that outlives the request that asked for it.
//!
//! A job is enqueued inside a command: it exists if and only if what the command did does. Workers *claim*
//! jobs for a while, under a token that is good for one attempt; what came of a job is *settled* by a
//! command again, so the ledger tells of every job when it was asked for and how it ended. Claims are
//! operations, which no entry tells of. A job may run twice (its worker may die after the work and before
//! the word), but is settled once.

mod backoff;
mod cause;
mod claim;
mod enqueue;
mod job;
mod manage;
mod occur;
mod release;
mod renew;
mod rows;
mod schedule;
mod schema;
mod settle;
mod sql;
mod workers;

pub use claim::{Claim, Claimed, QueueLimits};
pub use enqueue::{Enqueue, EnqueueError, PRIORITY_MAX, enqueue};
pub use job::{Attempt, Job, JobError, Progress};
pub use manage::{
    Hold, ManageError, Pause, PurgeDead, RetryDead, TakeBack, hold_unfinished, line_up_unfinished, may_manage,
};
pub use occur::{Occur, OccurError};
pub use release::Release;
pub use renew::Renew;
pub use rows::{AnyJob, DEAD_KEPT, DONE_KEPT, Finished, Lease, Outcome};
pub use schedule::{Schedule, ScheduleError};
pub use schema::{commands, schema};
pub use settle::{Settle, SettleError};
pub use sql::{COUNTED_MAX, JobStatus, QueueStatus, finished, is_unfinished, job_status, queue_status};
pub use workers::{Bell, QueueConfig, Registry, WorkerConfig, Workers};
