//! Making a person: sealing what is personal before the command that registers them is given.

use std::net::IpAddr;

use authz::{Actor, PersonKind, Role, Roles};
use ids::Id;
use ledger::{Once, Receipt, SubmitError};
use problem::Problem;
use seal::PersonKey;
use store::Erasable;

use crate::{
    Identity,
    administrators::FIRST_ADMINISTRATOR,
    change_person::ChangePassword,
    device_key::SignatureAlgorithm,
    enrol_device_key::{DeviceKeyEnrolled, EnrolDeviceKey},
    login_name::LoginName,
    password::Password,
    person::{Person, SERVICE, TakenName},
    proof::Proof,
    register_person::{FirstKey, PersonRegistered, RegisterPerson, RegisterPersonError},
};

/// Somebody to be registered.
#[derive(Debug)]
pub struct NewPerson {
    pub name: LoginName,
    /// None for those who will sign in with device keys alone.
    pub password: Option<Password>,
    /// The key of their first device.
    pub device_key: Option<NewKey>,
    pub kind: PersonKind,
    pub roles: Roles,
    /// Where the request came from.
    pub address: Option<IpAddr>,
}

/// A password to be set.
#[derive(Debug)]
pub struct NewPassword {
    /// The person's sign-in name: a password may not be like it.
    pub name: LoginName,
    pub password: Password,
    pub remove_device_keys: bool,
}

/// A device key to be enrolled.
#[derive(Debug)]
pub struct NewKey {
    pub algorithm: SignatureAlgorithm,
    pub public_key: Vec<u8>,
    /// What the person calls the device.
    pub label: String,
}

impl Identity {
    /// Registers a person.
    ///
    /// # Errors
    /// When the password may not be chosen, the name is taken, or the actor may not.
    pub async fn register(
        &self,
        actor: &Actor,
        new: NewPerson,
        once: Option<Once>,
    ) -> Result<Receipt<PersonRegistered>, Problem> {
        let NewPerson { name, password, device_key, kind, roles, address } = new;
        let id = self.clock().id();
        let salt = || self.clock().random();
        let mut command = RegisterPerson {
            person: id,
            kind,
            roles,
            login: Erasable::new(salt(), name.blind_index(self.keys()).0.to_vec()),
            name: Erasable::new(salt(), Vec::new()),
            password: None,
            device_key: None,
        };
        // Before any work is done for somebody who may not, or for a name that cannot be had.
        actor.permit(command.clone())?;
        if password.is_none() && device_key.is_none() {
            return Err(no_credentials());
        }
        if let Some(key) = &device_key {
            key.algorithm.check_public_key(&key.public_key)?;
        }
        self.admit_registration(actor, address)?;
        self.check_name(actor, &name, once).await?;
        let verifier = match password {
            Some(password) => Some(self.hasher().choose(password, name.clone()).await?),
            None => None,
        };
        let key = self.person_keys().create(id).await?;
        command.name = self.sealed(&key, "name", id, name.as_str().as_bytes());
        command.password = verifier.map(|verifier| self.sealed(&key, "password", id, verifier.as_bytes()));
        command.device_key = device_key.map(|first| FirstKey {
            id: self.clock().id(),
            algorithm: first.algorithm,
            public_key: Erasable::new(salt(), first.public_key),
            label: self.sealed(&key, "device-label", id, first.label.as_bytes()),
        });
        let registered = self.ledger().submit_once(actor.permit(command)?, once).await;
        self.destroy_needless(id, &registered).await;
        Ok(registered?)
    }

