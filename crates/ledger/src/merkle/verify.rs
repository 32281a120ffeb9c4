//! Checking other people's proofs: total, bounded, and believing nothing.

use super::{Hash, node_hash};

/// Hashes in the longest proof there can be: between trees of up to 2^64 - 1 leaves.
pub const PROOF_LEN_MAX: usize = 65;

/// A proof that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("there is no such leaf, or the old tree is larger than the new one")]
    OutOfRange,
    #[error("the proof has the wrong length for trees of these sizes")]
    WrongLength,
    #[error("the proof leads to another root")]
    WrongRoot,
}

/// Is the leaf with the hash `leaf` number `index` in the tree of `size` leaves and root `root`?
/// (RFC 9162, section 2.1.3.2.)
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange);
    }
    if proof.len() > PROOF_LEN_MAX {
        return Err(ProofError::WrongLength);
    }
    let mut climb = Climb { at: index, last: size - 1 };
    let mut hash = leaf;
    for beside in proof {
        hash = match climb.step()? {
            Side::Left => node_hash(*beside, hash),
            Side::Right => node_hash(hash, *beside),
        };
    }
    climb.finish()?;
    if hash == root { Ok(()) } else { Err(ProofError::WrongRoot) }
}

/// Does the tree of `new_size` leaves and root `new_root` begin with the tree of `old_size` leaves and root
/// `old_root`? (RFC 9162, section 2.1.4.2.) Every tree begins with the empty one, and with itself: those
/// proofs are empty, and the roots are compared.
pub fn verify_consistency(
    old_size: u64,
    old_root: Hash,
    new_size: u64,
    new_root: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::OutOfRange);
    }
    if proof.len() > PROOF_LEN_MAX {
        return Err(ProofError::WrongLength);
    }
    if old_size == 0 || old_size == new_size {
        let known = if old_size == 0 { Hash::of_empty_tree() } else { new_root };
        return match (proof, old_root == known) {
            ([], true) => Ok(()),
            ([], false) => Err(ProofError::WrongRoot),
            ([_, ..], _) => Err(ProofError::WrongLength),
        };
    }
    // The old tree's last complete subtree: the old root itself, or the first hash of the proof.
    let (seed, proof) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        let (seed, proof) = proof.split_first().ok_or(ProofError::WrongLength)?;
        (*seed, proof)
    };
    let complete = old_size.trailing_zeros();
    let mut climb = Climb { at: (old_size - 1) >> complete, last: (new_size - 1) >> complete };
    let (mut old, mut new) = (seed, seed);
    for beside in proof {
        match climb.step()? {
            Side::Left => {
                old = node_hash(*beside, old);
                new = node_hash(*beside, new);
            }
            Side::Right => new = node_hash(new, *beside),
        }
    }
    climb.finish()?;
    if old == old_root && new == new_root { Ok(()) } else { Err(ProofError::WrongRoot) }
}

/// The way from a node up to the root: its number within its level, and the number of the level's last.
struct Climb {
    at: u64,
    last: u64,
}

/// On which side of the node its sibling stands.
enum Side {
    Left,
    Right,
}

impl Climb {
    fn step(&mut self) -> Result<Side, ProofError> {
        if self.last == 0 {
            return Err(ProofError::WrongLength);
        }
        let side = if self.at & 1 == 1 || self.at == self.last { Side::Left } else { Side::Right };
        if self.at == self.last && self.at & 1 == 0 {
            // The last node of a level without a sibling moves up until it has one.
            let levels = self.at.trailing_zeros();
            self.at >>= levels;
            self.last >>= levels;
        }
        self.at >>= 1;
        self.last >>= 1;
        Ok(side)
    }

    /// At the root, or the proof was too short.
    const fn finish(&self) -> Result<(), ProofError> {
        if self.last == 0 { Ok(()) } else { Err(ProofError::WrongLength) }
    }
}
