//! Checks an election from what it published, and from nothing else: docs/elections-specification.md in code.
//!
//! A [`Record`] is a folder of what was published. [`check`] goes through its entries in their order, believes none
//! of them, and stops at the first thing that is wrong.
#![forbid(unsafe_code)]

mod ballots;
mod ceremony;
mod count;
mod leaf;
mod mixes;
mod record;
mod refused;
mod tally;
mod tokens;
mod walk;

pub use leaf::{Leaf, LeafError};
pub use record::{CHECKPOINT, ENTRIES, KEYS, Record, RecordError, blob_file};
pub use walk::{Checked, Decided, Prefix, Words, check, decided};

/// What is wrong with an election, first of all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("{0}")]
    Record(#[from] RecordError),
    #[error("entry {index}: {what}")]
    Entry { index: u64, what: String },
    #[error("{0}")]
    Whole(String),
}

impl Wrong {
    pub(crate) fn at(index: u64, what: impl Into<String>) -> Self {
        Self::Entry { index, what: what.into() }
    }

    pub(crate) fn whole(what: impl Into<String>) -> Self {
        Self::Whole(what.into())
    }
}
