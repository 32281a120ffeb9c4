//! Someone becomes a person this service knows, and can sign in from then on.

use authz::{Actor, By, Guarded, PersonKind, Role, Roles};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Erasable, Keys, StoreError, Tx};

use crate::{
    administrators::{ADMINISTRATORS, recount},
    device_key::{DeviceKey, SignatureAlgorithm},
    person::{Counter, PERSONS, Person, TakenName},
};

/// Registers a person. Citizens register themselves; other kinds, and anyone with a role, are registered
/// by administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterPerson {
    pub person: Id<authz::Person>,
    pub kind: PersonKind,
    pub roles: Roles,
    /// Blind index of the sign-in name.
    pub login: Erasable,
    /// The sign-in name, sealed.
    pub name: Erasable,
    /// The password's verifier, sealed; nothing for those who sign in with device keys alone.
    pub password: Option<Erasable>,
    /// The key of their first device.
    pub device_key: Option<FirstKey>,
}

/// A device key that comes with its person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirstKey {
    pub id: Id<DeviceKey>,
    pub algorithm: SignatureAlgorithm,
    pub public_key: Erasable,
    /// What the person calls the device, sealed.
    pub label: Erasable,
}

/// Someone was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonRegistered {
    pub person: Id<authz::Person>,
    pub device_key: Option<Id<DeviceKey>>,
    pub at: Timestamp,
}

/// Why someone was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterPersonError {
    #[error("this userId is taken; choose another")]
    NameTaken,
    #[error("there are as many persons as this service can number")]
    Full,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Guarded for RegisterPerson {
    fn allows(&self, actor: &Actor) -> bool {
        let citizen = self.kind == PersonKind::Citizen && self.roles == Roles::NONE;
        citizen || actor.has(Role::Administrator) || actor.is_service()
    }
}

impl Command for RegisterPerson {
    const NAME: &'static str = "identity/register-person";
    type Done = PersonRegistered;
    type Refused = RegisterPersonError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<TakenName>(self.login.key());
        keys.want::<Counter>(PERSONS.to_owned());
        if self.roles.contains(Role::Administrator) {
            keys.want::<Counter>(ADMINISTRATORS.to_owned());
        }
    }

    fn apply(
        self,
        _by: &By,
        tx: &mut Tx<'_>,
        at: Timestamp,
    ) -> Result<Applied<PersonRegistered>, RegisterPersonError> {
        let name = self.login.key();
        if tx.get::<TakenName>(name)?.is_some() {
            return Err(RegisterPersonError::NameTaken);
        }
        let counted = tx.get::<Counter>(PERSONS.to_owned())?.map_or(0, |counter| counter.value);
        let number = counted.checked_add(1).ok_or(RegisterPersonError::Full)?;
        let Self { person: id, kind, roles, login, name: sealed_name, password, device_key } = self;
        let registered =
            PersonRegistered { person: id, device_key: device_key.as_ref().map(|key| key.id), at };
        if let Some(FirstKey { id: key, algorithm, public_key, label }) = device_key {
            tx.put(DeviceKey { person: id, id: key, algorithm, public_key, label, created_at: at });
        }
        tx.put(Counter { name: PERSONS.to_owned(), value: number });
        tx.put(TakenName { name, held: login.clone(), person: id });
        let person = Person {
            id,
            number,
            kind,
            roles,
            disabled: false,
            login,
            name: sealed_name,
            password,
            created_at: at,
        };
        recount(tx, None, Some(&person))?;
        tx.put(person);
        Ok(Applied::new(registered).about(id))
    }

    fn erasables(&mut self, each: &mut dyn FnMut(&mut Erasable)) {
        each(&mut self.login);
        each(&mut self.name);
        self.password.iter_mut().for_each(&mut *each);
        if let Some(key) = &mut self.device_key {
            each(&mut key.public_key);
            each(&mut key.label);
        }
    }
}

impl From<RegisterPersonError> for Problem {
    fn from(error: RegisterPersonError) -> Self {
        match error {
            RegisterPersonError::NameTaken => Self::conflict("identity/user-id-taken", error),
            RegisterPersonError::Full => Self::conflict("identity/full", error),
            RegisterPersonError::Store(error) => error.into(),
        }
    }
}
