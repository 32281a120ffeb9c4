//! Someone who proved who they are is signed in: a session begins.

use authz::{Actor, By, Claims, Guarded, PersonKind, Roles};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Erasable, Keys, StoreError, Tx};

use crate::{
    known_place::Sighting,
    person::{Person, PersonEpoch, epoch_of},
    proof::{Proof, ProofError},
    session::{Assurance, Session},
    token::{Audience, Token},
};

/// Begins a session. The proof was checked before this is given; what may have changed since is checked
/// again here.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignIn {
    pub person: Id<authz::Person>,
    pub number: u32,
    /// The person's epoch when the proof was checked.
    pub epoch: u32,
    pub session: Id<authz::Session>,
    pub proof: Proof,
    pub audience: u32,
    pub device: Option<Sighting>,
    pub network: Option<Sighting>,
    pub expires_at: Timestamp,
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
    /// Their password was changed, or all their sessions were ended, after the proof had been checked.
    #[error("what was proven has changed meanwhile")]
    Overtaken,
    #[error(transparent)]
    Proof(ProofError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Guarded for SignIn {
    /// Only this service gives it, after checking the proof.
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl Command for SignIn {
    const NAME: &'static str = "identity/sign-in";
    type Done = SignedIn;
    type Refused = SignInError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Person>(self.person);
        keys.want::<PersonEpoch>(self.number);
        self.device.iter().chain(&self.network).for_each(|seen| seen.reads(self.person, keys));
        self.proof.reads(self.person, keys);
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<SignedIn>, SignInError> {
        let person = tx.get::<Person>(self.person)?.filter(|person| !person.disabled);
        let person = person.filter(|person| person.number == self.number).ok_or(SignInError::NoSuchPerson)?;
        if epoch_of(tx, person.number)? != self.epoch {
            return Err(SignInError::Overtaken);
        }
        self.proof.redeem(&person, tx, at)?;
        let assurance = self.proof.assurance();
        let Self { session, epoch, expires_at, audience, device, network, .. } = self;
        let device_bound = device.is_some();
        tx.put(Session { person: person.id, id: session, expires_at, epoch, assurance, device_bound });
        let signed_in = SignedIn {
            person: person.id,
            number: person.number,
            epoch,
            kind: person.kind,
            roles: person.roles,
            session,
            assurance,
            audience,
            device: device.as_ref().and_then(Sighting::short),
            device_known: device.as_ref().is_some_and(|device| device.known),
            expires_at,
        };
        for seen in device.into_iter().chain(network) {
            seen.remember(person.id, tx, at)?;
        }
        Ok(Applied::new(signed_in).about(person.id))
    }

    fn erasables(&mut self, each: &mut dyn FnMut(&mut Erasable)) {
        for seen in self.device.iter_mut().chain(&mut self.network) {
            each(&mut seen.hash);
        }
    }
}

impl From<ProofError> for SignInError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::PasswordChanged => Self::Overtaken,
            ProofError::Store(error) => Self::Store(error),
            ProofError::KeyRevoked | ProofError::ChallengeExpired | ProofError::ChallengeUsed => {
                Self::Proof(error)
            }
        }
    }
}

impl SignedIn {
    /// What the token of this sign-in says.
    #[must_use]
    pub const fn token(&self) -> Token {
        Token {
            claims: Claims {
                person: self.person,
                number: self.number,
                kind: self.kind,
                roles: self.roles,
                session: self.session,
            },
            assurance: self.assurance,
            audience: Audience(self.audience),
            expires_at: self.expires_at,
            epoch: self.epoch,
            device: self.device,
        }
    }
}

/// All alike: a caller must not learn from the refusal what there is.
impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::NoSuchPerson | SignInError::Overtaken | SignInError::Proof(_) => {
                crate::authenticate::refused()
            }
            SignInError::Store(error) => error.into(),
        }
    }
}
