//! A person's device gets a key that signs in, or loses it.

use authz::{Actor, By, Guarded, Role};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Column, Erasable, Keys, Scan, StoreError, Tx};

use crate::{
    device_key::{DEVICE_KEYS_MAX, DeviceKey, SignatureAlgorithm},
    person::Person,
    proof::{Proof, ProofError},
};

/// Lets a key sign in as a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolDeviceKey {
    pub person: Id<authz::Person>,
    pub key: Id<DeviceKey>,
    pub algorithm: SignatureAlgorithm,
    pub public_key: Erasable,
    /// What the person calls the device, sealed.
    pub label: Erasable,
    /// How the person proved, just now, who they are: a stolen token must not enrol keys.
    pub proof: Proof,
}

/// Lets a key sign in no more.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeDeviceKey {
    pub person: Id<authz::Person>,
    pub key: Id<DeviceKey>,
}

/// A key was enrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceKeyEnrolled {
    pub key: Id<DeviceKey>,
    pub at: Timestamp,
}

/// Why the keys stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum DeviceKeyError {
    #[error("there is no such person")]
    NoSuchPerson,
    #[error("there is no such device key")]
    NoSuchKey,
    #[error("a person has at most {DEVICE_KEYS_MAX} device keys; revoke one first")]
    TooMany,
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Enrolling a key of a person.
pub(crate) struct MayEnrol(pub(crate) Id<authz::Person>);

impl Guarded for MayEnrol {
    /// Only the person: whoever enrols a key can sign in as them.
    fn allows(&self, actor: &Actor) -> bool {
        actor.is(self.0)
    }
}

impl Guarded for EnrolDeviceKey {
    fn allows(&self, actor: &Actor) -> bool {
        MayEnrol(self.person).allows(actor)
    }
}

impl Guarded for RevokeDeviceKey {
    fn allows(&self, actor: &Actor) -> bool {
        actor.is(self.person) || actor.has(Role::Support) || actor.has(Role::Administrator)
    }
}

impl Command for EnrolDeviceKey {
    const NAME: &'static str = "identity/enrol-device-key";
    type Done = DeviceKeyEnrolled;
    type Refused = DeviceKeyError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Person>(self.person);
        keys.want_range::<DeviceKey>(self.person.cell(), DEVICE_KEYS_MAX);
        self.proof.reads(self.person, keys);
    }

    fn apply(
        self,
        _by: &By,
        tx: &mut Tx<'_>,
        at: Timestamp,
    ) -> Result<Applied<DeviceKeyEnrolled>, DeviceKeyError> {
        let Self { person, key, algorithm, public_key, label, proof } = self;
        proof.redeem(&tx.get::<Person>(person)?.ok_or(DeviceKeyError::NoSuchPerson)?, tx, at)?;
        if device_keys_of(tx, person)?.len() >= DEVICE_KEYS_MAX {
            return Err(DeviceKeyError::TooMany);
        }
        tx.put(DeviceKey { person, id: key, algorithm, public_key, label, created_at: at });
        Ok(Applied::new(DeviceKeyEnrolled { key, at }).about(person))
    }

    fn erasables(&mut self, each: &mut dyn FnMut(&mut Erasable)) {
        each(&mut self.public_key);
        each(&mut self.label);
    }
}

impl Command for RevokeDeviceKey {
    const NAME: &'static str = "identity/revoke-device-key";
    type Done = ();
    type Refused = DeviceKeyError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<DeviceKey>((self.person, self.key));
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, DeviceKeyError> {
        let key = tx.get::<DeviceKey>((self.person, self.key))?.ok_or(DeviceKeyError::NoSuchKey)?;
        tx.delete(key);
        Ok(Applied::new(()).about(self.person))
    }
}

/// Every key of a person.
///
/// # Errors
/// When the store fails.
pub(crate) fn device_keys_of(
    tx: &mut Tx<'_>,
    person: Id<authz::Person>,
) -> Result<Vec<DeviceKey>, StoreError> {
    tx.scan(&Scan { prefix: vec![person.cell()], below: None, limit: DEVICE_KEYS_MAX })
}

/// Takes every key of a person away.
///
/// # Errors
/// When the store fails.
pub(crate) fn remove_device_keys(tx: &mut Tx<'_>, person: Id<authz::Person>) -> Result<(), StoreError> {
    device_keys_of(tx, person)?.into_iter().for_each(|key| tx.delete(key));
    Ok(())
}

impl From<DeviceKeyError> for Problem {
    fn from(error: DeviceKeyError) -> Self {
        match error {
            DeviceKeyError::NoSuchPerson => Self::not_found("identity/no-such-person", error),
            DeviceKeyError::NoSuchKey => Self::not_found("identity/no-such-device-key", error),
            DeviceKeyError::TooMany => Self::conflict("identity/too-many-device-keys", error),
            DeviceKeyError::Proof(error) => error.into(),
            DeviceKeyError::Store(error) => error.into(),
        }
    }
}
