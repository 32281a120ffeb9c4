//! Elections: officers decide, trustees keep the key, voters vote without anybody knowing whose vote is whose, and
//! everybody can check the result.
//!
//! - An **election** is made by an officer: contests, a roll of keyed hashes, trustees. This is in the service's own
//!   ledger, which is not public.
//! - Its **board** is a ledger of its own, public from the first entry on. All that proves the result stands there:
//!   the trustees' ceremony, votes, verdicts on them, mixes, decryptions, the count. The service alone writes there.
//! - A voter's **token** is blind: who got one is known, which it was is not. It gives the right to vote to a key that
//!   the voter made. The last confirmed vote of a key counts.
//! - Taking a vote costs a durable write. **Workers** check votes, mix and count; what they do once they do not do
//!   twice, because the board says what was done.
//!
//! An election's row says what is wanted, its board what is; `progress.rs` brings the one after the other.

mod advance_election;
mod ask;
mod blobs;
mod board_rows;
mod boards;
mod ceremony;
mod config;
mod create_election;
mod decryption;
mod elections;
mod http;
mod import_roll;
mod instruments;
mod intake;
mod issue_token;
mod jobs;
mod people;
mod post;
mod progress;
mod read;
mod rows;
mod selections;
mod sql;
mod tokens;
mod wording;

pub use advance_election::{AdvanceElection, AdvanceError};
pub use blobs::{PIECE_BYTES_MAX, PIECES_MAX, blob_piece, put_blob_piece};
pub use boards::{board_name, board_schema};
pub use config::{CHECK_ENTRIES_MAX, ElectionsConfig};
pub use create_election::{ChangeElection, CreateElection, Draft, DraftError};
pub use elections::{Elections, Opening, commands, schema};
pub use http::{description, routes};
pub use import_roll::{ImportRoll, ImportRollError, LINES_MAX, RollImported};
pub use issue_token::{IssueToken, IssueTokenError};
pub use people::{People, SharedPeople};
pub use rows::{ElectionRow, RollLine, SERVICE, Stage, TokenIssued, Trustee, WeightCount};
pub use sql::{announced, board_is_over};
pub use wording::WordingError;

/// Every command of a board, for replays.
#[must_use]
pub fn board_commands() -> ledger::Commands {
    post::commands()
}
