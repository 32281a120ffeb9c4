//! The rows of queues.

use clock::Timestamp;
use ids::Id;
use serde::{Deserialize, Serialize};
use store::{Cell, CellRef, Column, ColumnType, table};

/// The kind of a job's identifier.
#[derive(Debug)]
pub enum AnyJob {}

/// Results that a queue keeps of jobs that were done.
pub const DONE_KEPT: u64 = 1000;

/// Jobs that a queue keeps of those that were given up.
pub const DEAD_KEPT: u64 = 5000;

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Done,
    /// Given up: it stays to be looked at and tried again by hand.
    Dead,
}

impl Outcome {
    /// How many ended so are kept.
    pub(crate) const fn kept(self) -> u64 {
        match self {
            Self::Done => DONE_KEPT,
            Self::Dead => DEAD_KEPT,
        }
    }
}

impl Column for Outcome {
    const TYPE: ColumnType = ColumnType::BigInt;
    const EXPECTED: &'static str = "0 for done or 1 for dead";

    fn cell(&self) -> Cell<'_> {
        Cell::Integer(match self {
            Self::Done => 0,
            Self::Dead => 1,
        })
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        match cell {
            CellRef::Integer(0) => Some(Self::Done),
            CellRef::Integer(1) => Some(Self::Dead),
            CellRef::Null | CellRef::Integer(_) | CellRef::Text(_) | CellRef::Bytes(_) => None,
        }
    }
}

table! {
    /// A job that has not ended.
    pub(crate) struct JobRow in "jobs", Replayed {
        key { pub(crate) queue: String, pub(crate) id: Id<AnyJob> }
        pub(crate) name: String,
        /// JSON.
        pub(crate) payload: Vec<u8>,
        pub(crate) priority: u8,
        pub(crate) attempts_max: u16,
        pub(crate) unique_key: Option<String>,
        pub(crate) run_at: Timestamp,
        pub(crate) enqueued_at: Timestamp,
    }
}

table! {
    /// An unfinished job's key, which no other may have meanwhile.
    pub(crate) struct JobKey in "job_keys", Replayed {
        key { pub(crate) queue: String, pub(crate) unique_key: String }
        pub(crate) id: Id<AnyJob>,
    }
}

table! {
    /// A job that has ended.
    pub struct Finished in "jobs_finished", Replayed {
        key {
            pub queue: String,
            pub outcome: Outcome,
            /// Which of those that ended so it was, counted from nought.
            pub place: u64,
        }
        pub id: Id<AnyJob>,
        pub name: String,
        /// Kept of those that were given up, so that they can be tried again.
        pub payload: Vec<u8>,
        /// JSON: what it answered, or why it was given up.
        pub result: Vec<u8>,
        pub attempts: u16,
        pub at: Timestamp,
        pub attempts_max: u16,
    }
}

table! {
    /// The last occurrence of a schedule.
    pub(crate) struct ScheduleRow in "schedules", Replayed {
        key { pub(crate) schedule: String }
        pub(crate) occurrence: Timestamp,
        /// The job that it was enqueued as.
        pub(crate) job: Id<AnyJob>,
    }
}

table! {
    /// How many have ended.
    pub(crate) struct JobCounts in "job_counts", Replayed {
        key { pub(crate) queue: String }
        pub(crate) done: u64,
        pub(crate) dead: u64,
    }
}

table! {
    /// A job that waits for a worker.
    pub(crate) struct Ready in "jobs_ready", Operational {
        key {
            pub(crate) queue: String,
            /// Its place in the line: the time it wants to run, less what its priority is worth.
            pub(crate) turn: i64,
            pub(crate) id: Id<AnyJob>,
        }
        pub(crate) attempts: u16,
    }
}

table! {
    /// A job that waits for its time.
    pub(crate) struct Delayed in "jobs_delayed", Operational {
        key { pub(crate) queue: String, pub(crate) run_at: Timestamp, pub(crate) id: Id<AnyJob> }
        pub(crate) turn: i64,
        pub(crate) attempts: u16,
        /// Why the last attempt failed, if there was one.
        pub(crate) failure: Option<String>,
    }
}

table! {
    /// A job that a worker is at.
    pub struct Lease in "job_leases", Operational {
        key {
            pub queue: String,
            /// When the worker is given up, unless it renews.
            pub expires_at: Timestamp,
            pub id: Id<AnyJob>,
        }
        /// Good for this attempt alone.
        pub token: [u8; 16],
        pub worker: String,
        pub turn: i64,
        /// Attempts, with this one.
        pub attempts: u16,
        pub started_at: Timestamp,
    }
}

table! {
    /// How far a job has come.
    pub(crate) struct ProgressRow in "job_progress", Operational {
        key { pub(crate) queue: String, pub(crate) id: Id<AnyJob> }
        pub(crate) percent: u8,
        pub(crate) note: String,
    }
}

table! {
    /// In which trace a job was asked for.
    pub(crate) struct CauseRow in "job_causes", Operational {
        key { pub(crate) queue: String, pub(crate) slot: u64 }
        pub(crate) id: Id<AnyJob>,
        /// A `traceparent`.
        pub(crate) trace: String,
    }
}

table! {
    /// How a queue is run.
    pub(crate) struct QueueRow in "queues", Operational {
        key { pub(crate) queue: String }
        pub(crate) paused: bool,
        /// After a restore: nothing runs before an operator has looked.
        pub(crate) held: bool,
        /// Jobs that workers are at.
        pub(crate) leased: u32,
        /// The second in which jobs were last taken, and how many were.
        pub(crate) second: u64,
        pub(crate) taken_in_second: u32,
    }
}

impl QueueRow {
    pub(crate) fn new(queue: &str) -> Self {
        let queue = queue.to_owned();
        Self { queue, paused: false, held: false, leased: 0, second: 0, taken_in_second: 0 }
    }
}

impl JobCounts {
    pub(crate) fn new(queue: &str) -> Self {
        Self { queue: queue.to_owned(), done: 0, dead: 0 }
    }

    /// Counts one more, and tells which one it is.
    pub(crate) fn count(&mut self, outcome: Outcome) -> u64 {
        let count = match outcome {
            Outcome::Done => &mut self.done,
            Outcome::Dead => &mut self.dead,
        };
        *count += 1;
        *count - 1
    }
}
