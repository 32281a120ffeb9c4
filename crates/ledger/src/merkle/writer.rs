//! Which tile rows a tree writes as it grows.

use std::{collections::BTreeSet, error::Error};

use super::{Frontier, Hash, SIZE_MAX, TILE_WIDTH, TreeError};

/// Levels of tiles in the largest tree.
const LEVELS: u8 = 8;

/// The growing edge of a tree, tile level by tile level. Clone it before a batch and keep the clone if the
/// batch fails.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TileWriter {
    frontier: Frontier,
    /// For each level, the hashes of its last, partial tile: fewer than 256.
    edges: Vec<Vec<Hash>>,
}

/// A row to insert, or to put in the place of the shorter one with the same level and index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileRow {
    /// 0 for leaf hashes.
    pub level: u8,
    /// From 0, within the level.
    pub index: u64,
    /// Up to 256 hashes of 32 bytes each: always 256 at level 0.
    pub hashes: Vec<u8>,
}

impl TileWriter {
    /// A tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of `size` leaves whose rows are stored. `newest` are the last `size` mod 256 leaf hashes;
    /// `lookup(level, index)` answers with the stored row, and is asked for at most seven.
    pub fn resume<E: Error + 'static>(
        size: u64,
        newest: &[Hash],
        mut lookup: impl FnMut(u8, u64) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Self, TreeError<E>> {
        if size > SIZE_MAX {
            return Err(TreeError::OutOfRange { size });
        }
        if newest.len() != edge_width(size, 0) {
            return Err(TreeError::NewestTile { given: newest.len(), size });
        }
        let mut edges = vec![newest.to_vec()];
        for level in 1..LEVELS {
            let (index, width) = (edge_index(size, level), edge_width(size, level));
            let row =
                if width > 0 { lookup(level, index).map_err(TreeError::Lookup)? } else { Some(Vec::new()) };
            let edge = row
                .and_then(|row| Hash::split(&row))
                .filter(|edge| edge.len() == width)
                .ok_or(TreeError::Tile { level, index })?;
            edges.push(edge);
        }
        let peaks = edges.iter().rev().flat_map(|edge| peaks(edge)).collect();
        // As a tree that grew to this size has them.
        while edges.last().is_some_and(Vec::is_empty) {
            edges.pop();
        }
        let frontier = Frontier::from_peaks(size, peaks).map_err(|_| TreeError::OutOfRange { size })?;
        Ok(Self { frontier, edges })
    }

    /// Leaves so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The right edge alone, for whoever needs only roots.
    #[must_use]
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The last `size` mod 256 leaf hashes: those that are in no row yet. What [`super::TileReader::new`]
    /// wants.
    #[must_use]
    pub fn newest(&self) -> &[Hash] {
        self.edges.first().map_or(&[], Vec::as_slice)
    }

    /// The rows of higher levels that are stored and still growing.
    pub fn growing(&self) -> impl Iterator<Item = TileRow> {
        let levels = (0_u8..).zip(&self.edges).skip(1).filter(|(_, edge)| !edge.is_empty());
        levels.map(|(level, edge)| TileRow {
            level,
            index: edge_index(self.size(), level),
            hashes: Hash::join(edge),
        })
    }

    /// Adds a run of leaves, by their hashes, and answers with the rows to write: full tiles of level 0,
    /// and whichever tiles of higher levels grew, once each.
    pub fn append(&mut self, leaves: &[Hash]) -> Vec<TileRow> {
        let mut rows = Vec::new();
        let mut grown = BTreeSet::new();
        for leaf in leaves {
            let size = self.frontier.size() + 1;
            let edges = &mut self.edges;
            self.frontier.append_noting(*leaf, |height, hash| {
                if height % 8 != 0 {
                    return;
                }
                let level = (height / 8).to_le_bytes()[0];
                if edges.len() <= usize::from(level) {
                    edges.resize(usize::from(level) + 1, Vec::new());
                }
                let edge = &mut edges[usize::from(level)];
                edge.push(hash);
                if edge.len() == TILE_WIDTH {
                    let index = edge_index(size, level) - 1;
                    rows.push(TileRow { level, index, hashes: Hash::join(&std::mem::take(edge)) });
                    grown.remove(&level);
                } else if level > 0 {
                    grown.insert(level);
                }
            });
        }
        for level in grown {
            let hashes = Hash::join(&self.edges[usize::from(level)]);
            rows.push(TileRow { level, index: edge_index(self.size(), level), hashes });
        }
        rows
    }
}

/// The index of the partial tile of a level.
const fn edge_index(size: u64, level: u8) -> u64 {
    (size >> (8 * level)) / TILE_WIDTH as u64
}

/// How many hashes the partial tile of a level has.
fn edge_width(size: u64, level: u8) -> usize {
    usize::from((size >> (8 * level)).to_le_bytes()[0])
}

/// The complete subtrees over the hashes of a partial tile, highest first.
fn peaks(mut edge: &[Hash]) -> Vec<Hash> {
    let mut peaks = Vec::new();
    while let Some(height) = edge.len().checked_ilog2() {
        let (complete, rest) = edge.split_at(1 << height);
        peaks.extend(Hash::of_complete(complete.to_vec()));
        edge = rest;
    }
    peaks
}
