//! An officer makes an election, and changes it until the trustees begin.

use authz::{Actor, By, Guarded, Role};
use board::{Definition, DefinitionError, Election};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use mixnet::{Quorum, QuorumError};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Keys, StoreError, Tx};

use crate::{
    rows::{ElectionRow, Stage, Trustee, WeightCount},
    wording::{WordingError, check_readable, check_wording},
};

/// Bytes of a trustee's name, at most.
const NAME_BYTES_MAX: usize = 100;

/// What an officer decides.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draft {
    pub definition: Definition,
    /// In the order of their numbers.
    pub trustees: Vec<Trustee>,
    pub threshold: u16,
    /// All trustees are needed, and one lost key is a lost election: the officer insists.
    pub unanimous: bool,
}

/// Makes an election.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateElection {
    pub id: Id<Election>,
    pub draft: Draft,
}

/// Changes an election that is a draft.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeElection {
    pub id: Id<Election>,
    pub draft: Draft,
}

/// Why an election was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error(transparent)]
    Wording(#[from] WordingError),
    #[error("voting would end in the past")]
    Over,
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    #[error("an election with secret votes has trustees, and one without has none")]
    Trustees,
    #[error(
        "a trustee's name is 1 to {NAME_BYTES_MAX} bytes without control characters, and no two have the same"
    )]
    Name,
    #[error("somebody is a trustee twice")]
    Twice,
    #[error("there is no such election")]
    NoSuchElection,
    #[error("{voters} voters are on the roll with weight {weight}: keep it")]
    WeightInUse { weight: u32, voters: u64 },
    #[error(
        "{voters} voters are on the roll with weight {weight}, and what is published of more than {voters_max} votes in \
         the longest contest could not be kept: have fewer options and shorter names"
    )]
    RollTooLong { weight: u32, voters: u64, voters_max: u64 },
    #[error("the election is not a draft any more")]
    Frozen,
    #[error("there is an election with this identifier")]
    Known,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Draft {
    /// Can there be such an election?
    ///
    /// # Errors
    /// When there cannot.
    pub fn check(&self) -> Result<(), DraftError> {
        self.definition.check()?;
        check_wording(&self.definition)?;
        if self.definition.secret == self.trustees.is_empty() {
            return Err(DraftError::Trustees);
        }
        for (place, Trustee { person, name }) in self.trustees.iter().enumerate() {
            check_readable(name)?;
            let plain = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
            let earlier = &self.trustees[..place];
            if !plain || earlier.iter().any(|other| other.name == *name) {
                return Err(DraftError::Name);
            }
            if earlier.iter().any(|other| other.person == *person) {
                return Err(DraftError::Twice);
            }
        }
        if self.definition.secret {
            let trustees = u16::try_from(self.trustees.len()).unwrap_or(u16::MAX);
            if self.unanimous && self.threshold == trustees {
                Quorum::unanimous(trustees)?;
            } else {
                Quorum::new(self.threshold, trustees)?;
            }
        }
        Ok(())
    }

    /// Can it be made now?
    fn check_at(&self, at: Timestamp) -> Result<(), DraftError> {
        let over = self.definition.closes_at.is_some_and(|closes_at| closes_at <= at);
        if over { Err(DraftError::Over) } else { self.check() }
    }

    /// The fields of a row that follow from it.
    fn put_into(&self, row: &mut ElectionRow) {
        row.definition = serde_json::to_vec(&self.definition).expect("it came as JSON");
        row.trustees = serde_json::to_vec(&self.trustees).expect("it came as JSON");
        row.threshold = if self.definition.secret { self.threshold } else { 0 };
    }
}

impl Guarded for CreateElection {
    fn allows(&self, actor: &Actor) -> bool {
        actor.has(Role::Officer)
    }
}

impl Guarded for ChangeElection {
    fn allows(&self, actor: &Actor) -> bool {
        actor.has(Role::Officer)
    }
}

impl Command for CreateElection {
    const NAME: &'static str = "elections/create";
    type Done = ();
    type Refused = DraftError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<ElectionRow>(self.id);
    }

    fn apply(self, _: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, DraftError> {
        self.draft.check_at(at)?;
        if tx.get::<ElectionRow>(self.id)?.is_some() {
            return Err(DraftError::Known);
        }
        let mut row = ElectionRow {
            id: self.id,
            stage: Stage::Draft as u8,
            definition: Vec::new(),
            trustees: Vec::new(),
            threshold: 0,
            attempt: 0,
            voters: 0,
            asked_to: 0,
            asked_votes: 0,
            asked_tally: 0,
            created_at: at,
        };
        self.draft.put_into(&mut row);
        tx.put(row);
        Ok(Applied::new(()))
    }
}

