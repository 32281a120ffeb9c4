//! The tables and commands that a service with jobs adds to its own.

use ledger::Commands;
use store::Schema;

use crate::{
    manage::{Hold, Pause, PurgeDead, RetryDead},
    occur::Occur,
    rows::{
        CauseRow, Delayed, Finished, JobCounts, JobKey, JobRow, Lease, ProgressRow, QueueRow, Ready,
        ScheduleRow,
    },
    settle::Settle,
};

/// The tables of queues.
#[must_use]
pub fn schema() -> Schema {
    Schema::new()
        .migration("queue/0001_jobs", include_str!("../migrations/0001_jobs.sql"))
        .migration("queue/0002_schedules", include_str!("../migrations/0002_schedules.sql"))
        .migration("queue/0003_causes", include_str!("../migrations/0003_causes.sql"))
        .table::<JobRow>()
        .table::<JobKey>()
        .table::<Finished>()
        .table::<JobCounts>()
        .table::<Ready>()
        .table::<Delayed>()
        .table::<Lease>()
        .table::<ProgressRow>()
        .table::<QueueRow>()
        .table::<ScheduleRow>()
        .table::<CauseRow>()
}

/// `commands` with those of queues.
#[must_use]
pub fn commands(commands: Commands) -> Commands {
    let managing = commands.with::<Pause>().with::<Hold>().with::<RetryDead>().with::<PurgeDead>();
    managing.with::<Occur>().with::<Settle>()
}