    /// Can this name be had? Asked before any work is done; whoever sends the same request again gets the
    /// answer from the ledger.
    async fn check_name(&self, actor: &Actor, name: &LoginName, once: Option<Once>) -> Result<(), Problem> {
        let trusted = actor.is_service() || actor.has(Role::Administrator);
        if name.as_str() == FIRST_ADMINISTRATOR && !trusted {
            return Err(RegisterPersonError::NameTaken.into());
        }
        let index = name.blind_index(self.keys());
        let read = self.ledger().readers().read(move |snapshot| snapshot.get::<TakenName>(&index));
        match read.await? {
            Some(_) if once.is_none() => Err(RegisterPersonError::NameTaken.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Destroys the key that was made for somebody who was not registered, or had been before.
    async fn destroy_needless(
        &self,
        id: Id<authz::Person>,
        registered: &Result<Receipt<PersonRegistered>, SubmitError<RegisterPersonError>>,
    ) {
        let needed = match registered {
            Ok(receipt) => receipt.done.person == id,
            // They may have been registered after all.
            Err(SubmitError::InDoubt | SubmitError::Panicked | SubmitError::Stopped) => true,
            Err(_) => false,
        };
        if !needed && let Err(error) = self.person_keys().destroy(id).await {
            tracing::warn!(code = "identity/key-of-nobody", %error, "a key of nobody could not be destroyed");
        }
    }

    /// Gives a person another password. Whoever changes their own has proven who they are.
    ///
    /// # Errors
    /// When the new password may not be chosen, or the actor may not.
    pub async fn change_password(
        &self,
        actor: &Actor,
        person: &Person,
        new: NewPassword,
        proof: Option<Proof>,
    ) -> Result<Receipt<()>, Problem> {
        let NewPassword { name, password, remove_device_keys } = new;
        let verifier = self.hasher().choose(password, name).await?;
        let key = self.key_of(person.id).await?;
        let password = self.sealed(&key, "password", person.id, verifier.as_bytes());
        let command = ChangePassword { person: person.id, password, proof, remove_device_keys };
        Ok(self.ledger().submit(actor.permit(command)?).await?)
    }

    /// Lets a key of a device sign in as the actor, who has proven who they are.
    ///
    /// # Errors
    /// When the key is none, there are too many, or the actor may not.
    pub async fn enrol_device_key(
        &self,
        actor: &Actor,
        person: Id<authz::Person>,
        new: NewKey,
        proof: Proof,
        once: Option<Once>,
    ) -> Result<Receipt<DeviceKeyEnrolled>, Problem> {
        let NewKey { algorithm, public_key, label } = new;
        algorithm.check_public_key(&public_key)?;
        let sealing = self.key_of(person).await?;
        let command = EnrolDeviceKey {
            person,
            key: self.clock().id(),
            algorithm,
            public_key: Erasable::new(self.clock().random(), public_key),
            label: self.sealed(&sealing, "device-label", person, label.as_bytes()),
            proof,
        };
        Ok(self.ledger().submit_once(actor.permit(command)?, once).await?)
    }

    /// The person with this identifier.
    pub(crate) async fn person(&self, person: Id<authz::Person>) -> Result<Person, Problem> {
        let found = self.ledger().readers().read(move |snapshot| snapshot.get::<Person>(&person)).await?;
        found.ok_or_else(no_such_person)
    }

    /// The person with this identifier, whose sign-in name this must be.
    pub(crate) async fn named_person(
        &self,
        person: Id<authz::Person>,
        name: &LoginName,
    ) -> Result<Person, Problem> {
        let person = self.person(person).await?;
        if person.login.key() == name.blind_index(self.keys()) {
            return Ok(person);
        }
        Err(Problem::unprocessable("identity/other-user-id", "this is not the userId of that person"))
    }

    /// The key that seals what is personal about somebody.
    pub(crate) async fn key_of(&self, person: Id<authz::Person>) -> Result<PersonKey, Problem> {
        self.person_keys().find(person).await?.ok_or_else(no_such_person)
    }

    fn sealed(&self, key: &PersonKey, field: &str, person: Id<authz::Person>, plaintext: &[u8]) -> Erasable {
        Erasable::new(self.clock().random(), key.seal(SERVICE, field, person, plaintext, self.clock()))
    }
}

/// Somebody who could never sign in.
fn no_credentials() -> Problem {
    let detail = "a person needs something to sign in with: give a password, a deviceKey, or both";
    Problem::unprocessable("identity/no-credentials", detail)
}

/// There is none, or the caller may not know of them.
pub(crate) fn no_such_person() -> Problem {
    Problem::not_found("identity/no-such-person", "there is no such person")
}

impl From<crate::password::PasswordError> for Problem {
    fn from(error: crate::password::PasswordError) -> Self {
        Self::unprocessable("identity/password-unfit", error)
    }
}

impl From<crate::device_key::PublicKeyError> for Problem {
    fn from(error: crate::device_key::PublicKeyError) -> Self {
        Self::unprocessable("identity/public-key-unfit", error)
    }
}

impl From<crate::login_name::LoginNameError> for Problem {
    fn from(error: crate::login_name::LoginNameError) -> Self {
        Self::unprocessable("identity/user-id-unfit", error)
    }
}
