//! Someone tried to sign in and was refused: the ledger remembers, without secrets.

use authz::{Actor, By, Guarded};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Keys, StoreError, Tx};

/// Records attempts that were refused: one, or in a flood many of the same kind at once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefuseSignIn {
    pub whom: Whom,
    pub reason: Reason,
    /// How many attempts this stands for.
    pub attempts: u32,
    /// When the first of them came.
    pub since: Timestamp,
}

/// As whom they tried to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Whom {
    Person(Id<authz::Person>),
    /// Nobody has the name: its keyed hash, cut to eight bytes.
    Unknown([u8; 8]),
    /// Many names, in a flood of more than can be told apart.
    Many,
}

/// Why they were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    UnknownName,
    WrongPassword,
    NoPassword,
    Disabled,
    UnknownKey,
    BadSignature,
    BadChallenge,
    ChallengeUsed,
    TooManyAttempts,
}

/// Why a refusal was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RefuseSignInError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Guarded for RefuseSignIn {
    /// Only this service gives it.
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl Command for RefuseSignIn {
    const NAME: &'static str = "identity/refuse-sign-in";
    type Done = ();
    type Refused = RefuseSignInError;

    fn reads(&self, _keys: &mut Keys<'_>) {}

    fn apply(self, _by: &By, _tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, RefuseSignInError> {
        let applied = Applied::new(());
        Ok(match self.whom {
            Whom::Person(person) => applied.about(person),
            Whom::Unknown(_) | Whom::Many => applied,
        })
    }
}

impl From<RefuseSignInError> for Problem {
    fn from(error: RefuseSignInError) -> Self {
        match error {
            RefuseSignInError::Store(error) => error.into(),
        }
    }
}
