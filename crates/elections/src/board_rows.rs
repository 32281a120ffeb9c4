//! The rows of a board's database: what follows from its entries, so that nobody has to read all of them.

use clock::Timestamp;
use serde::{Deserialize, Serialize};
use store::{StoreError, table};

table! {
    /// How an election stands.
    pub(crate) struct BoardState in "board_states", Replayed {
        key { pub(crate) part: u8 }
        /// A [`Phase`], by its number.
        pub(crate) phase: u8,
        pub(crate) attempt: u16,
        pub(crate) trustees: u16,
        pub(crate) threshold: u16,
        /// Entries of the board.
        pub(crate) entries: u64,
        /// Votes among them.
        pub(crate) votes: u64,
        pub(crate) checked: u64,
        pub(crate) refused: u64,
        /// Trustees whose part of the decryption holds.
        pub(crate) decrypted: u16,
        /// When votes are taken no more, if that was announced.
        pub(crate) closes_at: Option<Timestamp>,
    }
}

table! {
    /// All that was decided.
    pub(crate) struct ManifestRow in "board_manifests", Replayed {
        key { pub(crate) part: u8 }
        pub(crate) manifest: String,
        pub(crate) hash: [u8; 32],
    }
}

table! {
    /// What a trustee said in a ceremony.
    pub(crate) struct SaidRow in "board_said", Replayed {
        key { pub(crate) attempt: u16, pub(crate) step: u8, pub(crate) trustee: u16 }
        pub(crate) said: Vec<u8>,
    }
}

table! {
    /// An attempt at a ceremony that failed.
    pub(crate) struct VoidRow in "board_voids", Replayed {
        key { pub(crate) attempt: u16 }
        /// Who is to blame, as JSON.
        pub(crate) faults: Vec<u8>,
    }
}

table! {
    /// Where a vote stands.
    pub(crate) struct VoteRow in "board_votes", Replayed {
        key { pub(crate) tracker: [u8; 32] }
        pub(crate) index: u64,
        pub(crate) voter: [u8; 32],
        /// Which of the voter's votes it is.
        pub(crate) sequence: u32,
    }
}

table! {
    /// A run of votes that were checked.
    pub(crate) struct VerdictRow in "board_verdicts", Replayed {
        key { pub(crate) first: u64 }
        pub(crate) past: u64,
        /// Where the entry stands that says so.
        pub(crate) index: u64,
        /// Those that were refused, as JSON.
        pub(crate) refused: Vec<u8>,
    }
}

table! {
    /// A list that was mixed.
    pub(crate) struct MixRow in "board_mixes", Replayed {
        key { pub(crate) list: u32, pub(crate) mixer: u16 }
        pub(crate) rows_out: u32,
        pub(crate) output: [u8; 32],
        pub(crate) proof: [u8; 32],
    }
}

table! {
    /// The tokens of one weight, proven.
    pub(crate) struct RedeemedRow in "board_redeemed", Replayed {
        key { pub(crate) weight: u32 }
        pub(crate) multiples: [u8; 32],
    }
}

table! {
    /// Some of the tokens for which votes of one weight were refused, proven.
    pub(crate) struct RefusedTokensRow in "board_refused_tokens", Replayed {
        key {
            pub(crate) weight: u32,
            /// How many of that weight were proven before.
            pub(crate) first: u32,
        }
        pub(crate) multiples: [u8; 32],
    }
}

table! {
    /// What is to be decrypted.
    pub(crate) struct ListsRow in "board_lists", Replayed {
        key { pub(crate) part: u8 }
        /// Each a `ListRows`, as JSON.
        pub(crate) lists: Vec<u8>,
    }
}

table! {
    /// A trustee's part of the decryption.
    pub(crate) struct DecryptedRow in "board_decrypted", Replayed {
        key { pub(crate) trustee: u16 }
        pub(crate) holds: bool,
        /// Each a `ListBlob`, as JSON.
        pub(crate) partials: Vec<u8>,
    }
}

table! {
    /// What was counted.
    pub(crate) struct CountedRow in "board_counted", Replayed {
        key { pub(crate) part: u8 }
        /// The entry's body.
        pub(crate) counted: Vec<u8>,
        pub(crate) at: Timestamp,
    }
}

table! {
    /// A piece of something that is too large for an entry.
    pub(crate) struct BlobRow in "board_blobs", Operational {
        key { pub(crate) hash: [u8; 32], pub(crate) piece: u32 }
        pub(crate) bytes: Vec<u8>,
    }
}

table! {
    /// What a trustee sent piece by piece, and has not named yet.
    pub(crate) struct StagedRow in "board_staged", Operational {
        key { pub(crate) trustee: u16, pub(crate) hash: [u8; 32] }
        /// The highest number of a piece, and one.
        pub(crate) pieces: u32,
    }
}

/// How far a board has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub(crate) enum Phase {
    /// Nothing stands there.
    New = 0,
    Ceremony = 1,
    /// A ceremony failed, and another has not begun.
    Void = 2,
    Ready = 3,
    Open = 4,
    Closed = 5,
    Decrypting = 6,
    Counted = 7,
    Published = 8,
    Abandoned = 9,
}

impl Phase {
    const ALL: [Self; 10] = [
        Self::New,
        Self::Ceremony,
        Self::Void,
        Self::Ready,
        Self::Open,
        Self::Closed,
        Self::Decrypting,
        Self::Counted,
        Self::Published,
        Self::Abandoned,
    ];

    /// The phase of this number.
    #[must_use]
    pub(crate) fn from_number(number: u8) -> Self {
        Self::ALL.into_iter().find(|phase| *phase as u8 == number).unwrap_or(Self::Abandoned)
    }
}

impl BoardState {
    /// Nothing stands on the board.
    #[must_use]
    pub(crate) const fn new() -> Self {
        Self {
            part: 0,
            phase: Phase::New as u8,
            attempt: 0,
            trustees: 0,
            threshold: 0,
            entries: 0,
            votes: 0,
            checked: 0,
            refused: 0,
            decrypted: 0,
            closes_at: None,
        }
    }

    /// How far it has come.
    #[must_use]
    pub(crate) fn phase(&self) -> Phase {
        Phase::from_number(self.phase)
    }
}

/// Reads JSON that a command of ours put into a row.
///
/// # Errors
/// When no program of ours wrote it.
pub(crate) fn kept<T: for<'de> Deserialize<'de>>(json: &[u8], table: &str) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(|_| StoreError::Unreadable { table: table.to_owned() })
}
