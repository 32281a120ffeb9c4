//! The Merkle tree as it is stored: full tiles as rows, and the newest leaves among the entries.

use clock::Timestamp;
use store::{Batch, Cell, Snapshot, StoreError, table};

use crate::{
    entry::Entry,
    merkle::{Hash, TILE_WIDTH, TileReader, TileRow, TileWriter},
};

table! {
    /// Up to 256 hashes of the tree, in the layout of C2SP tlog-tiles.
    pub(crate) struct StoredTile in "tiles", Log {
        key { pub(crate) level: u8, pub(crate) index: u64 }
        pub(crate) hashes: Vec<u8>,
    }
}

/// Why a stored tree has no root or proof.
pub(crate) type TreeError = crate::merkle::TreeError<StoreError>;

/// The tree as the writer has it.
#[derive(Debug, Clone)]
pub(crate) struct Tree(TileWriter);

impl Tree {
    /// The tree that is stored, and when its last entry was applied.
    pub(crate) fn load(snapshot: &Snapshot<'_>) -> Result<(Self, Timestamp), TreeError> {
        let (size, newest, last_at) = edge(snapshot).map_err(TreeError::Lookup)?;
        let tiles = TileWriter::resume(size, &newest, |level, index| tile(snapshot, level, index))?;
        Ok((Self(tiles), last_at))
    }

    pub(crate) const fn size(&self) -> u64 {
        self.0.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.0.root()
    }

    /// Adds leaves, and the tiles that they fill or grow to the batch.
    pub(crate) fn append(&mut self, leaves: &[Hash], batch: &mut Batch<'_>) {
        for TileRow { level, index, hashes } in self.0.append(leaves) {
            let tile = StoredTile { level, index, hashes };
            // A tile of leaves is written when it is full, one of a higher level whenever it grows.
            if level == 0 { batch.append(tile) } else { batch.replace(tile) }
        }
    }
}

/// Asks the stored tree for a root or a proof.
pub(crate) fn ask<T>(
    snapshot: &Snapshot<'_>,
    question: impl FnOnce(&mut TileReader<'_, &mut TileLookup<'_>>) -> Result<T, TreeError>,
) -> Result<T, TreeError> {
    let (size, newest, _) = edge(snapshot).map_err(TreeError::Lookup)?;
    let lookup: &mut TileLookup<'_> = &mut |level, index| tile(snapshot, level, index);
    question(&mut TileReader::new(size, &newest, lookup)?)
}

pub(crate) type TileLookup<'s> = dyn FnMut(u8, u64) -> Result<Option<Vec<u8>>, StoreError> + 's;

/// How many entries there are, the leaves that are in no tile yet, and the time of the last entry.
fn edge(snapshot: &Snapshot<'_>) -> Result<(u64, Vec<Hash>, Timestamp), StoreError> {
    let last = snapshot.rows::<Entry>("ORDER BY \"index\" DESC LIMIT 1", &[])?.pop();
    let Some(last) = last else { return Ok((0, Vec::new(), Timestamp::EPOCH)) };
    let size = last.index + 1;
    let first = i64::try_from(size - size % TILE_WIDTH as u64).unwrap_or(i64::MAX);
    let newest =
        snapshot.rows::<Entry>("WHERE \"index\" >= $1 ORDER BY \"index\"", &[Cell::Integer(first)])?;
    Ok((size, newest.iter().map(Entry::leaf).collect(), last.at))
}

fn tile(snapshot: &Snapshot<'_>, level: u8, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(snapshot.get::<StoredTile>(&(level, index))?.map(|tile| tile.hashes))
}
