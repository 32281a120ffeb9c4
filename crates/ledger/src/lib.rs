//! The ledger of a service: every change is a command, and every command goes through here.
//!
//! The [`Ledger`] takes whatever commands wait, applies them in order in memory, writes the rows they
//! changed and one entry each in one transaction, syncs once, and only then answers. A [`Receipt`]
//! therefore means: durable, ordered, provable. The proof is a Merkle tree ([`merkle`]) whose root is
//! signed in a [`checkpoint`] as soon as there is something new.

pub mod checkpoint;
mod command;
mod entry;
mod erased;
mod idempotency;
mod instruments;
mod ledger;
mod log;
pub mod merkle;
pub mod note;
mod operation;
mod pace;
mod pending;
mod publisher;
mod rebuild;
mod receipt;
mod replay;
mod schema;
mod search;
mod sql;
mod standing;
mod tail;
mod tree;
pub mod verify;
mod writer;

pub use command::{Applied, BODY_BYTES_MAX, Command};
pub use entry::Entry;
pub use erased::{Erased, all_erased, count_erased};
pub use idempotency::{KEY_BYTES_MAX, KEY_LIFE, Once};
pub use ledger::{Head, Ledger, LedgerConfig, OpenError, Opening};
pub use log::{ENTRIES_MAX, LogError, ProvenEntry};
pub use operation::{OperateError, Operation};
pub use pace::Times;
pub use publisher::{PublishError, Published, open_checkpoint, sign_checkpoint};
pub use rebuild::{Rebuild, RebuildError, head_of, is_empty, place_checkpoint};
pub use receipt::{Receipt, SubmitError};
pub use replay::{AgainError, Commands, ReplayError};
pub use schema::schema;
pub use search::{FOUND_MAX, Found, Search};
pub use standing::Standing;
pub use writer::{Hearer, Watcher};
