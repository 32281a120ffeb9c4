//! Which key file a database was made with, and which databases belong together. A key file or a database
//! that was lost must be noticed before a new one quietly takes its place.

use clock::Clock;
use store::{Batch, Schema, StoreError, Writer};

use crate::Keys;

store::table! {
    /// Something that is alike in every database of one deployment.
    struct Mark in "deployment_marks", Operational {
        key { name: String }
        value: Vec<u8>,
    }
}

/// Under this name stands a fingerprint of the root key.
const KEYS: &str = "keys";
/// Under this name stands a number that was drawn when the first of the databases was made.
const DEPLOYMENT: &str = "deployment";

/// What marks the databases of one deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployment {
    keys: [u8; 16],
    number: [u8; 16],
}

/// Why a database does not fit the keys, or the other databases.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    #[error(
        "the database `{database}` was made with another key file: restore the keys.json that belongs to it; \
         with any other, nothing that was sealed can be opened"
    )]
    OtherKeys { database: &'static str },
    #[error(
        "the databases `{database}` and `person-keys` do not belong together: one of them is missing, new, or of \
         another deployment; restore the one that was lost from its backup, and do not start without it"
    )]
    Apart { database: &'static str },
    #[error("the database cannot be read")]
    Store(#[from] StoreError),
}

/// The table that every database of a deployment has.
#[must_use]
pub fn deployment_schema() -> Schema {
    Schema::new().migration("seal/deployment", include_str!("../migrations/deployment.sql")).table::<Mark>()
}

impl Deployment {
    /// The marks of the first database of a deployment, made if it has none.
    pub(crate) fn found(
        writer: &mut Writer,
        database: &'static str,
        keys: &Keys,
        clock: &Clock,
    ) -> Result<Self, DeploymentError> {
        let new = Self { keys: fingerprint(keys), number: clock.random() };
        let marked = new.mark(writer, true)?.ok_or(DeploymentError::Apart { database })?;
        if marked.keys == new.keys { Ok(marked) } else { Err(DeploymentError::OtherKeys { database }) }
    }

    /// Marks a database that was built anew as one of this deployment.
    pub fn put(&self, batch: &mut Batch<'_>) {
        for (name, value) in [(KEYS, self.keys), (DEPLOYMENT, self.number)] {
            batch.tx().put(Mark { name: name.to_owned(), value: value.to_vec() });
        }
        batch.keep();
    }

    /// Takes another database for one of this deployment: `new` says that nothing has been done in it yet.
    ///
    /// # Errors
    /// When it was made with other keys, or belongs to another deployment.
    pub fn claim(
        &self,
        writer: &mut Writer,
        database: &'static str,
        new: bool,
    ) -> Result<(), DeploymentError> {
        let marked = self.mark(writer, new)?;
        self.compare(marked, database)
    }

    /// Looks whether a database that must not change is one of this deployment.
    ///
    /// # Errors
    /// As [`Deployment::claim`].
    pub fn check(&self, reader: &Writer, database: &'static str) -> Result<(), DeploymentError> {
        self.compare(Self::read(reader)?, database)
    }

    /// The marks of the first database of a deployment, which must have some.
    pub(crate) fn of(reader: &Writer, database: &'static str, keys: &Keys) -> Result<Self, DeploymentError> {
        let marked = Self::read(reader)?.ok_or(DeploymentError::Apart { database })?;
        if marked.keys == fingerprint(keys) {
            Ok(marked)
        } else {
            Err(DeploymentError::OtherKeys { database })
        }
    }

    fn compare(&self, marked: Option<Self>, database: &'static str) -> Result<(), DeploymentError> {
        match marked {
            Some(marked) if marked.keys != self.keys => Err(DeploymentError::OtherKeys { database }),
            Some(marked) if marked.number == self.number => Ok(()),
            Some(_) | None => Err(DeploymentError::Apart { database }),
        }
    }

    /// What the database is marked with; if that is nothing and it may be marked, with this from now on.
    fn mark(&self, writer: &mut Writer, may_be_new: bool) -> Result<Option<Self>, StoreError> {
        let mut batch = writer.begin()?;
        let known = batch.tx().get::<Mark>(KEYS.to_owned())?;
        let number = batch.tx().get::<Mark>(DEPLOYMENT.to_owned())?;
        if known.is_some() || number.is_some() || !may_be_new {
            return Ok(Self::from_marks(known, number));
        }
        self.put(&mut batch);
        batch.flush()?;
        batch.commit()?;
        Ok(Some(*self))
    }

    fn read(reader: &Writer) -> Result<Option<Self>, StoreError> {
        reader.read(|snapshot| {
            let (keys, number) =
                (snapshot.get::<Mark>(&KEYS.to_owned())?, snapshot.get::<Mark>(&DEPLOYMENT.to_owned())?);
            Ok(Self::from_marks(keys, number))
        })
    }

    fn from_marks(keys: Option<Mark>, number: Option<Mark>) -> Option<Self> {
        let bytes = |mark: Option<Mark>| mark.and_then(|mark| mark.value.try_into().ok());
        Some(Self { keys: bytes(keys)?, number: bytes(number)? })
    }
}

/// Says which root key it is, and nothing of the key.
fn fingerprint(keys: &Keys) -> [u8; 16] {
    let key = keys.derive("deployment fingerprint", b"");
    key.as_bytes().first_chunk().copied().expect("a key has 32 bytes")
}
