//! What is known of a person changes: their password, their roles, or whether they may sign in. Each
//! change ends all their sessions, so that no token says what was true before.

use authz::{Actor, By, Guarded, PersonKind, Role, Roles};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Erasable, Keys, StoreError, Tx};

use crate::{
    administrators::recount,
    confirm::proof_refused,
    enrol_device_key::remove_device_keys,
    erase_person::Erasure,
    person::Person,
    proof::{Proof, ProofError},
    sign_out::end_all_sessions,
};

/// Gives a person another password.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangePassword {
    pub person: Id<authz::Person>,
    /// The new password's verifier, sealed.
    pub password: Erasable,
    /// How whoever changes their own proved, just now, who they are.
    pub proof: Option<Proof>,
    /// Also the keys of their devices are removed, which could sign in as before.
    pub remove_device_keys: bool,
}

/// Gives a person another standing: kind, roles, and whether they may sign in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeStanding {
    pub person: Id<authz::Person>,
    pub kind: PersonKind,
    pub roles: Roles,
    pub disabled: bool,
}

/// Why a person was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePersonError {
    #[error("there is no such person")]
    NoSuchPerson,
    #[error(
        "you cannot take the administrator's role from yourself, or disable yourself; ask another administrator"
    )]
    OwnStanding,
    #[error("there would be no administrator left; make another one first")]
    LastAdministrator,
    #[error("whoever changes their own password proves who they are")]
    Unproven,
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changing the password of a person.
pub(crate) struct MayChangePassword(pub(crate) Id<authz::Person>);

impl Guarded for MayChangePassword {
    fn allows(&self, actor: &Actor) -> bool {
        actor.is(self.0) || actor.has(Role::Administrator)
    }
}

impl Guarded for ChangePassword {
    fn allows(&self, actor: &Actor) -> bool {
        MayChangePassword(self.person).allows(actor)
    }
}

impl Guarded for ChangeStanding {
    fn allows(&self, actor: &Actor) -> bool {
        actor.has(Role::Administrator)
    }
}

impl Command for ChangePassword {
    const NAME: &'static str = "identity/change-password";
    type Done = ();
    type Refused = ChangePersonError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Person>(self.person);
        if let Some(proof) = &self.proof {
            proof.reads(self.person, keys);
        }
    }

    fn apply(self, by: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, ChangePersonError> {
        let mut person = tx.get::<Person>(self.person)?.ok_or(ChangePersonError::NoSuchPerson)?;
        if by.person() == Some(person.id) {
            self.proof.ok_or(ChangePersonError::Unproven)?.redeem(&person, tx, at)?;
        }
        if self.remove_device_keys {
            remove_device_keys(tx, person.id)?;
        }
        person.password = Some(self.password);
        end_all_sessions(tx, &person)?;
        tx.put(person);
        Ok(Applied::new(()).about(self.person))
    }

    fn erasables(&mut self, each: &mut dyn FnMut(&mut Erasable)) {
        each(&mut self.password);
    }
}

impl Command for ChangeStanding {
    const NAME: &'static str = "identity/change-standing";
    type Done = ();
    type Refused = ChangePersonError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Person>(self.person);
        keys.want::<Erasure>(self.person);
    }

    fn apply(self, by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, ChangePersonError> {
        let mut person = tx.get::<Person>(self.person)?.ok_or(ChangePersonError::NoSuchPerson)?;
        let loses = self.disabled || !self.roles.contains(Role::Administrator);
        if by.person() == Some(person.id) && loses {
            return Err(ChangePersonError::OwnStanding);
        }
        if tx.get::<Erasure>(self.person)?.is_some() {
            return Err(ChangePersonError::NoSuchPerson);
        }
        let Self { kind, roles, disabled, .. } = self;
        let before = person.clone();
        person = Person { kind, roles, disabled, ..person };
        if !recount(tx, Some(&before), Some(&person))? {
            return Err(ChangePersonError::LastAdministrator);
        }
        end_all_sessions(tx, &person)?;
        tx.put(person);
        Ok(Applied::new(()).about(self.person))
    }
}

impl From<ChangePersonError> for Problem {
    fn from(error: ChangePersonError) -> Self {
        match error {
            ChangePersonError::NoSuchPerson => Self::not_found("identity/no-such-person", error),
            ChangePersonError::OwnStanding => Self::conflict("identity/own-standing", error),
            ChangePersonError::LastAdministrator => Self::conflict("identity/last-administrator", error),
            ChangePersonError::Unproven => proof_refused(),
            ChangePersonError::Proof(error) => error.into(),
            ChangePersonError::Store(error) => error.into(),
        }
    }
}
