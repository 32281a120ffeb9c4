//! Someone who proved who they are is signed in: a session begins.

use authz::{Actor, By, Claims, Guarded, PersonKind, Roles};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Keys, StoreError, Tx};

use crate::{
    challenge::{Challenge, UsedChallenge},
    device_key::DeviceKey,
    person::{Person, PersonEpoch, epoch_of},
    session::{Assurance, KnownDevice, Session},
    token::{Audience, Token},
};

/// Begins a session. The proof was checked before this is given; what may have changed since is checked
/// again here.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignIn {
    pub person: Id<authz::Person>,
    pub number: u32,
    pub session: Id<authz::Session>,
    pub proof: Proof,
    pub audience: u32,
    /// Keyed hash of the device's fingerprint.
    pub device: Option<[u8; 8]>,
    pub expires_at: Timestamp,
}

/// How they proved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Proof {
    Password,
    DeviceKey { key: Id<DeviceKey>, challenge: Challenge },
}

/// Someone is signed in: all that their token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedIn {
    pub person: Id<authz::Person>,
    pub number: u32,
    pub epoch: u32,
    pub kind: PersonKind,
    pub roles: Roles,
    pub session: Id<authz::Session>,
    pub assurance: Assurance,
    pub audience: u32,
    pub device: Option<[u8; 8]>,
    /// The device has been seen with this person before.
    pub device_known: bool,
    pub expires_at: Timestamp,
}

/// Why someone who had proved who they are was not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error("the person may not sign in")]
    NoSuchPerson,
    #[error("the device key was revoked")]
    KeyRevoked,
    #[error("the challenge has expired")]
    ChallengeExpired,
    #[error("the challenge was used before")]
    ChallengeUsed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Guarded for SignIn {
    /// Only this service gives it, after checking the proof.
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl Proof {
    const fn assurance(&self) -> Assurance {
        match self {
            Self::Password => Assurance::Password,
            Self::DeviceKey { .. } => Assurance::DeviceKey,
        }
    }

    /// Uses up what can be used once.
    fn redeem(self, person: Id<authz::Person>, tx: &mut Tx<'_>, at: Timestamp) -> Result<(), SignInError> {
        let Self::DeviceKey { key, challenge } = self else { return Ok(()) };
        if challenge.expires_at <= at {
            return Err(SignInError::ChallengeExpired);
        }
        if tx.get::<DeviceKey>((person, key))?.is_none() {
            return Err(SignInError::KeyRevoked);
        }
        let used = UsedChallenge { expires_at: challenge.expires_at, nonce: challenge.nonce };
        if tx.get::<UsedChallenge>((used.expires_at, used.nonce))?.is_some() {
            return Err(SignInError::ChallengeUsed);
        }
        tx.put(used);
        Ok(())
    }
}

impl Command for SignIn {
    const NAME: &'static str = "identity/sign-in";
    type Done = SignedIn;
    type Refused = SignInError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Person>(self.person);
        keys.want::<PersonEpoch>(self.number);
        if let Some(device) = self.device {
            keys.want::<KnownDevice>((self.person, device));
        }
        if let Proof::DeviceKey { key, challenge } = self.proof {
            keys.want::<DeviceKey>((self.person, key));
            keys.want::<UsedChallenge>((challenge.expires_at, challenge.nonce));
        }
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<SignedIn>, SignInError> {
        let person = tx.get::<Person>(self.person)?.filter(|person| !person.disabled);
        let person = person.filter(|person| person.number == self.number).ok_or(SignInError::NoSuchPerson)?;
        self.proof.redeem(person.id, tx, at)?;
        let mut device_known = false;
        if let Some(device) = self.device {
            device_known = tx.get::<KnownDevice>((person.id, device))?.is_some();
            if !device_known {
                tx.put(KnownDevice { person: person.id, device, since: at });
            }
        }
        let epoch = epoch_of(tx, person.number)?;
        let assurance = self.proof.assurance();
        let Self { session, device, expires_at, audience, .. } = self;
        tx.put(Session { person: person.id, id: session, expires_at, epoch, assurance, device });
        let signed_in = SignedIn {
            person: person.id,
            number: person.number,
            epoch,
            kind: person.kind,
            roles: person.roles,
            session,
            assurance,
            audience,
            device,
            device_known,
            expires_at,
        };
        Ok(Applied::new(signed_in).about(person.id))
    }
}

impl SignedIn {
    /// What the token of this sign-in says.
    #[must_use]
    pub const fn token(&self) -> Token {
        Token {
            claims: Claims { person: self.person, kind: self.kind, roles: self.roles },
            session: self.session,
            assurance: self.assurance,
            audience: Audience(self.audience),
            expires_at: self.expires_at,
            number: self.number,
            epoch: self.epoch,
            device: self.device,
        }
    }
}

/// All alike: a caller must not learn from the refusal what there is.
impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::NoSuchPerson
            | SignInError::KeyRevoked
            | SignInError::ChallengeExpired
            | SignInError::ChallengeUsed => crate::authenticate::refused(),
            SignInError::Store(error) => error.into(),
        }
    }
}
