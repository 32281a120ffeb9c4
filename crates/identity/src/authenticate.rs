//! Signing in: who is it, does the proof hold, and what becomes of it. The order of the steps is the same
//! for everyone, so that a stranger learns nothing from how an attempt fails or how long it takes.

use std::{net::IpAddr, time::Duration};

use authz::{Actor, Permitted};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::Id;
use ledger::{Once, Receipt, SubmitError};
use problem::Problem;
use seal::PersonKey;
use zeroize::Zeroizing;

use crate::{
    Identity,
    challenge::Challenge,
    device_key::{DeviceKey, Purpose, signed_text},
    known_place::PlaceHash,
    login_name::LoginName,
    password::Password,
    person::{Person, SERVICE},
    proof::{Proof, ProofError},
    refuse_sign_in::{Reason, Whom},
    sign_in::{SignIn, SignInError, SignedIn},
    sql,
    throttle::{Guess, Origin},
    token::Audience,
};

/// What somebody offers to be signed in.
#[derive(Debug)]
pub struct Attempt {
    pub name: LoginName,
    pub credentials: Credentials,
    pub device_fingerprint: Option<String>,
    pub audience: Audience,
    pub address: Option<IpAddr>,
}

/// What is offered as proof.
#[derive(Debug)]
pub enum Credentials {
    Password(Password),
    DeviceKey { key: Id<DeviceKey>, challenge: String, signature: Vec<u8> },
}

/// What is known of the one they want to be.
pub(crate) struct Found {
    pub(crate) person: Option<Person>,
    pub(crate) key: Option<DeviceKey>,
}

/// How an attempt whose proof held ended.
enum Ended {
    SignedIn(Receipt<SignedIn>),
    /// What was proven had changed before it was written: to be looked at again.
    Overtaken,
}

/// How often an attempt is looked at: once more than somebody's change can plausibly overtake it.
const ATTEMPTS_MAX: usize = 2;

impl Credentials {
    /// The key that they are to be checked with, if it is one.
    pub(crate) const fn key(&self) -> Option<Id<DeviceKey>> {
        match self {
            Self::Password(_) => None,
            Self::DeviceKey { key, .. } => Some(*key),
        }
    }
}

/// The one answer to every proof that does not hold.
pub(crate) fn refused() -> Problem {
    Problem::unauthorized(
        "identity/sign-in-refused",
        "the userId and the credentials do not go together, or this person may not sign in",
        "Bearer",
    )
}

