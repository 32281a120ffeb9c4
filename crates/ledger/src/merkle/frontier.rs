//! The right edge of a growing tree: all that is needed to append and to know the root.

use super::{Hash, SIZE_MAX, node_hash};

/// A tree of `size` leaves, as the roots of the complete subtrees it is made of: one for each 1 bit of the
/// size, highest first. Appending costs one hash on average, the root at most 56; 1.8 KiB at most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

/// What was read is not a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the frontier of a tree: its size and its hashes do not fit")]
pub struct FrontierError;

impl Frontier {
    /// A tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A tree of `size` leaves over these complete subtrees, highest first.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Self, FrontierError> {
        let fits = size <= SIZE_MAX && usize::try_from(size.count_ones()) == Ok(peaks.len());
        if fits { Ok(Self { size, peaks }) } else { Err(FrontierError) }
    }

    /// Leaves so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        Hash::of_peaks(self.peaks.iter().copied())
    }

    /// Adds one leaf, by its hash.
    pub fn append(&mut self, leaf: Hash) {
        self.append_noting(leaf, |_, _| ());
    }

    /// Adds one leaf and tells `note` of each subtree that it completes, with its height: the leaf itself
    /// at 0, then higher ones.
    pub(super) fn append_noting(&mut self, leaf: Hash, mut note: impl FnMut(u32, Hash)) {
        let mut completed = leaf;
        note(0, completed);
        for height in 1..=self.size.trailing_ones() {
            // There is one peak for each of the trailing 1 bits that are about to carry.
            let Some(left) = self.peaks.pop() else { break };
            completed = node_hash(left, completed);
            note(height, completed);
        }
        self.peaks.push(completed);
        // Far from overflow: a frontier that is read has at most SIZE_MAX leaves.
        self.size += 1;
    }

    /// The size (64 bits, big-endian), then the peaks, highest first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.size.to_be_bytes().to_vec(), Hash::join(&self.peaks)].concat()
    }

    /// Reads what [`Frontier::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrontierError> {
        let (size, peaks) = bytes.split_first_chunk::<8>().ok_or(FrontierError)?;
        Self::from_peaks(u64::from_be_bytes(*size), Hash::split(peaks).ok_or(FrontierError)?)
    }
}
