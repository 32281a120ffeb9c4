//! Verifying a ledger without trusting it: every hash, every signature, and a replay of every entry into a
//! scratch database whose rows must come out the same.

use std::path::Path;

use clock::Timestamp;
use seal::Keys;
use store::{Cell, Commits, Databases, Difference, Schema, Snapshot, SqliteConfig, StoreError, Writer};

use crate::{
    entry::Entry,
    merkle::{Hash, TILE_WIDTH, TileWriter},
    publisher::{PublishError, Publisher, read_published},
    replay::{AgainError, Commands},
    tree::StoredTile,
};

/// Entries that are read and replayed at a time.
const CHUNK: u64 = 1000;

/// What a verification is made with.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The service whose ledger it is, for the report.
    pub service: &'a str,
    /// Where the database of that name is.
    pub databases: &'a Databases,
    pub checkpoint: &'a Path,
    pub origin: &'a str,
    pub keys: &'a Keys,
    pub schema: Schema,
    pub commands: Commands,
    /// An empty folder for the replay.
    pub scratch: &'a Path,
}

/// What was found to be in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub service: String,
    pub entries: u64,
    pub root: Hash,
    /// Entries under the newest checkpoint, if one was published.
    pub published: Option<u64>,
    pub replayed_tables: usize,
}

