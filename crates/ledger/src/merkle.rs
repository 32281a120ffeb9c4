//! The Merkle tree of a log: arithmetic on SHA-256 hashes as RFC 6962, section 2.1, and RFC 9162 have it.
//!
//! Nothing here reads a disk or a clock. A tree is kept as rows of C2SP tiles (256 hashes each):
//! [`TileWriter`] takes leaf hashes and says which rows to write, [`TileReader`] asks for rows and answers
//! with roots and proofs, and [`verify_inclusion`] and [`verify_consistency`] believe nobody.

mod frontier;
mod hash;
mod plan;
mod reader;
mod verify;
mod writer;

pub use frontier::{Frontier, FrontierError};
pub use hash::{Hash, HashError, leaf_hash, node_hash};
pub use plan::{Node, Tile, tiles_for_consistency, tiles_for_inclusion};
pub use reader::{TileReader, TreeError};
pub use verify::{PROOF_LEN_MAX, ProofError, verify_consistency, verify_inclusion};
pub use writer::{TileRow, TileWriter};

/// Hashes in a full tile.
pub const TILE_WIDTH: usize = 256;

/// Leaves in the largest tree that is kept here, 2^56: two thousand years at a million entries a second.
/// Proofs of other people's trees are verified up to 2^64 - 1.
pub const SIZE_MAX: u64 = 1 << 56;

#[cfg(test)]
mod tests;
