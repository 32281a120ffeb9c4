//! An officer, or the time, brings an election further.

use authz::{Actor, By, Guarded, Role};
use board::Election;
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Keys, StoreError, Tx};

use crate::{
    create_election::no_such_election,
    rows::{ElectionRow, Stage},
};

/// Brings an election to a stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdvanceElection {
    pub election: Id<Election>,
    pub to: Stage,
    /// Which ceremony is to begin, if that is the stage; nought otherwise.
    pub attempt: u16,
}

/// Why it was not.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    #[error("there is no such election")]
    NoSuchElection,
    #[error("the election is not at the point from where it could go there")]
    NotNow,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdvanceElection {
    /// The rule alone.
    fn decide(&self, stage: Stage, attempt: u16) -> Result<(), AdvanceError> {
        let fits = match (stage, self.to) {
            (Stage::Draft | Stage::Ceremony, Stage::Ceremony) => self.attempt == attempt + 1,
            (Stage::Ceremony, Stage::Open)
            | (Stage::Open, Stage::Closed)
            | (Stage::Closed, Stage::Tally)
            | (Stage::Tally, Stage::Published)
            // What its board had counted before it heard of it can be published all the same.
            | (Stage::Abandoned, Stage::Published) => true,
            (from, Stage::Abandoned) => from < Stage::Published,
            (
                _,
                Stage::Draft
                | Stage::Ceremony
                | Stage::Open
                | Stage::Closed
                | Stage::Tally
                | Stage::Published,
            ) => false,
        };
        if fits { Ok(()) } else { Err(AdvanceError::NotNow) }
    }
}

impl Guarded for AdvanceElection {
    fn allows(&self, actor: &Actor) -> bool {
        let by_time = actor.is_service() && matches!(self.to, Stage::Open | Stage::Closed);
        by_time || actor.has(Role::Officer)
    }
}

impl Command for AdvanceElection {
    const NAME: &'static str = "elections/advance";
    type Done = ();
    type Refused = AdvanceError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<ElectionRow>(self.election);
    }

    fn apply(self, _: &By, tx: &mut Tx<'_>, _: Timestamp) -> Result<Applied<()>, AdvanceError> {
        let mut row = tx.get::<ElectionRow>(self.election)?.ok_or(AdvanceError::NoSuchElection)?;
        self.decide(row.stage(), row.attempt)?;
        row.stage = self.to as u8;
        if self.to == Stage::Ceremony {
            row.attempt = self.attempt;
        }
        tx.put(row);
        Ok(Applied::new(()))
    }
}

impl From<AdvanceError> for Problem {
    fn from(error: AdvanceError) -> Self {
        match error {
            AdvanceError::NoSuchElection => no_such_election(),
            AdvanceError::NotNow => Self::conflict("elections/not-now", error),
            AdvanceError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stage: Stage, to: Stage, expected: bool) {
        let attempt = u16::from(to == Stage::Ceremony);
        let advance = AdvanceElection { election: Id::new(1, [1; 10]), to, attempt };
        assert_eq!(advance.decide(stage, 0).is_ok(), expected, "{stage:?} to {to:?}");
    }

    #[test]
    fn each_stage_follows_the_one_before() {
        check(Stage::Draft, Stage::Ceremony, true);
        check(Stage::Ceremony, Stage::Open, true);
        check(Stage::Open, Stage::Closed, true);
        check(Stage::Closed, Stage::Tally, true);
        check(Stage::Tally, Stage::Published, true);
    }

    #[test]
    fn none_is_left_out_and_none_comes_back() {
        check(Stage::Draft, Stage::Open, false);
        check(Stage::Open, Stage::Tally, false);
        check(Stage::Closed, Stage::Open, false);
        check(Stage::Abandoned, Stage::Open, false);
        check(Stage::Published, Stage::Abandoned, false);
        check(Stage::Open, Stage::Abandoned, true);
    }
}
