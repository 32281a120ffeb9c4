//! What is known of a person changes: their password, their roles, or whether they may sign in. Each
//! change ends all their sessions, so that no token says what was true before.

use authz::{Actor, By, Guarded, PersonKind, Role, Roles};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Erasable, Keys, StoreError, Tx};

use crate::{person::Person, sign_out::end_all_sessions};

/// Gives a person another password.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangePassword {
    pub person: Id<authz::Person>,
    /// The new password's verifier, sealed.
    pub password: Erasable,
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
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Guarded for ChangePassword {
    fn allows(&self, actor: &Actor) -> bool {
        actor.is(self.person) || actor.has(Role::Administrator)
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
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, ChangePersonError> {
        let mut person = tx.get::<Person>(self.person)?.ok_or(ChangePersonError::NoSuchPerson)?;
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
    }

    fn apply(self, by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, ChangePersonError> {
        let mut person = tx.get::<Person>(self.person)?.ok_or(ChangePersonError::NoSuchPerson)?;
        let loses = self.disabled || !self.roles.contains(Role::Administrator);
        if by.person() == Some(person.id) && loses {
            return Err(ChangePersonError::OwnStanding);
        }
        let Self { kind, roles, disabled, .. } = self;
        person = Person { kind, roles, disabled, ..person };
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
            ChangePersonError::Store(error) => error.into(),
        }
    }
}
