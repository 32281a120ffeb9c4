//! A command: a change that someone may ask a service to make.

use std::error::Error;

use authz::{By, Person};
use clock::Timestamp;
use ids::Id;
use problem::Problem;
use serde::{Serialize, de::DeserializeOwned};
use store::{Erasable, Keys, StoreError, Tx};

/// The longest body of a command, in bytes: with the head of its leaf it is shorter than 65,536, which is what a bundle of
/// entries (C2SP tlog-tiles) can say. Larger things are stored elsewhere and named.
pub const BODY_BYTES_MAX: usize = 63 * 1024;

/// A change that someone may ask a service to make. It is written into the ledger as JSON.
pub trait Command: Serialize + DeserializeOwned + Send + 'static {
    /// Written into the ledger with every entry: never change it.
    const NAME: &'static str;
    /// What the caller learns. Never a secret: idempotency keys keep it for a day.
    type Done: Serialize + DeserializeOwned + Send + 'static;
    type Refused: Error + Into<Problem> + From<StoreError> + Send + 'static;

    /// The rows it is going to read, so that a whole batch is loaded in one query a table.
    fn reads(&self, keys: &mut Keys<'_>);

    /// Looks at operational rows (leases, claims) before the command is applied for the first time. A replay
    /// has no such rows, and takes what was recorded as admitted.
    ///
    /// # Errors
    /// When they forbid the command, or the store fails.
    fn admit(&self, _tx: &mut Tx<'_>, _at: Timestamp) -> Result<(), Self::Refused> {
        Ok(())
    }

    /// Deterministic: all it knows is itself, who asks, `tx` and `at`. A refusal leaves nothing behind.
    ///
    /// # Errors
    /// When the command's rule forbids it as things stand, or the store fails.
    fn apply(self, by: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<Self::Done>, Self::Refused>;

    /// Shows `each` every field that an erasure may take away, always in the same order.
    fn erasables(&mut self, _each: &mut dyn FnMut(&mut Erasable)) {}
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied<Done> {
    pub done: Done,
    pub(crate) subject: Option<Id<Person>>,
    pub(crate) erases: bool,
}

impl<Done> Applied<Done> {
    /// It was done, and concerns nobody in particular.
    #[must_use]
    pub const fn new(done: Done) -> Self {
        Self { done, subject: None, erases: false }
    }

    /// It concerns this person, who may see its receipt, and whose erasure takes its erasable part away.
    #[must_use]
    pub fn about(mut self, person: Id<Person>) -> Self {
        self.subject = Some(person);
        self
    }

    /// It erases this person: the erasable parts of all entries about them go with the same sync.
    #[must_use]
    pub fn erasing(mut self, person: Id<Person>) -> Self {
        self.subject = Some(person);
        self.erases = true;
        self
    }
}
