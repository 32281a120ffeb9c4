//! What a caller gets for a command: a receipt, or the reason why there is none.

use std::{error::Error, sync::Arc, time::Duration};

use problem::Problem;

use crate::merkle::Hash;

/// A command was applied and is durable: this is its place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt<Done> {
    /// What the command did.
    pub done: Done,
    /// The ledger that holds the entry.
    pub ledger: Arc<str>,
    /// The entry's place, from nought.
    pub index: u64,
    /// The entry's leaf hash; a checkpoint that covers `index` proves it.
    pub leaf: Hash,
}

/// Why a command was not done. But for [`SubmitError::InDoubt`], nothing of it happened.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError<Refused: Error> {
    #[error("{0}")]
    Refused(Refused),
    #[error("you were signed out before the change was made; sign in again")]
    Withdrawn,
    #[error("too many changes are waiting to be written; try again soon")]
    Busy,
    #[error("the server's database does not answer and is left alone for a while; try again later")]
    Resting { after: Duration },
    #[error("the server is stopping")]
    Stopped,
    #[error("this Idempotency-Key was used for a request with another body; choose a new key")]
    KeyReused,
    #[error("the request is larger than one entry of the ledger may be")]
    TooLarge,
    #[error("the change could not be written to disk, so it was not made; try again")]
    NotDurable,
    #[error(
        "the disk failed during the change; send it again with the same Idempotency-Key once the server is back"
    )]
    InDoubt,
    #[error("a command panicked")]
    Panicked,
    #[error("a command or its outcome has no JSON form")]
    Encoding(#[source] serde_json::Error),
}

impl<Refused: Error + Into<Self> + 'static> From<SubmitError<Refused>> for Problem {
    fn from(error: SubmitError<Refused>) -> Self {
        let soon = Duration::from_secs(1);
        match error {
            SubmitError::Refused(refused) => refused.into(),
            SubmitError::Withdrawn => {
                Self::unauthorized("ledger/signed-out", error, "Bearer error=\"invalid_token\"")
            }
            SubmitError::Busy => Self::unavailable("ledger/busy", error, soon),
            SubmitError::Resting { after } => Self::unavailable("ledger/resting", error, after.max(soon)),
            SubmitError::Stopped => Self::unavailable("ledger/stopped", error, Duration::from_secs(5)),
            SubmitError::KeyReused => Self::unprocessable("ledger/idempotency-key-reused", error),
            SubmitError::TooLarge => Self::content_too_large("ledger/command-too-large", error),
            SubmitError::NotDurable => Self::unavailable("ledger/not-durable", error, Duration::from_secs(5)),
            SubmitError::InDoubt => Self::unavailable("ledger/in-doubt", error, Duration::from_secs(30)),
            SubmitError::Panicked | SubmitError::Encoding(_) => Self::internal(&error),
        }
    }
}
