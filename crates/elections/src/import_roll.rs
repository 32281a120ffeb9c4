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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use store::Databases;

    use super::*;
    use crate::elections::schema;

    /// So many of the voters of weight 1 are on the roll already; of weight 2 nobody is.
    fn import(voters: u64, weight: u32, lines: u8) -> Result<RollImported, ImportRollError> {
        let election = Id::new(1, [1; 10]);
        let definition = json!({"title": {"en": "A"}, "weights": [1, 2], "contests": [{
            "contestId": "a", "title": {"en": "A"}, "form": {"kind": "plurality"}, "count": "most",
            "options": [{"optionId": "a", "title": {"en": "A"}}],
        }]});
        let row = ElectionRow {
            id: election,
            stage: Stage::Draft as u8,
            definition: definition.to_string().into_bytes(),
            trustees: b"[]".to_vec(),
            threshold: 0,
            attempt: 0,
            voters,
            asked_to: 0,
            asked_votes: 0,
            asked_tally: 0,
            created_at: Timestamp::EPOCH,
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut store = Databases::in_files(folder.path()).open("elections", &schema()).expect("it opens");
        let mut batch = store.writer.begin().expect("it begins");
        let mut tx = batch.tx();
        tx.put(row);
        tx.put(WeightCount { election, weight: 1, voters, issued: 0 });
        let lines = (0..lines).map(|line| (Hex([line; 32]), weight)).collect();
        let applied = ImportRoll { election, lines }.apply(&By::Anonymous, &mut tx, Timestamp::EPOCH);
        applied.map(|applied| applied.done)
    }

    #[test]
    fn there_may_be_as_many_voters_of_a_weight_as_can_be_published_of_and_not_one_more() {
        // One option: what a mixer proves is the longest thing, 160 bytes a vote behind 296.
        let most = ((1 << 30) - 296) / 160;
        assert_eq!(import(most - 2, 1, 2).expect("they fit").voters, most);
        let refused = import(most - 2, 1, 3).expect_err("one too many");
        assert!(matches!(refused, ImportRollError::TooLong { weight: 1, voters_max } if voters_max == most));
        assert_eq!(Problem::from(refused).code(), "elections/roll-too-long");
        // Each weight is published by itself.
        assert_eq!(import(most, 2, 3).expect("they fit").added, 3);
    }
}
