//! Applying entries again, by the names of their commands.

use std::collections::BTreeMap;

use authz::ByError;
use problem::Problem;
use store::{Batch, Effect};

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

type Replay = fn(&Entry, &mut Batch<'_>) -> Result<(), ReplayError>;

/// Every command a service knows, by its permanent name.
#[derive(Debug, Clone, Default)]
pub struct Commands(BTreeMap<&'static str, Replay>);

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
        let earlier = self.0.insert(C::NAME, replay::<C>);
        assert!(earlier.is_none(), "two commands are named `{}`", C::NAME);
        self
    }

    /// Applies an entry to the batch again, and tells what it changed.
    pub(crate) fn apply(&self, entry: &Entry, batch: &mut Batch<'_>) -> Result<Effect, ReplayError> {
        let unknown = || ReplayError::UnknownCommand(entry.command.clone());
        self.0.get(entry.command.as_str()).ok_or_else(unknown)?(entry, batch)?;
        Ok(batch.keep())
    }
}

fn replay<C: Command>(entry: &Entry, batch: &mut Batch<'_>) -> Result<(), ReplayError> {
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
    let by = entry.actor.parse()?;
    let applied = command.apply(&by, &mut batch.tx(), entry.at);
    let Applied { subject, .. } =
        applied.map_err(|refused| ReplayError::Refused(Into::<Problem>::into(refused).code()))?;
    if subject == entry.subject { Ok(()) } else { Err(ReplayError::Subject) }
}
