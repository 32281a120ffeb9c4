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
    device_key::{DeviceKey, signed_text},
    login_name::LoginName,
    password::Password,
    person::{Person, SERVICE},
    refuse_sign_in::{Reason, Whom},
    sign_in::{Proof, SignIn, SignInError, SignedIn},
    sql,
    throttle::Guess,
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
struct Found {
    person: Option<Person>,
    key: Option<DeviceKey>,
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
        let index = attempt.name.blind_index(self.keys());
        let device =
            attempt.device_fingerprint.as_deref().map(|fingerprint| self.tokens().device(fingerprint));
        let key = match &attempt.credentials {
            Credentials::Password(_) => None,
            Credentials::DeviceKey { key, .. } => Some(*key),
        };
        let read =
            self.ledger().readers().read(move |snapshot| sql::person_and_key(snapshot, index, key, device));
        let (person, key, known_device) = read.await?;
        let whom = match &person {
            Some(person) => Whom::Person(person.id),
            None => Whom::Unknown(index.0.first_chunk().copied().expect("a blind index has 32 bytes")),
        };
        let guess = Guess { name: index.0, address: attempt.address, known_device };
        if let Err(wait) = self.admit(&guess) {
            self.note_refusal(whom, Reason::TooManyAttempts).await?;
            return Err(wait.into());
        }
        let found = Found { person, key };
        let proof = match self.judged(&guess, self.check(&attempt, &found).await)? {
            Ok(proof) => proof,
            Err(reason) => {
                self.note_refusal(whom, reason).await?;
                return Err(refused());
            }
        };
        self.forgive(&guess);
        let Some(person) = found.person else { return Err(refused()) };
        let command = SignIn {
            person: person.id,
            number: person.number,
            session: self.clock().id(),
            proof,
            audience: attempt.audience.0,
            device,
            expires_at: self.token_end(),
        };
        match self.ledger().submit_once(by_itself(command)?, once).await {
            Err(SubmitError::Refused(refusal)) => {
                self.note_refusal(whom, reason_of(&refusal)).await?;
                Err(refusal.into())
            }
            answered => Ok(answered?),
        }
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
    fn judged<T>(&self, guess: &Guess, checked: Result<T, Problem>) -> Result<T, Problem> {
        checked.inspect_err(|_| self.forgive(guess))
    }

    /// Does the proof hold? Work of the same kind and length is done for people who are not there.
    async fn check(&self, attempt: &Attempt, found: &Found) -> Result<Result<Proof, Reason>, Problem> {
        match &attempt.credentials {
            Credentials::Password(password) => self.check_password(password, found.person.as_ref()).await,
            Credentials::DeviceKey { challenge, signature, .. } => {
                Ok(self.check_signature(&attempt.name, challenge, signature, found))
            }
        }
    }

    async fn check_password(
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
            Some(_) => Ok(Proof::Password),
        })
    }

    fn check_signature(
        &self,
        name: &LoginName,
        challenge: &str,
        signature: &[u8],
        found: &Found,
    ) -> Result<Proof, Reason> {
        let ours =
            Challenge::from_text(challenge, self.keys()).filter(|ours| ours.expires_at > self.clock().now());
        let Some(ours) = ours else { return Err(Reason::BadChallenge) };
        let person = found.person.as_ref().ok_or(Reason::UnknownName)?;
        let key = found.key.as_ref().ok_or(Reason::UnknownKey)?;
        let public_key = key.public_key.content().ok_or(Reason::UnknownKey)?;
        let message = signed_text(name.as_str(), challenge);
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

    /// Whoever changes their own password must know the present one; an administrator need not.
    ///
    /// # Errors
    /// When it is missing or wrong, or was guessed at too often.
    pub(crate) async fn confirm_own_password(
        &self,
        actor: &Actor,
        person: &Person,
        current: Option<Password>,
        address: Option<IpAddr>,
    ) -> Result<(), Problem> {
        if !actor.is(person.id) || person.password.is_none() {
            return Ok(());
        }
        let name = person.login.key().0;
        let guess = Guess { name, address, known_device: true };
        self.admit(&guess)?;
        let current = current.unwrap_or_else(|| Password::from(String::new()));
        let checked = self.check_password(&current, Some(person)).await;
        if let Err(reason) = self.judged(&guess, checked)? {
            self.note_refusal(Whom::Person(person.id), reason).await?;
            let detail = "the current password is not right";
            return Err(Problem::forbidden("identity/wrong-current-password", detail));
        }
        self.forgive(&guess);
        Ok(())
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
        SignInError::KeyRevoked => Reason::UnknownKey,
        SignInError::ChallengeExpired => Reason::BadChallenge,
        SignInError::ChallengeUsed => Reason::ChallengeUsed,
    }
}

/// The bytes of a signature in base64url, with or without padding.
#[must_use]
pub(crate) fn signature_bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// How long a token lives unless the configuration says otherwise: a working day.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_hours(12);
