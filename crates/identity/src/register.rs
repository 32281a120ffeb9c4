//! Making a person: sealing what is personal before the command that registers them is given.

use authz::{Actor, PersonKind, Roles};
use ids::Id;
use ledger::{Once, Receipt};
use problem::Problem;
use seal::PersonKey;
use store::Erasable;

use crate::{
    Identity,
    change_person::ChangePassword,
    device_key::{DeviceKey, SignatureAlgorithm},
    enrol_device_key::{DeviceKeyEnrolled, EnrolDeviceKey},
    erase_person::ErasePerson,
    login_name::LoginName,
    password::Password,
    person::{Person, SERVICE},
    register_person::{FirstKey, PersonRegistered, RegisterPerson},
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
        let NewPerson { name, password, device_key, kind, roles } = new;
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
        // Before any work is done for somebody who may not.
        actor.permit(command.clone())?;
        match (&password, &device_key) {
            (None, None) => return Err(no_credentials()),
            (Some(password), _) => password.check_choice(&name)?,
            (None, Some(_)) => {}
        }
        if let Some(key) = &device_key {
            key.algorithm.check_public_key(&key.public_key)?;
        }
        let verifier = match password {
            Some(password) => Some(self.hasher().hash(password).await?),
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
        Ok(self.ledger().submit_once(actor.permit(command)?, once).await?)
    }

    /// Gives a person another password. Whoever changes their own says the old one too.
    ///
    /// # Errors
    /// When the old password is wrong, the new one may not be chosen, or the actor may not.
    pub async fn change_password(
        &self,
        actor: &Actor,
        person: &Person,
        name: &LoginName,
        password: Password,
    ) -> Result<(), Problem> {
        let command = ChangePassword { person: person.id, password: Erasable::new([0; 16], Vec::new()) };
        actor.permit(command.clone())?;
        password.check_choice(name)?;
        let verifier = self.hasher().hash(password).await?;
        let key = self.key_of(person.id).await?;
        let password = self.sealed(&key, "password", person.id, verifier.as_bytes());
        self.ledger().submit(actor.permit(ChangePassword { password, ..command })?).await?;
        Ok(())
    }

    /// Lets a key of a device sign in as the actor.
    ///
    /// # Errors
    /// When the key is none, there are too many, or the actor may not.
    pub async fn enrol_device_key(
        &self,
        actor: &Actor,
        person: Id<authz::Person>,
        new: NewKey,
        once: Option<Once>,
    ) -> Result<Receipt<DeviceKeyEnrolled>, Problem> {
        let NewKey { algorithm, public_key, label } = new;
        algorithm.check_public_key(&public_key)?;
        let id: Id<DeviceKey> = self.clock().id();
        let command = EnrolDeviceKey {
            person,
            key: id,
            algorithm,
            public_key: Erasable::new(self.clock().random(), public_key),
            label: Erasable::new(self.clock().random(), Vec::new()),
        };
        actor.permit(command.clone())?;
        let key = self.key_of(person).await?;
        let label = self.sealed(&key, "device-label", person, label.as_bytes());
        Ok(self.ledger().submit_once(actor.permit(EnrolDeviceKey { label, ..command })?, once).await?)
    }

    /// Erases a person: first the key to all that is sealed about them, then their rows and the erasable
    /// parts of their entries. Broken off between the two, it is finished by asking again.
    ///
    /// # Errors
    /// When there is no such person, or the actor may not.
    pub async fn erase(&self, actor: &Actor, person: Id<authz::Person>) -> Result<(), Problem> {
        let permitted = actor.permit(ErasePerson { person })?;
        self.person(person).await?;
        self.person_keys().destroy(person).await?;
        self.ledger().submit(permitted).await?;
        Ok(())
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