impl Command for ChangeElection {
    const NAME: &'static str = "elections/change";
    type Done = ();
    type Refused = DraftError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<ElectionRow>(self.id);
    }

    fn apply(self, _: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, DraftError> {
        self.draft.check_at(at)?;
        let mut row = tx.get::<ElectionRow>(self.id)?.ok_or(DraftError::NoSuchElection)?;
        if row.stage() != Stage::Draft {
            return Err(DraftError::Frozen);
        }
        // Who is on the roll with a weight keeps it: without it their vote would be refused.
        let voters_max = self.draft.definition.voters_max();
        for weight in row.definition()?.weights {
            let voters = tx.get::<WeightCount>((self.id, weight))?.map_or(0, |count| count.voters);
            if voters > 0 && !self.draft.definition.weights.contains(&weight) {
                return Err(DraftError::WeightInUse { weight, voters });
            }
            if voters > voters_max {
                return Err(DraftError::RollTooLong { weight, voters, voters_max });
            }
        }
        self.draft.put_into(&mut row);
        tx.put(row);
        Ok(Applied::new(()))
    }
}

impl From<DraftError> for Problem {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::Definition(_) | DraftError::Wording(_) | DraftError::Over => {
                Self::unprocessable("elections/definition-unfit", error)
            }
            DraftError::Quorum(_) | DraftError::Trustees | DraftError::Name | DraftError::Twice => {
                Self::unprocessable("elections/trustees-unfit", error)
            }
            DraftError::NoSuchElection => no_such_election(),
            DraftError::WeightInUse { .. } => Self::conflict("elections/weight-in-use", error),
            DraftError::RollTooLong { .. } => Self::unprocessable("elections/roll-too-long", error),
            DraftError::Frozen | DraftError::Known => Self::conflict("elections/frozen", error),
            DraftError::Store(error) => error.into(),
        }
    }
}

/// There is none, or none that the caller may know of.
pub(crate) fn no_such_election() -> Problem {
    Problem::not_found("elections/no-such-election", "there is no such election")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trustee(number: u8) -> Trustee {
        Trustee { person: Id::new(1, [number; 10]), name: format!("T{number}") }
    }

    fn draft(trustees: &[u8], threshold: u16) -> Draft {
        let definition = r#"{"title": {"en": "A"}, "contests": [{"contestId": "a", "title": {"en": "A"},
            "form": {"kind": "plurality"}, "count": "most", "options": [{"optionId": "a", "title": {"en": "A"}}]}]}"#;
        let definition = serde_json::from_str(definition).expect("it reads");
        let trustees = trustees.iter().map(|number| trustee(*number)).collect();
        Draft { definition, trustees, threshold, unanimous: false }
    }

    #[track_caller]
    fn check(draft: &Draft, expected: Result<(), &str>) {
        let found = draft.check().map_err(|error| Problem::from(error).code().to_owned());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn some_of_the_trustees_are_enough() {
        check(&draft(&[1, 2, 3], 2), Ok(()));
    }

    #[test]
    fn one_alone_and_more_than_there_are_do_not_decrypt() {
        for threshold in [0, 1, 4] {
            check(&draft(&[1, 2, 3], threshold), Err("elections/trustees-unfit"));
        }
    }

    #[test]
    fn all_of_them_are_needed_only_if_the_officer_insists() {
        let mut all = draft(&[1, 2, 3], 3);
        check(&all, Err("elections/trustees-unfit"));
        all.unanimous = true;
        check(&all, Ok(()));
    }

    #[test]
    fn nobody_is_a_trustee_twice_and_secret_elections_have_some() {
        check(&draft(&[1, 2, 1], 2), Err("elections/trustees-unfit"));
        check(&draft(&[], 2), Err("elections/trustees-unfit"));
        let mut open = draft(&[1, 2, 3], 2);
        open.definition.secret = false;
        check(&open, Err("elections/trustees-unfit"));
        open.trustees.clear();
        check(&open, Ok(()));
    }

    #[test]
    fn a_definition_whose_answers_are_too_long_for_the_voters_on_the_roll_is_not_taken() {
        let (id, folder) = (Id::new(1, [1; 10]), tempfile::tempdir().expect("a temporary folder"));
        let databases = store::Databases::in_files(folder.path());
        let mut store = databases.open("elections", &crate::elections::schema()).expect("it opens");
        let mut batch = store.writer.begin().expect("it begins");
        let mut tx = batch.tx();
        let short = draft(&[1, 2, 3], 2);
        let mut long = short.clone();
        let options = 0..200_u8;
        long.definition.contests[0].options = options
            .map(|option| {
                let mut choice = short.definition.contests[0].options[0].clone();
                choice.option_id = option.to_string();
                choice.title = [("en".to_owned(), format!("Number {option}"))].into();
                choice
            })
            .collect();
        long.definition.contests[0].form = board::FormOf::Approval { approvals_max: 9 };
        let most = long.definition.voters_max();
        assert!((800_000..900_000).contains(&most), "{most}");
        let at = Timestamp::EPOCH;
        CreateElection { id, draft: short }.apply(&By::Anonymous, &mut tx, at).expect("it is made");
        tx.put(WeightCount { election: id, weight: 1, voters: most, issued: 0 });
        let change = || ChangeElection { id, draft: long.clone() };
        change().apply(&By::Anonymous, &mut tx, at).expect("they fit");
        tx.put(WeightCount { election: id, weight: 1, voters: most + 1, issued: 0 });
        let refused = change().apply(&By::Anonymous, &mut tx, at).expect_err("one too many");
        assert_eq!(Problem::from(refused).code(), "elections/roll-too-long");
    }
}
