//! A voter gets a token, once. What they asked with is kept so that asking again is answered alike; it says nothing of
//! the token, which the issuer would not recognise.

use authz::{Actor, By, Guarded};
use board::{Election, Hex};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Keys, StoreError, Tx};

use crate::{
    create_election::no_such_election,
    rows::{ElectionRow, RollLine, Stage, TokenIssued, WeightCount},
};

/// Gives the voter who asks a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueToken {
    pub election: Id<Election>,
    /// Their keyed hash, as the roll has it.
    pub voter: Hex<32>,
    /// What they ask with, if votes are secret.
    pub blinded: Option<Hex<32>>,
}

/// Why they got none.
#[derive(Debug, thiserror::Error)]
pub enum IssueTokenError {
    #[error("there is no such election")]
    NoSuchElection,
    #[error("the election is not open")]
    NotOpen,
    #[error("you are not on the roll of this election")]
    NotEligible,
    #[error("you have got a token already, for another key")]
    Issued,
    #[error("you have got this token already")]
    Again { weight: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Guarded for IssueToken {
    fn allows(&self, actor: &Actor) -> bool {
        actor.by().person().is_some()
    }
}

impl Command for IssueToken {
    const NAME: &'static str = "elections/issue-token";
    /// The voter's weight.
    type Done = u32;
    type Refused = IssueTokenError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<ElectionRow>(self.election);
        keys.want::<RollLine>((self.election, self.voter.0));
        keys.want::<TokenIssued>((self.election, self.voter.0));
    }

    fn apply(self, by: &By, tx: &mut Tx<'_>, _: Timestamp) -> Result<Applied<u32>, IssueTokenError> {
        let Self { election, voter: Hex(voter), blinded } = self;
        let row = tx.get::<ElectionRow>(election)?.ok_or(IssueTokenError::NoSuchElection)?;
        // Once there is a key: who gets theirs before they can vote is not told by the time of their vote.
        if !matches!(row.stage(), Stage::Ceremony | Stage::Open) {
            return Err(IssueTokenError::NotOpen);
        }
        let line = tx.get::<RollLine>((election, voter))?.ok_or(IssueTokenError::NotEligible)?;
        let (weight, blinded) = (line.weight, blinded.map_or_else(Vec::new, |blinded| blinded.0.to_vec()));
        if let Some(known) = tx.get::<TokenIssued>((election, voter))? {
            let again = known.blinded == blinded;
            return Err(if again { IssueTokenError::Again { weight } } else { IssueTokenError::Issued });
        }
        let count = tx.get::<WeightCount>((election, weight))?.ok_or(IssueTokenError::NotEligible)?;
        tx.put(TokenIssued { election, voter, blinded });
        tx.put(WeightCount { issued: count.issued + 1, ..count });
        let applied = Applied::new(weight);
        Ok(match by.person() {
            Some(person) => applied.about(person),
            None => applied,
        })
    }
}

impl From<IssueTokenError> for Problem {
    fn from(error: IssueTokenError) -> Self {
        match error {
            IssueTokenError::NoSuchElection => no_such_election(),
            IssueTokenError::NotOpen => Self::conflict("elections/not-open", error),
            IssueTokenError::NotEligible => Self::forbidden("elections/not-eligible", error),
            IssueTokenError::Issued | IssueTokenError::Again { .. } => {
                Self::conflict("elections/token-issued", error)
            }
            IssueTokenError::Store(error) => error.into(),
        }
    }
}
