//! An officer says who may vote. Only keyed hashes of names are kept.

use std::collections::BTreeMap;

use authz::{Actor, By, Guarded, Role};
use board::{Election, Hex};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Keys, StoreError, Tx};
use tally::BALLOTS_MAX;

use crate::{
    create_election::no_such_election,
    rows::{ElectionRow, RollLine, Stage, WeightCount},
};

/// Lines of one command, at most: it is one entry of the ledger.
pub const LINES_MAX: usize = 700;

/// Adds lines to an election's roll.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportRoll {
    pub election: Id<Election>,
    /// A voter's keyed hash, and their weight.
    pub lines: Vec<(Hex<32>, u32)>,
}

/// How many lines were new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RollImported {
    pub added: u64,
    pub known: u64,
    /// Lines of the roll now.
    pub voters: u64,
}

/// Why no lines were added.
#[derive(Debug, thiserror::Error)]
pub enum ImportRollError {
    #[error("there is no such election")]
    NoSuchElection,
    #[error("the roll is closed")]
    RollClosed,
    #[error("{0} is none of the election's weights")]
    NoSuchWeight(u32),
    #[error("line {0} is on the roll with another weight")]
    WeightDiffers(usize),
    #[error("the weights of all voters add up to more than {BALLOTS_MAX}, which is more than can be counted")]
    TooHeavy,
    #[error(
        "more than {voters_max} voters would have the weight {weight}, and what is published of so many votes in the \
         longest contest could not be kept: have fewer options and shorter names, or hold several elections"
    )]
    TooLong { weight: u32, voters_max: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Guarded for ImportRoll {
    fn allows(&self, actor: &Actor) -> bool {
        actor.has(Role::Officer)
    }
}

impl Command for ImportRoll {
    const NAME: &'static str = "elections/import-roll";
    type Done = RollImported;
    type Refused = ImportRollError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<ElectionRow>(self.election);
        self.lines.iter().for_each(|(voter, _)| keys.want::<RollLine>((self.election, voter.0)));
    }

    fn apply(self, _: &By, tx: &mut Tx<'_>, _: Timestamp) -> Result<Applied<RollImported>, ImportRollError> {
        let election = self.election;
        let mut row = tx.get::<ElectionRow>(election)?.ok_or(ImportRollError::NoSuchElection)?;
        if row.stage() > Stage::Open {
            return Err(ImportRollError::RollClosed);
        }
        let definition = row.definition()?;
        let (voters_max, weights) = (definition.voters_max(), definition.weights);
        let (mut added, mut known, mut more) = (0, 0, BTreeMap::<u32, u64>::new());
        for (place, (Hex(voter), weight)) in self.lines.into_iter().enumerate() {
            if !weights.contains(&weight) {
                return Err(ImportRollError::NoSuchWeight(weight));
            }
            match tx.get::<RollLine>((election, voter))? {
                Some(line) if line.weight != weight => return Err(ImportRollError::WeightDiffers(place)),
                Some(_) => known += 1,
                None => {
                    tx.put(RollLine { election, voter, weight });
                    added += 1;
                    *more.entry(weight).or_insert(0) += 1;
                }
            }
        }
        let mut weighted = 0;
        for weight in weights {
            let count = tx.get::<WeightCount>((election, weight))?;
            let mut count = count.unwrap_or(WeightCount { election, weight, voters: 0, issued: 0 });
            count.voters += more.get(&weight).copied().unwrap_or_default();
            if count.voters > voters_max {
                return Err(ImportRollError::TooLong { weight, voters_max });
            }
            weighted += count.voters * u64::from(weight);
            tx.put(count);
        }
        if weighted > BALLOTS_MAX {
            return Err(ImportRollError::TooHeavy);
        }
        row.voters += added;
        let voters = row.voters;
        tx.put(row);
        Ok(Applied::new(RollImported { added, known, voters }))
    }
}

impl From<ImportRollError> for Problem {
    fn from(error: ImportRollError) -> Self {
        match error {
            ImportRollError::NoSuchElection => no_such_election(),
            ImportRollError::RollClosed => Self::conflict("elections/roll-closed", error),
            ImportRollError::NoSuchWeight(_) => Self::unprocessable("elections/no-such-weight", error),
            ImportRollError::WeightDiffers(_) => Self::conflict("elections/weight-differs", error),
            ImportRollError::TooHeavy => Self::unprocessable("elections/roll-too-heavy", error),
            ImportRollError::TooLong { .. } => Self::unprocessable("elections/roll-too-long", error),
            ImportRollError::Store(error) => error.into(),
        }
    }
}
