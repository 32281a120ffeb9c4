//! What an election publishes: its words, their exact bytes, and what follows from them. Pure functions, which the
//! server, the trustees and whoever checks an election have in common.
//!
//! - A [`Definition`] is what officers write; with the trustees' keys it becomes the [`Manifest`], whose hash names
//!   the election in every proof.
//! - An [`Event`] is one entry of the election's ledger, its *board*.
//! - [`statement`], [`tracker`] and their kin are the bytes that are signed and hashed.
//! - [`count()`] counts the answers of one contest.
//!
//! docs/elections-specification.md says all of it byte for byte.
#![forbid(unsafe_code)]

mod bytes;
mod count;
mod definition;
mod event;
mod manifest;
mod roll_call;
mod room;
mod text;

pub use bytes::{
    Cast, TRACKER_PREFIX_BYTES, ceremony_context, decryption_context, generators_label, mix_context,
    received, sha256, statement, tracker, tracker_prefix,
};
pub use count::{Candidate, ContestResult, CountError, Log, Votes, count, lots_seed};
pub use definition::{
    CONTESTS_MAX, Choice, Definition, DefinitionError, FormOf, MIXERS_MAX, Method, Question, Texts,
    WEIGHT_MAX, WEIGHTS_MAX,
};
pub use event::{
    Abandoned, BallotEntry, BeginCeremony, CeremonyStep, Closed, Counted, Decrypted, Decrypting, Defined,
    Event, EventError, Lied, ListBlob, ListRows, Mixed, OnBoard, OpenBallotEntry, Opened, Published,
    Redeemed, RefusedBallot, RefusedTokens, RollCount, Said, TrusteeFault, Verdicts, Void, WhyRefused,
};
pub use manifest::{Issuer, Lists, Manifest, PROTOCOL, TrusteesNamed};
pub use roll_call::{Refused, RollCall, Standing, Turn};
pub use room::BLOB_BYTES_MAX;
pub use text::{Base64, Hex, NotHex};

/// One election, as all services know it.
pub enum Election {}
