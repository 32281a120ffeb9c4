//! Rows on disk: tables declared once, a working set that a batch of commands changes in memory, and the
//! engine (SQLite, or PostgreSQL for a fleet) that makes a whole batch durable with one sync. Every page of
//! a file carries a checksum, so that damage is an error and never another row.
//!
//! No other crate names the engine. What others see is a [`Row`] declared by [`table!`], a [`Tx`] to read
//! and change rows by key, and a [`Snapshot`] to query them with SQL.

mod breaker;
mod cell;
mod difference;
mod engine;
mod erasable;
mod error;
mod group;
mod instruments;
mod keys;
mod migrate;
mod news;
mod packed;
mod place;
mod postgres;
mod ranges;
mod reader;
mod row;
mod snapshot;
mod sources;
mod sqlite;
mod table_set;
mod tx;
mod vfs;
mod whole;
mod writer;

pub use breaker::{Breaker, BreakerConfig, Verdict};
pub use cell::{Cell, CellRef, Column, ColumnType, Corrupt};
pub use difference::{Difference, first_difference};
pub use erasable::{ERASABLE_BYTES_MAX, Erasable, ErasableKey};
pub use error::StoreError;
pub use group::{Full, Group, TakerGuard};
pub use keys::Keys;
pub use migrate::{Migration, Schema};
pub use news::{News, Told, news_schema};
pub use packed::{pack_encoded, pack_row, unpack_encoded, unpack_rows};
pub use place::{DatabaseConfig, Databases};
pub use postgres::{DatabaseUrl, PostgresConfig, PreparedStatements};
pub use reader::{ReaderConfig, Readers};
pub use row::{ColumnDef, Durability, Row, RowKey, Table, decode_row, encode_row, read_column};
pub use snapshot::{Cells, Snapshot};
pub use sqlite::{Commits, SqliteConfig};
pub use tx::{Changes, Effect, Scan, Tx};
pub use vfs::Disk;
pub use whole::{each_encoded_row, is_empty};
pub use writer::{Batch, Memory, Store, Writer};
