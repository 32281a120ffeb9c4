//! Roots and proofs from stored tiles.

use std::{collections::HashMap, error::Error};

use super::{
    Hash, Node, SIZE_MAX, TILE_WIDTH, Tile,
    plan::{self, Leaves},
};

/// Tiles kept at once, 512 KiB at most: a proof reads some twenty.
const TILES_KEPT_MAX: usize = 64;

/// A tree in one snapshot of its storage, read tile by tile.
///
/// `lookup(level, index)` answers with the stored row: hashes of 32 bytes, one after the other. A row may
/// hold more than an older tree needs, never less.
#[derive(Debug)]
pub struct TileReader<'a, Lookup> {
    size: u64,
    newest: &'a [Hash],
    lookup: Lookup,
    kept: HashMap<Tile, Vec<Hash>>,
}

/// Why there is no root or proof.
#[derive(Debug, thiserror::Error)]
pub enum TreeError<E: Error + 'static> {
    #[error("there is no such leaf or size in a tree of {size} leaves")]
    OutOfRange { size: u64 },
    #[error("{given} leaf hashes were given for the newest tile of a tree of {size} leaves")]
    NewestTile { given: usize, size: u64 },
    #[error("tile {index} of level {level} is missing, shorter than the tree needs, or not made of hashes")]
    Tile { level: u8, index: u64 },
    #[error("a tile could not be read")]
    Lookup(#[source] E),
}

impl<'a, E, Lookup> TileReader<'a, Lookup>
where
    E: Error + 'static,
    Lookup: FnMut(u8, u64) -> Result<Option<Vec<u8>>, E>,
{
    /// A tree of `size` leaves. `newest` are the last `size` mod 256 leaf hashes: those that are in no
    /// stored tile yet.
    pub fn new(size: u64, newest: &'a [Hash], lookup: Lookup) -> Result<Self, TreeError<E>> {
        if size > SIZE_MAX {
            return Err(TreeError::OutOfRange { size });
        }
        if newest.len() as u64 != size % TILE_WIDTH as u64 {
            return Err(TreeError::NewestTile { given: newest.len(), size });
        }
        Ok(Self { size, newest, lookup, kept: HashMap::new() })
    }

    /// The root of the tree when it had `size` leaves.
    pub fn root(&mut self, size: u64) -> Result<Hash, TreeError<E>> {
        if size > self.size {
            return Err(self.out_of_range());
        }
        self.leaves(Leaves::first(size))
    }

    /// The proof that leaf `index` is in the tree of `size` leaves (RFC 6962, section 2.1.1): at most 56
    /// hashes, from the leaf's sibling up.
    pub fn inclusion(&mut self, index: u64, size: u64) -> Result<Vec<Hash>, TreeError<E>> {
        let path = if size <= self.size { plan::inclusion(index, size) } else { None };
        self.path(path)
    }

    /// The proof that the tree of `new` leaves begins with the tree of `old` leaves (RFC 6962, section
    /// 2.1.2): at most 57 hashes; none if the two are the same or the old one is empty.
    pub fn consistency(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, TreeError<E>> {
        let path = if new <= self.size { plan::consistency(old, new) } else { None };
        self.path(path)
    }

    /// The root of a complete subtree.
    pub fn node(&mut self, node: Node) -> Result<Hash, TreeError<E>> {
        if node.end() > self.size {
            return Err(self.out_of_range());
        }
        let tile = node.tile();
        let lacking = TreeError::Tile { level: tile.level, index: tile.index };
        let hashes = self.tile(tile)?.get(node.places()).ok_or(lacking)?;
        Hash::of_complete(hashes.to_vec()).ok_or(TreeError::Tile { level: tile.level, index: tile.index })
    }

    fn path(&mut self, path: Option<Vec<Leaves>>) -> Result<Vec<Hash>, TreeError<E>> {
        let path = path.ok_or_else(|| self.out_of_range())?;
        path.into_iter().map(|leaves| self.leaves(leaves)).collect()
    }

    /// The root over some leaves: of one complete subtree, or of several at the right edge.
    fn leaves(&mut self, leaves: Leaves) -> Result<Hash, TreeError<E>> {
        let peaks: Vec<_> =
            leaves.nodes().into_iter().map(|node| self.node(node)).collect::<Result<_, _>>()?;
        Ok(Hash::of_peaks(peaks.into_iter()))
    }

    fn tile(&mut self, tile: Tile) -> Result<&[Hash], TreeError<E>> {
        if tile == (Tile { level: 0, index: self.size / TILE_WIDTH as u64 }) {
            return Ok(self.newest);
        }
        if !self.kept.contains_key(&tile) {
            let Tile { level, index } = tile;
            let row = (self.lookup)(level, index).map_err(TreeError::Lookup)?;
            let hashes = row
                .and_then(|row| Hash::split(&row))
                .filter(|hashes| hashes.len() <= TILE_WIDTH)
                .ok_or(TreeError::Tile { level, index })?;
            if self.kept.len() >= TILES_KEPT_MAX {
                self.kept.clear();
            }
            self.kept.insert(tile, hashes);
        }
        Ok(self.kept.get(&tile).map_or(&[], Vec::as_slice))
    }

    const fn out_of_range(&self) -> TreeError<E> {
        TreeError::OutOfRange { size: self.size }
    }
}
