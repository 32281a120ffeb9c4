//! Reading a ledger: entries, their proofs, and how two sizes fit together.

use std::sync::Arc;

use clock::Timestamp;
use problem::Problem;
use store::{Cell, Snapshot, StoreError};

use crate::{
    entry::Entry,
    ledger::Ledger,
    merkle::{Hash, Node, TILE_WIDTH},
    publisher::Published,
    tree::{self, TreeError},
};

/// Entries that one read answers, at most.
pub const ENTRIES_MAX: u32 = 1000;

/// Why the ledger does not show what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("there is no entry {index} yet")]
    NoSuchEntry { index: u64 },
    #[error("no checkpoint covers entry {index} yet; ask again in a second")]
    NotCovered { index: u64 },
    #[error(
        "the ledger has {size} entries under its newest checkpoint; choose sizes from 1 to that, the smaller first"
    )]
    NoSuchSize { size: u64 },
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the ledger's tree is damaged")]
    Tree(#[source] TreeError),
}

/// An entry with the proof that a signed checkpoint covers it.
#[derive(Debug, Clone)]
pub struct ProvenEntry {
    pub entry: Entry,
    /// Sibling hashes from the leaf up (RFC 6962, section 2.1.1).
    pub proof: Vec<Hash>,
    pub published: Arc<Published>,
}

impl Ledger {
    /// Entries from `from` on, in order, at most `limit` (and never more than [`ENTRIES_MAX`]).
    ///
    /// # Errors
    /// When the store fails or is busy.
    pub async fn entries(&self, from: u64, limit: u32) -> Result<Vec<Entry>, LogError> {
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let values = [Cell::Integer(from), Cell::Integer(limit.min(ENTRIES_MAX).into())];
        let condition = "WHERE \"index\" >= $1 ORDER BY \"index\" LIMIT $2";
        Ok(self.readers().read(move |snapshot| snapshot.rows::<Entry>(condition, &values)).await?)
    }

    /// One entry, whether or not a checkpoint covers it.
    ///
    /// # Errors
    /// When there is no such entry, or the store fails.
    pub async fn entry(&self, index: u64) -> Result<Entry, LogError> {
        let entry = self.readers().read(move |snapshot| snapshot.get::<Entry>(&index)).await?;
        entry.ok_or(LogError::NoSuchEntry { index })
    }

    /// One entry, with its proof under the newest checkpoint.
    ///
    /// # Errors
    /// When there is no such entry, or no checkpoint covers it yet.
    pub async fn proven(&self, index: u64) -> Result<ProvenEntry, LogError> {
        let published = self.published().filter(|published| published.checkpoint.size() > index);
        let Some(published) = published else {
            self.entry(index).await?;
            return Err(LogError::NotCovered { index });
        };
        let size = published.checkpoint.size();
        let read = move |snapshot: &Snapshot<'_>| {
            let entry = snapshot.get::<Entry>(&index)?;
            Ok((entry, tree::ask(snapshot, |tree| tree.inclusion(index, size))))
        };
        let (entry, proof) = self.readers().read(read).await?;
        let entry = entry.ok_or(LogError::NoSuchEntry { index })?;
        Ok(ProvenEntry { entry, proof: proof?, published })
    }

    /// The proof that the tree of `new` entries continues that of `old` (RFC 6962, section 2.1.2).
    ///
    /// # Errors
    /// When the sizes are not in order, or no checkpoint covers them.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, LogError> {
        let size = self.published().map_or(0, |published| published.checkpoint.size());
        if old == 0 || old > new || new > size {
            return Err(LogError::NoSuchSize { size });
        }
        let proof = move |snapshot: &Snapshot<'_>| Ok(tree::ask(snapshot, |tree| tree.consistency(old, new)));
        Ok(self.readers().read(proof).await??)
    }

    /// The first `width` hashes of a tile, as C2SP tlog-tiles has them. Of hashes above the leaves, those of complete
    /// subtrees are there.
    ///
    /// # Errors
    /// When the newest checkpoint does not cover that many.
    pub async fn tile(&self, level: u8, index: u64, width: u64) -> Result<Vec<u8>, LogError> {
        let size = self.published().map_or(0, |published| published.checkpoint.size());
        let covered =
            8_u32.checked_mul(level.into()).and_then(|height| size.checked_shr(height)).unwrap_or(0);
        let first = index.checked_mul(TILE_WIDTH as u64);
        let first = first.filter(|first| width > 0 && first.saturating_add(width) <= covered);
        let Some(first) = first else { return Err(LogError::NoSuchSize { size }) };
        let height = level.saturating_mul(8);
        let read = move |snapshot: &Snapshot<'_>| {
            Ok(tree::ask(snapshot, |tree| {
                let out_of_range = || TreeError::OutOfRange { size };
                let mut hashes = Vec::new();
                for place in first..first + width {
                    let node = Node::new(height, place).ok_or_else(out_of_range)?;
                    hashes.extend(tree.node(node)?.0);
                }
                Ok(hashes)
            }))
        };
        Ok(self.readers().read(read).await??)
    }

    /// When the newest entry was applied.
    #[must_use]
    pub fn last_at(&self) -> Timestamp {
        self.head().at
    }
}

impl From<TreeError> for LogError {
    /// A tree that could not be read is not a damaged one.
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Lookup(error) => error.into(),
            damaged @ (TreeError::OutOfRange { .. }
            | TreeError::NewestTile { .. }
            | TreeError::Tile { .. }) => Self::Tree(damaged),
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        match error {
            LogError::NoSuchEntry { .. } => Self::not_found("ledger/no-such-entry", error),
            LogError::NotCovered { .. } => Self::conflict("ledger/not-covered-yet", error),
            LogError::NoSuchSize { .. } => Self::unprocessable("ledger/no-such-size", error),
            LogError::Store(error) => error.into(),
            LogError::Tree(_) => Self::internal(&error),
        }
    }
}
