//! Which jobs there are, by their names.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    job::{Attempt, Job, JobError},
    schedule::Schedule,
};

type Run = Arc<dyn Fn(&[u8], Attempt) -> BoxFuture<'static, Result<Box<RawValue>, JobError>> + Send + Sync>;

/// The jobs that a process can do, with what they work with.
#[derive(Clone, Default)]
pub struct Registry {
    jobs: HashMap<&'static str, Run>,
    queues: BTreeSet<&'static str>,
    schedules: Vec<Schedule>,
}

impl Registry {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more kind of job.
    ///
    /// # Panics
    /// If another kind has the same name, which no release may ever do.
    #[must_use]
    pub fn with<J: Job>(mut self, context: J::Context) -> Self {
        let run: Run = Arc::new(move |payload, attempt| {
            let job = serde_json::from_slice::<J>(payload);
            let context = context.clone();
            async move {
                let job =
                    job.map_err(|error| JobError::Never(format!("its payload cannot be read: {error}")))?;
                let done = job.run(context, attempt).await?;
                to_raw_value(&done)
                    .map_err(|error| JobError::Never(format!("its answer has no JSON form: {error}")))
            }
            .boxed()
        });
        let earlier = self.jobs.insert(J::NAME, run);
        assert!(earlier.is_none(), "two kinds of jobs are named `{}`", J::NAME);
        self.queues.insert(J::QUEUE);
        self
    }

    /// One more schedule of its jobs.
    #[must_use]
    pub fn scheduled(mut self, schedule: Schedule) -> Self {
        self.schedules.push(schedule);
        self
    }

    /// Only the queues named.
    #[must_use]
    pub fn only(mut self, queues: &[String]) -> Self {
        self.queues.retain(|queue| queues.iter().any(|named| named == queue));
        self.schedules.retain(|schedule| self.queues.contains(schedule.queue));
        self
    }

    /// The queues that they stand in.
    pub fn queues(&self) -> impl Iterator<Item = &'static str> {
        self.queues.iter().copied().collect::<Vec<_>>().into_iter()
    }

    pub(super) fn schedules(&self) -> &[Schedule] {
        &self.schedules
    }

    pub(super) fn run(
        &self,
        name: &str,
        payload: &[u8],
        attempt: Attempt,
    ) -> BoxFuture<'static, Result<Box<RawValue>, JobError>> {
        match self.jobs.get(name) {
            Some(run) => run(payload, attempt),
            // Perhaps a newer release has it: it is left to that.
            None => {
                let unknown = JobError::Later(format!("this release knows no job `{name}`"));
                async { Err(unknown) }.boxed()
            }
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.jobs.keys()).finish()
    }
}
