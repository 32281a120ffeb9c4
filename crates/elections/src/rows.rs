//! What officers decided and whom they let vote: the rows of the service's own ledger, which is not public.

use authz::Person;
use board::{Definition, Election, TrusteesNamed};
use clock::Timestamp;
use ids::Id;
use serde::{Deserialize, Serialize};
use store::{StoreError, table};

/// The name under which this service derives keys and counts.
pub const SERVICE: &str = "elections";

table! {
    /// An election as its officers mean it to be.
    pub struct ElectionRow in "elections", Replayed {
        key { pub id: Id<Election> }
        /// A [`Stage`], by its number.
        pub stage: u8,
        /// The [`Definition`], as JSON.
        pub definition: Vec<u8>,
        /// The trustees, each a [`Trustee`], as JSON.
        pub trustees: Vec<u8>,
        pub threshold: u16,
        /// The ceremony that is wanted, counted from 1.
        pub attempt: u16,
        /// Lines of the roll.
        pub voters: u64,
        /// Entries of the board whose votes were given to workers.
        pub asked_to: u64,
        /// Votes among them.
        pub asked_votes: u64,
        /// 1 once the first mixer was asked, 2 once the count was.
        pub asked_tally: u8,
        pub created_at: Timestamp,
    }
}

table! {
    /// Somebody who may vote.
    pub struct RollLine in "roll_lines", Replayed {
        key { pub election: Id<Election>, pub voter: [u8; 32] }
        pub weight: u32,
    }
}

table! {
    /// Somebody who has got a token.
    pub struct TokenIssued in "tokens_issued", Replayed {
        key { pub election: Id<Election>, pub voter: [u8; 32] }
        /// What they asked with; nothing where votes are not secret.
        pub blinded: Vec<u8>,
    }
}

table! {
    /// How many voters of a weight are on the roll, and how many have got a token.
    pub struct WeightCount in "weight_counts", Replayed {
        key { pub election: Id<Election>, pub weight: u32 }
        pub voters: u64,
        pub issued: u64,
    }
}

/// How far the officers have brought an election. Boards follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Stage {
    Draft = 0,
    /// The definition is frozen, and the trustees make a key.
    Ceremony = 1,
    Open = 2,
    Closed = 3,
    Tally = 4,
    Published = 5,
    Abandoned = 6,
}

/// Somebody who keeps a share of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trustee {
    pub person: Id<Person>,
    /// As everybody reads it.
    pub name: String,
}

impl Stage {
    const ALL: [Self; 7] = [
        Self::Draft,
        Self::Ceremony,
        Self::Open,
        Self::Closed,
        Self::Tally,
        Self::Published,
        Self::Abandoned,
    ];
}

impl ElectionRow {
    /// How far it has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        Stage::ALL.into_iter().find(|stage| *stage as u8 == self.stage).unwrap_or(Stage::Abandoned)
    }

    /// Was it ever shown to anybody but its officers?
    #[must_use]
    pub const fn is_announced(&self) -> bool {
        self.attempt > 0
    }

    /// What it is about.
    ///
    /// # Errors
    /// When no program of ours wrote it.
    pub fn definition(&self) -> Result<Definition, StoreError> {
        serde_json::from_slice(&self.definition)
            .map_err(|_| StoreError::Unreadable { table: "elections".to_owned() })
    }

    /// Its trustees, in the order of their numbers.
    ///
    /// # Errors
    /// When no program of ours wrote them.
    pub fn trustees(&self) -> Result<Vec<Trustee>, StoreError> {
        serde_json::from_slice(&self.trustees)
            .map_err(|_| StoreError::Unreadable { table: "elections".to_owned() })
    }

    /// The number of a trustee, from 1.
    ///
    /// # Errors
    /// When no program of ours wrote them.
    pub fn trustee(&self, person: Id<Person>) -> Result<Option<u16>, StoreError> {
        let place = self.trustees()?.iter().position(|trustee| trustee.person == person);
        Ok(place.and_then(|place| u16::try_from(place + 1).ok()))
    }

    /// As everybody may know them.
    ///
    /// # Errors
    /// When no program of ours wrote them.
    pub fn trustees_named(&self) -> Result<Option<TrusteesNamed>, StoreError> {
        let names: Vec<_> = self.trustees()?.into_iter().map(|trustee| trustee.name).collect();
        Ok((!names.is_empty()).then_some(TrusteesNamed { threshold: self.threshold, names }))
    }
}