impl Identity {
    /// Signs somebody in, or refuses; either way the ledger knows.
    ///
    /// # Errors
    /// The problem that the caller is told.
    pub async fn authenticate(
        &self,
        attempt: Attempt,
        once: Option<Once>,
    ) -> Result<Receipt<SignedIn>, Problem> {
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt(&attempt, once).await? {
                Ended::SignedIn(receipt) => return self.still_signed_in(receipt, once),
                Ended::Overtaken => {}
            }
        }
        Err(refused())
    }

    /// One attempt, which somebody who changes the same person may overtake.
    async fn attempt(&self, attempt: &Attempt, once: Option<Once>) -> Result<Ended, Problem> {
        let index = attempt.name.blind_index(self.keys());
        let key = attempt.credentials.key();
        let read = self.ledger().readers().read(move |snapshot| sql::found(snapshot, index, key));
        let sql::Found { person, key, epoch, places } = read.await?;
        let whom = match &person {
            Some(person) => Whom::Person(person.id),
            None => Whom::Unknown(index.0.first_chunk().copied().expect("a blind index has 32 bytes")),
        };
        let device = attempt.device_fingerprint.as_deref();
        let device = device.map(|fingerprint| PlaceHash::device(self.keys(), fingerprint));
        let network = attempt.address.map(|address| PlaceHash::network(self.keys(), address));
        let origin = Origin::of(device, network, &places);
        let guess = Guess { name: index.0, address: attempt.address, origin };
        if let Err(wait) = self.admit(&guess) {
            self.note_refusal(whom, Reason::TooManyAttempts).await?;
            return Err(wait.into());
        }
        let found = Found { person, key };
        let proof = match self.judged(&guess, self.check(attempt, &found).await)? {
            Ok(proof) => proof,
            Err(reason) => {
                self.note_refusal(whom, reason).await?;
                return Err(refused());
            }
        };
        self.forgive(&guess);
        let Some(person) = found.person else { return Err(refused()) };
        let seen = |place: Option<PlaceHash>| place.map(|place| place.sighting(&places, self.clock()));
        let command = SignIn {
            person: person.id,
            number: person.number,
            epoch,
            session: self.clock().id(),
            proof,
            audience: attempt.audience.0,
            device: seen(device),
            network: seen(network),
            expires_at: self.token_end(),
        };
        match self.ledger().submit_once(by_itself(command)?, once).await {
            Err(SubmitError::Refused(SignInError::Overtaken)) => Ok(Ended::Overtaken),
            Err(SubmitError::Refused(refusal)) => {
                self.note_refusal(whom, reason_of(&refusal)).await?;
                Err(refusal.into())
            }
            answered => Ok(Ended::SignedIn(answered?)),
        }
    }

    /// What was answered before under the same idempotency key may have ended since.
    fn still_signed_in(
        &self,
        receipt: Receipt<SignedIn>,
        once: Option<Once>,
    ) -> Result<Receipt<SignedIn>, Problem> {
        if once.is_some() && self.has_ended(&receipt.done) {
            let detail = "this sign-in was done before, and its session has ended; sign in with another Idempotency-Key";
            return Err(Problem::conflict("identity/session-ended", detail));
        }
        Ok(receipt)
    }

    /// As [`Identity::authenticate`]; the same password request, to the letter and from the same address, is
    /// answered for a second as it was before. `body` is the whole request's body.
    ///
    /// # Errors
    /// The problem that the caller is told.
    pub async fn authenticate_once(
        &self,
        attempt: Attempt,
        body: &[u8],
        once: Option<Once>,
    ) -> Result<Receipt<SignedIn>, Problem> {
        // A signature is good for one sign-in; only passwords may be given twice.
        let repeatable = matches!(attempt.credentials, Credentials::Password(_)) && once.is_none();
        let address = attempt.address.map(|address| address.to_string()).unwrap_or_default();
        let request = self.request_hash(&[address.as_bytes(), body]);
        if let Some(receipt) = self.recent(&request).filter(|_| repeatable) {
            return Ok(receipt);
        }
        let receipt = self.authenticate(attempt, once).await?;
        if repeatable {
            self.keep_recent(request, receipt.clone());
        }
        self.instruments().signed_in("signed-in");
        Ok(receipt)
    }

    /// Takes a guess back that was never looked at: whoever is told to try again soon must be able to.
    pub(crate) fn judged<T>(&self, guess: &Guess, checked: Result<T, Problem>) -> Result<T, Problem> {
        checked.inspect_err(|_| self.forgive(guess))
    }

    /// Does the proof hold? Work of the same kind and length is done for people who are not there.
    async fn check(&self, attempt: &Attempt, found: &Found) -> Result<Result<Proof, Reason>, Problem> {
        match &attempt.credentials {
            Credentials::Password(password) => self.check_password(password, found.person.as_ref()).await,
            Credentials::DeviceKey { .. } => {
                let name = attempt.name.as_str();
                Ok(self.check_signature(Purpose::SignIn, name, &attempt.credentials, found))
            }
        }
    }

    pub(crate) async fn check_password(
        &self,
        password: &Password,
        person: Option<&Person>,
    ) -> Result<Result<Proof, Reason>, Problem> {
        let verifier = match person {
            Some(person) => self.open_verifier(person).await?,
            // The look-up of a key that is not there, so that it takes what the other takes.
            None => self.person_keys().find(self.clock().id()).await?.and(None),
        };
        let password = if password.is_too_long() { Password::from(String::new()) } else { password.clone() };
        let has_password = verifier.is_some();
        let right = self.hasher().verify(password, verifier).await?;
        Ok(match person {
            None => Err(Reason::UnknownName),
            Some(_) if !has_password => Err(Reason::NoPassword),
            Some(_) if !right => Err(Reason::WrongPassword),
            Some(person) if person.disabled => Err(Reason::Disabled),
            Some(person) => {
                let verifier = person.password.clone().ok_or(Reason::NoPassword);
                verifier.map(|verifier| Proof::Password { verifier })
            }
        })
    }

    pub(crate) fn check_signature(
        &self,
        purpose: Purpose,
        name: &str,
        credentials: &Credentials,
        found: &Found,
    ) -> Result<Proof, Reason> {
        let Credentials::DeviceKey { challenge, signature, .. } = credentials else {
            return Err(Reason::UnknownKey);
        };
        let ours =
            Challenge::from_text(challenge, self.keys()).filter(|ours| ours.expires_at > self.clock().now());
        let Some(ours) = ours else { return Err(Reason::BadChallenge) };
        let person = found.person.as_ref().ok_or(Reason::UnknownName)?;
        let key = found.key.as_ref().ok_or(Reason::UnknownKey)?;
        let public_key = key.public_key.content().ok_or(Reason::UnknownKey)?;
        let message = signed_text(purpose, name, challenge);
        if !key.algorithm.verify(public_key, message.as_bytes(), signature) {
            return Err(Reason::BadSignature);
        }
        if person.disabled {
            return Err(Reason::Disabled);
        }
        Ok(Proof::DeviceKey { key: key.id, challenge: ours })
    }

    /// The person's password verifier, if they have one and their key has not been destroyed.
    async fn open_verifier(&self, person: &Person) -> Result<Option<Zeroizing<String>>, Problem> {
        let key = self.person_keys().find(person.id).await?;
        let sealed = person.password.as_ref().and_then(|password| password.content());
        let (Some(key), Some(sealed)) = (key, sealed) else { return Ok(None) };
        let opened = open_text(&key, "password", person.id, sealed)?;
        Ok(Some(opened))
    }
}

/// A command that only this service gives.
pub(crate) fn by_itself<C: authz::Guarded>(command: C) -> Result<Permitted<C>, Problem> {
    Ok(Actor::service(SERVICE).permit(command)?)
}

/// Opens a sealed text of this service.
pub(crate) fn open_text(
    key: &PersonKey,
    field: &str,
    person: Id<authz::Person>,
    sealed: &[u8],
) -> Result<Zeroizing<String>, Problem> {
    let opened = key.open(SERVICE, field, person, sealed).map_err(|error| Problem::internal(&error))?;
    let text = std::str::from_utf8(&opened).map_err(|error| Problem::internal(&error))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn reason_of(refusal: &SignInError) -> Reason {
    match refusal {
        SignInError::NoSuchPerson | SignInError::Store(_) => Reason::Disabled,
        SignInError::Overtaken => Reason::WrongPassword,
        SignInError::Proof(ProofError::ChallengeExpired) => Reason::BadChallenge,
        SignInError::Proof(ProofError::ChallengeUsed) => Reason::ChallengeUsed,
        SignInError::Proof(ProofError::KeyRevoked | ProofError::PasswordChanged | ProofError::Store(_)) => {
            Reason::UnknownKey
        }
    }
}

/// The bytes of a signature in base64url, with or without padding.
#[must_use]
pub(crate) fn signature_bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// How long a token lives unless the configuration says otherwise: a working day.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_hours(12);
