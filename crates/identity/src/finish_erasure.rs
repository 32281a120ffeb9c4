//! The job that finishes an erasure, should whoever began it be gone: the key to all that is sealed about somebody
//! goes first, then their rows and the erasable parts of their entries.

use std::time::Duration;

use authz::Person;
use ids::Id;
use ledger::SubmitError;
use problem::Problem;
use queue::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};

use crate::{
    Identity,
    authenticate::by_itself,
    erase_person::{ErasePerson, ErasePersonError, Erased},
};

/// Whoever asked for an erasure carries it out themselves; the job comes when they could have. A replay waits as long:
/// never change it.
pub(crate) const HEAD_START: Duration = Duration::from_secs(1);

/// Finishes an erasure that has begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FinishErasure {
    pub(crate) person: Id<Person>,
}

impl Job for FinishErasure {
    const NAME: &'static str = "identity/finish-erasure";
    const QUEUE: &'static str = "erasures";
    /// Every hour for more than a year: what was promised is not given up.
    const ATTEMPTS_MAX: u16 = 10_000;
    type Context = Identity;
    type Done = ();

    async fn run(self, identity: Identity, _attempt: Attempt) -> Result<(), JobError> {
        identity.finish_erasure(self.person).await.map_err(|problem| later(&problem))
    }
}

/// What is kept of a problem that may be over soon.
pub(crate) fn later(problem: &Problem) -> JobError {
    JobError::Later(problem.code().to_owned())
}

impl Identity {
    /// Finishes an erasure that has begun. Doing it twice at once is doing it once.
    ///
    /// # Errors
    /// When the key could not be destroyed, or the rows not be taken; the job tries again.
    pub(crate) async fn finish_erasure(&self, person: Id<Person>) -> Result<(), Problem> {
        self.person_keys().destroy(person).await?;
        loop {
            match self.ledger().submit(by_itself(ErasePerson { person })?).await {
                Ok(receipt) if receipt.done == Erased::InPart => {}
                Ok(_) | Err(SubmitError::Refused(ErasePersonError::NoSuchPerson)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
