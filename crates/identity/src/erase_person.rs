//! A person is forgotten: what is left of them are entries that say nothing.

use authz::{Actor, By, Guarded, Role};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Column, Keys, Scan, StoreError, Tx};

use crate::{
    enrol_device_key::device_keys_of,
    person::{EPOCH_ERASED, Person, PersonEpoch, TakenName},
    session::KnownDevice,
    sign_out::sessions_of,
};

/// Devices that are forgotten with a person in one command: more than anybody has.
const DEVICES_MAX: usize = 1000;

/// Erases a person. Their data key was destroyed before; this takes their rows and the erasable parts of
/// their entries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErasePerson {
    pub person: Id<authz::Person>,
}

/// Why nobody was erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasePersonError {
    #[error("there is no such person")]
    NoSuchPerson,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Guarded for ErasePerson {
    fn allows(&self, actor: &Actor) -> bool {
        actor.is(self.person) || actor.has(Role::Support) || actor.has(Role::Administrator)
    }
}

impl Command for ErasePerson {
    const NAME: &'static str = "identity/erase-person";
    type Done = ();
    type Refused = ErasePersonError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Person>(self.person);
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, ErasePersonError> {
        let person = tx.get::<Person>(self.person)?.ok_or(ErasePersonError::NoSuchPerson)?;
        if let Some(taken) = tx.get::<TakenName>(person.login.key())? {
            tx.delete(taken);
        }
        for key in device_keys_of(tx, person.id)? {
            tx.delete(key);
        }
        for session in sessions_of(tx, person.id)? {
            tx.delete(session);
        }
        let devices = Scan { prefix: vec![self.person.cell()], below: None, limit: DEVICES_MAX };
        for device in tx.scan::<KnownDevice>(&devices)? {
            tx.delete(device);
        }
        tx.put(PersonEpoch { number: person.number, epoch: EPOCH_ERASED });
        tx.delete(person);
        Ok(Applied::new(()).erasing(self.person))
    }
}

impl From<ErasePersonError> for Problem {
    fn from(error: ErasePersonError) -> Self {
        match error {
            ErasePersonError::NoSuchPerson => Self::not_found("identity/no-such-person", error),
            ErasePersonError::Store(error) => error.into(),
        }
    }
}
