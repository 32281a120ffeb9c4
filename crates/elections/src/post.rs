//! What is put on a board: each kind of entry with its rule. The service alone puts something there, so that no entry
//! tells who asked for it.

mod ceremony;
mod steps;
mod tally;
#[cfg(test)]
mod tests;
mod votes;

use authz::{Actor, By, Guarded};
use board::OnBoard;
use clock::Timestamp;
use ledger::{Applied, Command, Commands};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Keys, StoreError, Tx};

use crate::board_rows::{BoardState, Phase};

/// An entry that is put on a board.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Post<E>(pub(crate) E);

/// When an entry may stand on a board, and what follows from it.
pub(crate) trait Rule: OnBoard {
    /// The rows it reads, besides the board's state.
    fn reads(&self, keys: &mut Keys<'_>);

    /// Changes what it changes; the state is written afterwards.
    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, at: Timestamp) -> Result<(), PostError>;
}

/// Why something was not put on a board.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error("the election is not at this point")]
    NotNow(Phase),
    #[error("this ballot stands on the board already")]
    AlreadyCast { index: u64 },
    #[error("this stands on the board already")]
    AlreadyThere,
    #[error("something else was said before")]
    SaidOtherwise,
    #[error("others have to speak first")]
    NotTheStep,
    #[error("the board says more now than this was made of")]
    Outdated,
    #[error("the manifest cannot be read")]
    Unreadable,
    #[error("you are no trustee of this election")]
    Stranger,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E: Rule> Guarded for Post<E> {
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl<E: Rule> Command for Post<E> {
    const NAME: &'static str = E::NAME;
    /// Where the entry stands.
    type Done = u64;
    type Refused = PostError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<BoardState>(0);
        self.0.reads(keys);
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<u64>, PostError> {
        let mut state = tx.get::<BoardState>(0)?.unwrap_or(BoardState::new());
        let index = state.entries;
        self.0.apply(tx, &mut state, at)?;
        state.entries += 1;
        tx.put(state);
        Ok(Applied::new(index))
    }
}

impl BoardState {
    /// It must have come so far and no further.
    fn must_be(&self, phase: Phase) -> Result<(), PostError> {
        if self.phase() == phase { Ok(()) } else { Err(PostError::NotNow(self.phase())) }
    }
}

/// JSON that is kept in a row.
fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("what came as JSON has a JSON form")
}

/// Every command of a board, for replays.
pub(crate) fn commands() -> Commands {
    Commands::new()
        .with::<Post<board::BeginCeremony>>()
        .with::<Post<board::Said>>()
        .with::<Post<board::Void>>()
        .with::<Post<board::Defined>>()
        .with::<Post<board::Opened>>()
        .with::<Post<board::BallotEntry>>()
        .with::<Post<board::OpenBallotEntry>>()
        .with::<Post<board::Verdicts>>()
        .with::<Post<board::Closed>>()
        .with::<Post<board::Mixed>>()
        .with::<Post<board::Redeemed>>()
        .with::<Post<board::RefusedTokens>>()
        .with::<Post<board::Decrypting>>()
        .with::<Post<board::Decrypted>>()
        .with::<Post<board::Lied>>()
        .with::<Post<board::Counted>>()
        .with::<Post<board::Published>>()
        .with::<Post<board::Abandoned>>()
}

impl From<PostError> for Problem {
    fn from(error: PostError) -> Self {
        match error {
            PostError::NotNow(_) | PostError::Outdated => Self::conflict("elections/not-now", error),
            PostError::AlreadyCast { .. } | PostError::AlreadyThere => {
                Self::conflict("elections/already-there", error)
            }
            PostError::SaidOtherwise => Self::conflict("elections/said-otherwise", error),
            PostError::NotTheStep => Self::conflict("elections/not-the-step", error),
            PostError::Stranger => Self::forbidden("elections/no-trustee", error),
            PostError::Unreadable => Self::internal(&error),
            PostError::Store(error) => error.into(),
        }
    }
}
