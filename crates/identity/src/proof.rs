//! How somebody proved who they are. The proof is checked before a command is given; what may have changed
//! since is checked again when the command is applied.

use clock::Timestamp;
use ids::Id;
use serde::{Deserialize, Serialize};
use store::{Erasable, Keys, StoreError, Tx};

use crate::{
    challenge::{Challenge, UsedChallenge},
    device_key::DeviceKey,
    person::Person,
    session::Assurance,
};

/// What was proven: knowledge of the very password that the person has, or possession of a key that is
/// enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Proof {
    /// The password behind this verifier, of which the ledger keeps the commitment alone.
    Password {
        verifier: Erasable,
    },
    DeviceKey {
        key: Id<DeviceKey>,
        challenge: Challenge,
    },
}

/// Why a proof that held does not hold any more.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error("the password was changed meanwhile")]
    PasswordChanged,
    #[error("the device key was revoked")]
    KeyRevoked,
    #[error("the challenge has expired")]
    ChallengeExpired,
    #[error("the challenge was used before")]
    ChallengeUsed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Proof {
    pub(crate) const fn assurance(&self) -> Assurance {
        match self {
            Self::Password { .. } => Assurance::Password,
            Self::DeviceKey { .. } => Assurance::DeviceKey,
        }
    }

    /// The rows that [`Proof::redeem`] reads beside the person.
    pub(crate) fn reads(&self, person: Id<authz::Person>, keys: &mut Keys<'_>) {
        if let Self::DeviceKey { key, challenge } = self {
            keys.want::<DeviceKey>((person, *key));
            keys.want::<UsedChallenge>((challenge.expires_at, challenge.nonce));
        }
    }

    /// Does it still hold for this person? Uses up what can be used once.
    pub(crate) fn redeem(&self, person: &Person, tx: &mut Tx<'_>, at: Timestamp) -> Result<(), ProofError> {
        match self {
            Self::Password { verifier } => {
                let present = person.password.as_ref().map(Erasable::commitment);
                if present == Some(verifier.commitment()) { Ok(()) } else { Err(ProofError::PasswordChanged) }
            }
            Self::DeviceKey { key, challenge } => {
                if challenge.expires_at <= at {
                    return Err(ProofError::ChallengeExpired);
                }
                if tx.get::<DeviceKey>((person.id, *key))?.is_none() {
                    return Err(ProofError::KeyRevoked);
                }
                let used = UsedChallenge { expires_at: challenge.expires_at, nonce: challenge.nonce };
                if tx.get::<UsedChallenge>((used.expires_at, used.nonce))?.is_some() {
                    return Err(ProofError::ChallengeUsed);
                }
                tx.put(used);
                Ok(())
            }
        }
    }
}

impl From<ProofError> for problem::Problem {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::PasswordChanged
            | ProofError::KeyRevoked
            | ProofError::ChallengeExpired
            | ProofError::ChallengeUsed => crate::confirm::proof_refused(),
            ProofError::Store(error) => error.into(),
        }
    }
}
