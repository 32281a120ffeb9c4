//! A person is forgotten: what is left of them are entries that say nothing.
//!
//! It takes two commands, and the destruction of the person's data key between them. The first records that
//! they are to be erased and enqueues a job that finishes it, so that a crash or a caller who hangs up leaves nothing
//! half done.

use authz::{Actor, By, Guarded, Role, Roles};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use queue::{AnyJob, Enqueue, EnqueueError};
use serde::{Deserialize, Serialize};
use store::{Keys, StoreError, Tx, table};

use crate::{
    administrators::recount,
    enrol_device_key::device_keys_of,
    finish_erasure::{FinishErasure, HEAD_START},
    known_place::places_of,
    person::{EPOCH_ERASED, Person, PersonEpoch, TakenName},
    proof::{Proof, ProofError},
    sign_out::{CLEARED_MAX, end_all_sessions, sessions_of},
};

table! {
    /// Somebody who is being erased.
    pub struct Erasure in "erasures", Replayed {
        key { pub person: Id<authz::Person> }
        pub since: Timestamp,
    }
}

/// Decides that a person is erased. From then on they cannot sign in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BeginErasure {
    pub person: Id<authz::Person>,
    /// How whoever asks proved, just now, who they are.
    pub proof: Proof,
    /// The job that finishes it; entries from before there were jobs have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Id<AnyJob>>,
}

/// Takes the rows of somebody whose data key was destroyed, as many as fit one command, and with the last
/// of them the erasable parts of their entries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErasePerson {
    pub person: Id<authz::Person>,
}

/// How far an erasure has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Erased {
    Wholly,
    /// More rows are left than one command takes.
    InPart,
}

/// Why nobody was erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasePersonError {
    #[error("there is no such person")]
    NoSuchPerson,
    #[error("somebody who holds a role is erased by administrators, or by themselves")]
    Privileged,
    #[error("the last administrator cannot be erased; make another one first")]
    LastAdministrator,
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Erasing a person.
pub(crate) struct MayErase(pub(crate) Id<authz::Person>);

impl Guarded for MayErase {
    fn allows(&self, actor: &Actor) -> bool {
        actor.is(self.0) || actor.has(Role::Support) || actor.has(Role::Administrator)
    }
}

impl Guarded for BeginErasure {
    fn allows(&self, actor: &Actor) -> bool {
        MayErase(self.person).allows(actor)
    }
}

impl Guarded for ErasePerson {
    /// Only this service gives it, after destroying the key.
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl BeginErasure {
    /// Who may erase somebody with these roles?
    fn check_roles(&self, by: &By, roles: Roles) -> Result<(), ErasePersonError> {
        let own = by.person() == Some(self.person);
        if roles == Roles::NONE || own || by.roles().contains(Role::Administrator) {
            return Ok(());
        }
        Err(ErasePersonError::Privileged)
    }
}

impl Command for BeginErasure {
    const NAME: &'static str = "identity/begin-erasure";
    type Done = ();
    type Refused = ErasePersonError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Person>(self.person);
    }

    fn apply(self, by: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, ErasePersonError> {
        let person = tx.get::<Person>(self.person)?.ok_or(ErasePersonError::NoSuchPerson)?;
        let asks = by.person().map_or(Ok(None), |asks| tx.get::<Person>(asks))?;
        self.proof.redeem(&asks.ok_or(ErasePersonError::NoSuchPerson)?, tx, at)?;
        self.check_roles(by, person.roles)?;
        let disabled = Person { disabled: true, ..person.clone() };
        if !recount(tx, Some(&person), Some(&disabled))? {
            return Err(ErasePersonError::LastAdministrator);
        }
        end_all_sessions(tx, &person)?;
        tx.put(disabled);
        tx.put(Erasure { person: self.person, since: at });
        if let Some(job) = self.job {
            let finish = FinishErasure { person: self.person };
            queue::enqueue(tx, at, &finish, Enqueue::now(job).after(HEAD_START))?;
        }
        Ok(Applied::new(()).about(self.person))
    }
}

impl Command for ErasePerson {
    const NAME: &'static str = "identity/erase-person";
    type Done = Erased;
    type Refused = ErasePersonError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Person>(self.person);
        keys.want::<Erasure>(self.person);
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<Erased>, ErasePersonError> {
        let erasure = tx.get::<Erasure>(self.person)?.ok_or(ErasePersonError::NoSuchPerson)?;
        let person = tx.get::<Person>(self.person)?.ok_or(ErasePersonError::NoSuchPerson)?;
        let (sessions, places) = (sessions_of(tx, person.id)?, places_of(tx, person.id, CLEARED_MAX)?);
        let more = sessions.len() == CLEARED_MAX || places.len() == CLEARED_MAX;
        sessions.into_iter().for_each(|session| tx.delete(session));
        places.into_iter().for_each(|place| tx.delete(place));
        if more {
            return Ok(Applied::new(Erased::InPart).about(self.person));
        }
        if let Some(taken) = tx.get::<TakenName>(person.login.key())? {
            tx.delete(taken);
        }
        for key in device_keys_of(tx, person.id)? {
            tx.delete(key);
        }
        tx.put(PersonEpoch { number: person.number, epoch: EPOCH_ERASED });
        tx.delete(person);
        tx.delete(erasure);
        Ok(Applied::new(Erased::Wholly).erasing(self.person))
    }
}

impl From<ErasePersonError> for Problem {
    fn from(error: ErasePersonError) -> Self {
        match error {
            ErasePersonError::NoSuchPerson => Self::not_found("identity/no-such-person", error),
            ErasePersonError::Privileged => Self::forbidden("identity/privileged-person", error),
            ErasePersonError::LastAdministrator => Self::conflict("identity/last-administrator", error),
            ErasePersonError::Proof(error) => error.into(),
            ErasePersonError::Enqueue(error) => error.into(),
            ErasePersonError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::Challenge;

    #[test]
    fn a_beginning_from_before_there_were_jobs_reads_and_is_written_as_it_was() {
        let challenge = Challenge { expires_at: Timestamp::EPOCH, nonce: [7; 16] };
        let proof = Proof::DeviceKey { key: Id::from_bytes([1; 16]), challenge };
        let proof = serde_json::to_string(&proof).expect("it has a JSON form");
        let body = format!(r#"{{"person":"01890a5d-ac96-774b-bcce-b302099a8057","proof":{proof}}}"#);
        let read: BeginErasure = serde_json::from_str(&body).expect("it reads");
        assert_eq!(read.job, None);
        assert_eq!(serde_json::to_string(&read).expect("it has a JSON form"), body);
    }
}
