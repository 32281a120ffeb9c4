//! Applying entries again, by the names of their commands.

use std::collections::BTreeMap;

use authz::{By, ByError, Person};
use clock::Timestamp;
use ids::Id;
use problem::Problem;
use store::{Batch, Effect, Keys, StoreError, Tx};

use crate::{
    command::{Applied, Command},
    entry::{Entry, UnpackError, unpack_next},
};

/// Why an entry cannot be applied again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("this program knows no command `{0}`")]
    UnknownCommand(String),
    #[error("its body cannot be read: {0}")]
    Body(#[from] serde_json::Error),
    #[error(transparent)]
    Erasable(#[from] UnpackError),
    #[error(transparent)]
    Actor(#[from] ByError),
    #[error("it is refused when applied again ({0})")]
    Refused(&'static str),
    #[error("it is about another person when applied again")]
    Subject,
}

/// Why entries could not be replayed as they were first applied.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    #[error("entry {index} (`{command}`) cannot be replayed")]
    Replay { index: u64, command: String, source: ReplayError },
    #[error("entry {index} (`{command}`) did something else when it was first applied")]
    Effect { index: u64, command: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AgainError {
    fn replay(entry: &Entry, source: ReplayError) -> Self {
        Self::Replay { index: entry.index, command: entry.command.clone(), source }
    }
}

/// A command read back from its entry, to be applied again.
trait Again {
    fn reads(&self, keys: &mut Keys<'_>);
    fn apply(self: Box<Self>, tx: &mut Tx<'_>, at: Timestamp) -> Result<Option<Id<Person>>, ReplayError>;
}

struct Known<C> {
    command: C,
    by: By,
}

type Read = fn(&Entry) -> Result<Box<dyn Again>, ReplayError>;

/// Every command a service knows, by its permanent name.
#[derive(Debug, Clone, Default)]
pub struct Commands(BTreeMap<&'static str, Read>);

impl Commands {
    /// A service that knows no command.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And this one.
    ///
    /// # Panics
    /// When another command has the same name, which no release may ever do.
    #[must_use]
    pub fn with<C: Command>(mut self) -> Self {
        let earlier = self.0.insert(C::NAME, read::<C>);
        assert!(earlier.is_none(), "two commands are named `{}`", C::NAME);
        self
    }

    /// The commands of these entries, with the rows that they will read loaded into the batch.
    pub(crate) fn read_all(
        &self,
        entries: &[Entry],
        batch: &mut Batch<'_>,
    ) -> Result<Vec<Replay>, AgainError> {
        let mut read = Vec::with_capacity(entries.len());
        for entry in entries {
            let unknown = || ReplayError::UnknownCommand(entry.command.clone());
            let reads = self.0.get(entry.command.as_str()).ok_or_else(unknown);
            let command =
                reads.and_then(|read| read(entry)).map_err(|source| AgainError::replay(entry, source))?;
            command.reads(&mut batch.keys());
            read.push(Replay(command));
        }
        batch.load()?;
        Ok(read)
    }
}

/// A command that was read back.
pub(crate) struct Replay(Box<dyn Again>);

impl Replay {
    /// Applies it to the batch again, and compares what it changes with what it changed then.
    pub(crate) fn apply(self, entry: &Entry, batch: &mut Batch<'_>) -> Result<(), AgainError> {
        let subject = self.0.apply(&mut batch.tx(), entry.at);
        let subject = subject.map_err(|source| AgainError::replay(entry, source))?;
        if subject != entry.subject {
            return Err(AgainError::replay(entry, ReplayError::Subject));
        }
        let Effect(effect) = batch.keep();
        if effect == entry.effect {
            return Ok(());
        }
        Err(AgainError::Effect { index: entry.index, command: entry.command.clone() })
    }
}

impl<C: Command> Again for Known<C> {
    fn reads(&self, keys: &mut Keys<'_>) {
        self.command.reads(keys);
    }

    fn apply(self: Box<Self>, tx: &mut Tx<'_>, at: Timestamp) -> Result<Option<Id<Person>>, ReplayError> {
        let applied = self.command.apply(&self.by, tx, at);
        let Applied { subject, .. } =
            applied.map_err(|refused| ReplayError::Refused(Into::<Problem>::into(refused).code()))?;
        Ok(subject)
    }
}

fn read<C: Command>(entry: &Entry) -> Result<Box<dyn Again>, ReplayError> {
    let mut command: C = serde_json::from_slice(&entry.body)?;
    if let Some(mut packed) = entry.erasable.as_deref() {
        let mut unpacked = Ok(());
        command.erasables(&mut |field| {
            if unpacked.is_ok() {
                unpacked = unpack_next(&mut packed, field);
            }
        });
        unpacked?;
        if !packed.is_empty() {
            return Err(UnpackError.into());
        }
    }
    Ok(Box::new(Known { command, by: entry.actor.parse()? }))
}