/// The first thing that is not in order.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("entry {index} is missing")]
    Missing { index: u64 },
    #[error("entry {index} is dated before the one in front of it")]
    TimeGoesBack { index: u64 },
    #[error("the tree's tile {index} of level {level} does not hold the hashes of the entries")]
    Tile { level: u8, index: u64 },
    #[error("the tree holds a tile {index} of level {level} that no entries fill")]
    ExtraTile { level: u8, index: u64 },
    #[error(transparent)]
    Published(#[from] PublishError),
    #[error(transparent)]
    Replay(#[from] AgainError),
    #[error("the rows are not those that the entries make: {0}")]
    Row(Difference),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Verifies everything.
///
/// # Errors
/// The first thing that is not in order.
pub fn verify(subject: &Subject<'_>) -> Result<Report, VerifyError> {
    let live = subject.databases.open_to_read(subject.service, &subject.schema)?;
    live.check_integrity()?;
    let unsynced = SqliteConfig { commits: Commits::Unsynced, ..SqliteConfig::default() };
    let scratch = Databases::in_files(subject.scratch).with_sqlite(unsynced);
    let mut scratch = scratch.open("replay", &subject.schema)?.writer;

    let keys = Publisher::log_keys(subject.origin, subject.keys)?;
    let published = read_published(subject.checkpoint, &keys)?;
    let mut walk = Walk {
        tree: TileWriter::new(),
        last_at: Timestamp::EPOCH,
        covered: published.as_ref().map(|published| published.checkpoint.size()),
        root_when_published: None,
    };
    while let Some(entries) = walk.read_chunk(&live)? {
        replay(&entries, &subject.commands, &mut scratch)?;
    }
    walk.check_edge(&live)?;
    if let Some(published) = &published {
        let path = subject.checkpoint.to_owned();
        let (have, published) = (walk.tree.size(), &published.checkpoint);
        match walk.root_when_published {
            None => return Err(PublishError::Behind { path, have, published: published.size() }.into()),
            Some(root) if root != published.root() => return Err(PublishError::Rewritten { path }.into()),
            Some(_) => {}
        }
    }
    let replayed_tables = compare(&live, &scratch, &subject.schema)?;
    Ok(Report {
        service: subject.service.to_owned(),
        entries: walk.tree.size(),
        root: walk.tree.root(),
        published: walk.covered,
        replayed_tables,
    })
}

/// Goes through the entries, building the tree anew.
struct Walk {
    tree: TileWriter,
    last_at: Timestamp,
    covered: Option<u64>,
    root_when_published: Option<Hash>,
}

impl Walk {
    /// The next entries, checked against their order and against the stored tiles; nothing at the end.
    fn read_chunk(&mut self, live: &Writer) -> Result<Option<Vec<Entry>>, VerifyError> {
        let first = self.tree.size();
        let entries = live.read(|snapshot| read_entries(snapshot, first))?;
        if entries.is_empty() {
            return Ok(None);
        }
        for (index, entry) in (first..).zip(&entries) {
            if entry.index != index {
                return Err(VerifyError::Missing { index });
            }
            if entry.at < self.last_at {
                return Err(VerifyError::TimeGoesBack { index });
            }
            self.last_at = entry.at;
            let rows = self.tree.append(&[entry.leaf()]);
            for row in rows.iter().filter(|row| row.hashes.len() == TILE_WIDTH * 32) {
                check_tile(live, row.level, row.index, &row.hashes)?;
            }
            if self.covered == Some(index + 1) {
                self.root_when_published = Some(self.tree.root());
            }
        }
        Ok(Some(entries))
    }

    /// The tiles that are still growing, and that there are no tiles but those that entries fill.
    fn check_edge(&self, live: &Writer) -> Result<(), VerifyError> {
        for row in self.tree.growing() {
            check_tile(live, row.level, row.index, &row.hashes)?;
        }
        let stored = live.read(|snapshot| snapshot.rows::<StoredTile>("ORDER BY level, \"index\"", &[]))?;
        for StoredTile { level, index, .. } in stored {
            // A tile of level 0 is stored once it is full, a higher one once it has a hash.
            let leaves_a_hash = 256_u64.checked_pow(level.into());
            let hashes = leaves_a_hash.map_or(0, |leaves| self.tree.size() / leaves);
            let needed =
                if level == 0 { (index + 1).saturating_mul(256) } else { index.saturating_mul(256) + 1 };
            if hashes < needed {
                return Err(VerifyError::ExtraTile { level, index });
            }
        }
        Ok(())
    }
}

fn check_tile(live: &Writer, level: u8, index: u64, hashes: &[u8]) -> Result<(), VerifyError> {
    let stored = live.read(|snapshot| snapshot.get::<StoredTile>(&(level, index)))?;
    if stored.is_some_and(|tile| tile.hashes == hashes) {
        Ok(())
    } else {
        Err(VerifyError::Tile { level, index })
    }
}

fn read_entries(snapshot: &Snapshot<'_>, from: u64) -> Result<Vec<Entry>, StoreError> {
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let to = from.saturating_add(i64::try_from(CHUNK).unwrap_or(i64::MAX));
    // By index and not by count, so that a gap is a gap.
    let condition = "WHERE \"index\" >= $1 AND \"index\" < $2 ORDER BY \"index\"";
    let entries = snapshot.rows::<Entry>(condition, &[Cell::Integer(from), Cell::Integer(to)])?;
    if !entries.is_empty() {
        return Ok(entries);
    }
    snapshot.rows::<Entry>("WHERE \"index\" >= $1 ORDER BY \"index\" LIMIT 1", &[Cell::Integer(from)])
}

fn replay(entries: &[Entry], commands: &Commands, scratch: &mut Writer) -> Result<(), VerifyError> {
    let mut batch = scratch.begin()?;
    let read = commands.read_all(entries, &mut batch)?;
    for (entry, command) in entries.iter().zip(read) {
        command.apply(entry, &mut batch)?;
    }
    batch.flush()?;
    Ok(batch.commit()?)
}

fn compare(live: &Writer, scratch: &Writer, schema: &Schema) -> Result<usize, VerifyError> {
    let replayed = schema.tables().iter().filter(|table| table.durability == store::Durability::Replayed);
    let mut count = 0;
    for table in replayed {
        let difference =
            live.read(|live| scratch.read(|scratch| store::first_difference(live, scratch, table)))?;
        if let Some(difference) = difference {
            return Err(VerifyError::Row(difference));
        }
        count += 1;
    }
    Ok(count)
}
