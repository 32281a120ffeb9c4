//! A job as a value with a name.

use std::{fmt, sync::Arc};

use ids::Id;
use serde::{Serialize, de::DeserializeOwned};

use crate::rows::AnyJob;

/// Work that outlives the request that asked for it. It may run twice: make `run` idempotent.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Stored with every job: never change it.
    const NAME: &'static str;
    /// The queue it stands in. A replay enqueues it again: never change it for a kind of job that there was.
    const QUEUE: &'static str;
    /// Attempts before it is given up; likewise never changed.
    const ATTEMPTS_MAX: u16 = 8;
    /// What it works with.
    type Context: Clone + Send + Sync + 'static;
    /// What it answers; kept for a while, so never a secret.
    type Done: Serialize;

    /// Does the work.
    fn run(
        self,
        context: Self::Context,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Self::Done, JobError>> + Send;
}

/// Why an attempt failed. The words are kept, and shown to operators: they must hold nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// It may go better later.
    #[error("{0}")]
    Later(String),
    /// It will never go: it is given up at once.
    #[error("{0}")]
    Never(String),
}

/// One attempt at a job.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The job; the same in every attempt, so that what it does elsewhere can be done once.
    pub job: Id<AnyJob>,
    /// Counted from one.
    pub number: u16,
    pub progress: Progress,
}

/// Tells how far a job has come; told again at most once a second.
#[derive(Clone)]
pub struct Progress(pub(crate) Arc<Tell>);

type Tell = dyn Fn(u8, &str) + Send + Sync;

impl Progress {
    /// It has come so far, in percent, and is at this.
    pub fn tell(&self, percent: u8, note: &str) {
        (self.0)(percent.min(100), note);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
