//! A SHA-256 hash in the tree, and how leaves and nodes are hashed.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// A hash of 32 bytes. For people it is hexadecimal; in JSON and in checkpoints standard base64 with padding
/// (RFC 4648, section 4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// What was read is not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hash: write its 32 bytes in standard base64, 44 characters")]
pub struct HashError;

/// The hash of a leaf: SHA-256 of `0x00 || entry` (RFC 6962, section 2.1).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// The hash of a node with two children: SHA-256 of `0x01 || left || right` (RFC 6962, section 2.1).
#[must_use]
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

impl Hash {
    /// The root of a tree without leaves: SHA-256 of nothing.
    #[must_use]
    pub fn of_empty_tree() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// Standard base64 with padding, 44 characters.
    #[must_use]
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads the one text that [`Hash::to_base64`] writes.
    pub fn from_base64(text: &str) -> Result<Self, HashError> {
        let mut bytes = [0; 32];
        let length = STANDARD.decode_slice(text, &mut bytes).map_err(|_| HashError)?;
        if length == bytes.len() { Ok(Self(bytes)) } else { Err(HashError) }
    }

    /// The hashes that these bytes are, 32 each, if nothing is left over.
    pub(super) fn split(bytes: &[u8]) -> Option<Vec<Self>> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        rest.is_empty().then(|| hashes.iter().copied().map(Self).collect())
    }

    /// The opposite of [`Hash::split`].
    pub(super) fn join(hashes: &[Self]) -> Vec<u8> {
        hashes.iter().flat_map(|hash| hash.0).collect()
    }

    /// The root of a complete subtree over `hashes`, whose number is a power of two.
    pub(super) fn of_complete(mut hashes: Vec<Self>) -> Option<Self> {
        while hashes.len() > 1 {
            hashes = hashes.chunks_exact(2).map(|pair| node_hash(pair[0], pair[1])).collect();
        }
        hashes.first().copied()
    }

    /// The root over complete subtrees that stand side by side, each higher than the next.
    pub(super) fn of_peaks(peaks: impl DoubleEndedIterator<Item = Self>) -> Self {
        peaks.rev().reduce(|right, left| node_hash(left, right)).unwrap_or_else(Self::of_empty_tree)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_base64(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back_from_its_text() {
        let hash = leaf_hash(b"entry");
        assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
        assert_eq!(serde_json::from_str::<Hash>(&serde_json::to_string(&hash).unwrap()).unwrap(), hash);
        assert_eq!(hash.to_string().len(), 64);
    }

    #[test]
    fn another_spelling_of_a_hash_is_refused() {
        let text = Hash([0xff; 32]).to_base64();
        let loose_bits = format!("{}9=", &text[..42]);
        for text in [&text[..43], &text.replace('/', "_"), &format!("{text}\n"), &loose_bits, "", "AAAA"] {
            assert_eq!(Hash::from_base64(text), Err(HashError), "{text}");
        }
    }
}
