//! Which subtrees a proof is made of, and which tiles hold them: arithmetic on numbers alone.

use std::collections::BTreeSet;

use super::SIZE_MAX;

/// Levels of the binary tree between one level of tiles and the next.
const TILE_HEIGHT: u8 = 8;

/// A complete subtree: the 2^`height` leaves from `index` times 2^`height` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    height: u8,
    index: u64,
}

/// A C2SP tile: the roots of up to 256 complete subtrees of 256^`level` leaves each, from number
/// 256 times `index` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// 0 for leaf hashes.
    pub level: u8,
    /// From 0, within the level.
    pub index: u64,
}

/// Leaves from `begin` up to, but not with, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaves {
    begin: u64,
    end: u64,
}

impl Node {
    /// The subtree of this height and index, unless it reaches beyond [`SIZE_MAX`].
    #[must_use]
    pub fn new(height: u8, index: u64) -> Option<Self> {
        let leaves = 1_u64.checked_shl(u32::from(height))?;
        let end = index.checked_add(1)?.checked_mul(leaves)?;
        (end <= SIZE_MAX).then_some(Self { height, index })
    }

    /// One more than its last leaf.
    #[must_use]
    pub const fn end(self) -> u64 {
        (self.index + 1) << self.height
    }

    /// The tile that holds the hashes under it, or its own.
    #[must_use]
    pub const fn tile(self) -> Tile {
        let first = self.index << (self.height % TILE_HEIGHT);
        Tile { level: self.height / TILE_HEIGHT, index: first >> TILE_HEIGHT }
    }

    /// The places within the tile of the hashes that it is the root of: a power of two of them.
    pub(super) fn places(self) -> std::ops::Range<usize> {
        let within = self.height % TILE_HEIGHT;
        let first = usize::from((self.index << within).to_le_bytes()[0]);
        first..first + (1 << within)
    }
}

impl Leaves {
    /// All leaves of a tree.
    pub(super) const fn first(size: u64) -> Self {
        Self { begin: 0, end: size }
    }

    /// The complete subtrees that these leaves fall into, highest first. Right for the ranges that RFC
    /// 6962 splits a tree into: they begin at a multiple of a power of two that is not below their length.
    pub(super) fn nodes(self) -> Vec<Node> {
        let (mut at, mut left) = (self.begin, self.end - self.begin);
        let mut nodes = Vec::new();
        while let Some(height) = left.checked_ilog2() {
            let leaves = 1 << height;
            nodes.push(Node { height: height.to_le_bytes()[0], index: at >> height });
            at += leaves;
            left -= leaves;
        }
        nodes
    }

    /// Where RFC 6962 splits it: after the largest power of two that is below its length, 2 or more.
    fn split(self) -> (Self, Self) {
        let middle = self.begin + (1 << (self.end - self.begin - 1).ilog2());
        (Self { begin: self.begin, end: middle }, Self { begin: middle, end: self.end })
    }

    const fn is_one(self) -> bool {
        self.end - self.begin == 1
    }
}

/// The subtrees whose roots are PATH(index, D[size]) of RFC 6962, section 2.1.1, in the proof's order.
pub(super) fn inclusion(index: u64, size: u64) -> Option<Vec<Leaves>> {
    let mut within = Leaves::first(size);
    if index >= size || size > SIZE_MAX {
        return None;
    }
    let mut path = Vec::new();
    while !within.is_one() {
        let (left, right) = within.split();
        let (inside, beside) = if index < left.end { (left, right) } else { (right, left) };
        path.push(beside);
        within = inside;
    }
    path.reverse();
    Some(path)
}

/// The subtrees whose roots are PROOF(old, D[new]) of RFC 6962, section 2.1.2, in the proof's order.
/// Between equal sizes, and from the empty tree, nothing needs to be proved.
pub(super) fn consistency(old: u64, new: u64) -> Option<Vec<Leaves>> {
    if old > new || new > SIZE_MAX {
        return None;
    }
    if old == 0 {
        return Some(Vec::new());
    }
    let mut within = Leaves::first(new);
    let mut path = Vec::new();
    while old != within.end {
        let (left, right) = within.split();
        let (inside, beside) = if old <= left.end { (left, right) } else { (right, left) };
        path.push(beside);
        within = inside;
    }
    // A subtree that begins with the first leaf is the old tree itself, whose root the verifier knows.
    if within.begin != 0 {
        path.push(within);
    }
    path.reverse();
    Some(path)
}

/// The tiles that an inclusion proof for the leaf `index` in a tree of `size` reads; none if there is no
/// such leaf.
#[must_use]
pub fn tiles_for_inclusion(index: u64, size: u64) -> BTreeSet<Tile> {
    tiles(inclusion(index, size))
}

/// The tiles that a consistency proof between trees of `old` and `new` leaves reads; none if there is no
/// such proof.
#[must_use]
pub fn tiles_for_consistency(old: u64, new: u64) -> BTreeSet<Tile> {
    tiles(consistency(old, new))
}

fn tiles(path: Option<Vec<Leaves>>) -> BTreeSet<Tile> {
    path.unwrap_or_default().into_iter().flat_map(Leaves::nodes).map(Node::tile).collect()
}
