//! Someone signs out: of one session, or of all of them at once.

use authz::{Actor, By, Guarded, Role};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Column, Keys, Scan, StoreError, Tx};

use crate::{
    enrol_device_key::remove_device_keys,
    person::{Person, end_all_tokens},
    session::{RevokedSession, Session},
};

/// Rows of ended sessions that one command clears away; others go when they expire.
pub(crate) const CLEARED_MAX: usize = 500;

/// Ends one session: its token holds no more, anywhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignOut {
    pub person: Id<authz::Person>,
    pub session: Id<authz::Session>,
}

/// Ends every session of a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignOutEverywhere {
    pub person: Id<authz::Person>,
    /// Also the keys of their devices, which could sign in again.
    pub remove_device_keys: bool,
}

/// Why nobody was signed out.
#[derive(Debug, thiserror::Error)]
pub enum SignOutError {
    #[error("there is no such session; it may have ended already")]
    NoSuchSession,
    #[error("there is no such person")]
    NoSuchPerson,
    #[error("without device keys this person could never sign in again; set a password first")]
    NoCredentials,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The person themselves, or those who help people.
fn may_end_sessions(actor: &Actor, person: Id<authz::Person>) -> bool {
    actor.is(person) || actor.has(Role::Support) || actor.has(Role::Administrator)
}

impl Guarded for SignOut {
    fn allows(&self, actor: &Actor) -> bool {
        may_end_sessions(actor, self.person)
    }
}

impl Guarded for SignOutEverywhere {
    fn allows(&self, actor: &Actor) -> bool {
        may_end_sessions(actor, self.person)
    }
}

impl Command for SignOut {
    const NAME: &'static str = "identity/sign-out";
    type Done = ();
    type Refused = SignOutError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Session>((self.person, self.session));
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, SignOutError> {
        let session = tx.get::<Session>((self.person, self.session))?.ok_or(SignOutError::NoSuchSession)?;
        tx.put(RevokedSession { expires_at: session.expires_at, id: session.id });
        tx.delete(session);
        Ok(Applied::new(()).about(self.person))
    }
}

impl Command for SignOutEverywhere {
    const NAME: &'static str = "identity/sign-out-everywhere";
    type Done = ();
    type Refused = SignOutError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Person>(self.person);
        keys.want_range::<Session>(self.person.cell(), CLEARED_MAX);
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, SignOutError> {
        let person = tx.get::<Person>(self.person)?.ok_or(SignOutError::NoSuchPerson)?;
        if self.remove_device_keys {
            person.password.as_ref().ok_or(SignOutError::NoCredentials)?;
            remove_device_keys(tx, person.id)?;
        }
        end_all_sessions(tx, &person)?;
        Ok(Applied::new(()).about(self.person))
    }
}

/// Ends every token of a person, and clears the rows of their sessions away.
///
/// # Errors
/// When the store fails.
pub(crate) fn end_all_sessions(tx: &mut Tx<'_>, person: &Person) -> Result<(), StoreError> {
    end_all_tokens(tx, person.number)?;
    for session in sessions_of(tx, person.id)? {
        tx.delete(session);
    }
    Ok(())
}

/// The sessions of a person that one command can clear away.
///
/// # Errors
/// When the store fails.
pub(crate) fn sessions_of(tx: &mut Tx<'_>, person: Id<authz::Person>) -> Result<Vec<Session>, StoreError> {
    tx.scan(&Scan { prefix: vec![person.cell()], below: None, limit: CLEARED_MAX })
}

impl From<SignOutError> for Problem {
    fn from(error: SignOutError) -> Self {
        match error {
            SignOutError::NoSuchSession => Self::not_found("identity/no-such-session", error),
            SignOutError::NoCredentials => Self::conflict("identity/only-device-keys", error),
            SignOutError::NoSuchPerson => Self::not_found("identity/no-such-person", error),
            SignOutError::Store(error) => error.into(),
        }
    }
}
