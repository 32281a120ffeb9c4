//! Data that an erasure can take away while everything that was proven about it stays proven.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::cell::{Cell, CellRef, Column, ColumnType};

/// The longest content one erasable value may hold.
pub const ERASABLE_BYTES_MAX: usize = 32 * 1024;

const SALT_BYTES: usize = 16;
const COMMITMENT_BYTES: usize = 32;

/// Personal content (sealed fields, blind indexes) beside a commitment to it.
///
/// A ledger and the digests of rows cover only the commitment, SHA-256 of a random salt and the content.
/// Erasing removes salt and content; the commitment stays, says nothing, and everything still verifies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Erasable {
    commitment: [u8; COMMITMENT_BYTES],
    held: Option<Held>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Held {
    salt: [u8; SALT_BYTES],
    content: Vec<u8>,
}

impl Erasable {
    /// Content that can be erased later; `salt` must be fresh and random.
    #[must_use]
    pub fn new(salt: [u8; SALT_BYTES], content: Vec<u8>) -> Self {
        Self { commitment: commit(&salt, &content), held: Some(Held { salt, content }) }
    }

    /// The content, if it has not been erased.
    #[must_use]
    pub fn content(&self) -> Option<&[u8]> {
        self.held.as_ref().map(|held| held.content.as_slice())
    }

    /// What the ledger knows of it.
    #[must_use]
    pub const fn commitment(&self) -> &[u8; 32] {
        &self.commitment
    }

    /// The key under which a row about 32 bytes of content is found: the content, or once that is erased
    /// the commitment, so that a replay of erased entries keeps their rows apart.
    #[must_use]
    pub fn key(&self) -> ErasableKey {
        let content = self.content().and_then(|content| content.try_into().ok());
        ErasableKey(content.unwrap_or(self.commitment))
    }

    /// Salt and content, as one run of bytes; nothing once erased.
    #[must_use]
    pub fn to_held_bytes(&self) -> Option<Vec<u8>> {
        self.held.as_ref().map(|held| [held.salt.as_slice(), &held.content].concat())
    }

    /// Puts back salt and content that were kept apart, if they are what the commitment says.
    #[must_use]
    pub fn restore(&mut self, bytes: &[u8]) -> bool {
        let Some((salt, content)) = bytes.split_first_chunk::<SALT_BYTES>() else { return false };
        let restored = Self::new(*salt, content.to_vec());
        let same = restored.commitment == self.commitment;
        if same {
            *self = restored;
        }
        same
    }
}

fn commit(salt: &[u8; SALT_BYTES], content: &[u8]) -> [u8; COMMITMENT_BYTES] {
    let mut hash = Sha256::new_with_prefix(b"holdfast/erasable/v1\n");
    hash.update(salt);
    hash.update(content);
    hash.finalize().into()
}

impl Column for Erasable {
    const TYPE: ColumnType = ColumnType::Bytea;
    const EXPECTED: &'static str = "a commitment and what it commits to";

    fn cell(&self) -> Cell<'_> {
        let mut bytes = self.commitment.to_vec();
        bytes.extend(self.to_held_bytes().unwrap_or_default());
        Cell::Bytes(Cow::Owned(bytes))
    }

    /// Content that does not fit its commitment is damage, and is not read.
    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        let CellRef::Bytes(bytes) = cell else { return None };
        let (commitment, held) = bytes.split_first_chunk()?;
        let mut erasable = Self { commitment: *commitment, held: None };
        (held.is_empty() || erasable.restore(held)).then_some(erasable)
    }

    fn committed(&self) -> Cell<'_> {
        Cell::Bytes(Cow::Borrowed(&self.commitment))
    }
}

/// A key that is itself personal, such as the keyed hash of a name: see [`Erasable::key`]. The ledger
/// does not commit to it; the [`Erasable`] column beside it stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErasableKey(pub [u8; 32]);

impl Column for ErasableKey {
    const TYPE: ColumnType = ColumnType::Bytea;
    const EXPECTED: &'static str = "the 32 bytes of a blind index";

    fn cell(&self) -> Cell<'_> {
        Cell::Bytes(Cow::Borrowed(&self.0))
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        <[u8; 32]>::from_cell(cell).map(Self)
    }

    fn committed(&self) -> Cell<'_> {
        Cell::Null
    }
}

/// In a ledger entry's permanent body stands the commitment alone, in hexadecimal.
impl Serialize for Erasable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:x}", HexBytes(&self.commitment)))
    }
}

impl<'de> Deserialize<'de> for Erasable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let commitment = read_hex(&text).ok_or_else(|| de::Error::custom("not 64 hexadecimal digits"))?;
        Ok(Self { commitment, held: None })
    }
}

struct HexBytes<'a>(&'a [u8; COMMITMENT_BYTES]);

impl std::fmt::LowerHex for HexBytes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn read_hex(text: &str) -> Option<[u8; COMMITMENT_BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * COMMITMENT_BYTES {
        return None;
    }
    let mut bytes = [0; COMMITMENT_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |ascii: u8| (ascii as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erased(of: &Erasable) -> Erasable {
        Erasable { commitment: of.commitment, held: None }
    }

    #[test]
    fn content_reads_back_from_its_column() {
        for value in [Erasable::new([1; 16], b"sealed".to_vec()), erased(&Erasable::new([1; 16], vec![]))] {
            let Cell::Bytes(bytes) = value.cell() else { panic!("it is stored as bytes") };
            assert_eq!(Erasable::from_cell(CellRef::Bytes(&bytes)), Some(value.clone()));
        }
    }

    #[test]
    fn a_ledger_body_holds_the_commitment_and_not_the_content() {
        let value = Erasable::new([1; 16], b"secret name".to_vec());
        let json = serde_json::to_string(&value).expect("it has a JSON form");
        assert_eq!(serde_json::from_str::<Erasable>(&json).expect("it reads back"), erased(&value));
        assert_eq!(json.len(), 66);
    }

    #[test]
    fn content_that_does_not_fit_its_commitment_is_not_read() {
        let value = Erasable::new([1; 16], b"sealed".to_vec());
        let Cell::Bytes(bytes) = value.cell() else { panic!("it is stored as bytes") };
        for place in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[place] ^= 1;
            assert_eq!(Erasable::from_cell(CellRef::Bytes(&damaged)), None, "byte {place}");
        }
    }

    #[test]
    fn erased_content_keeps_its_commitment_and_its_place() {
        let value = Erasable::new([1; 16], vec![7; 32]);
        let other = Erasable::new([2; 16], vec![7; 32]);
        assert_eq!(value.committed(), erased(&value).committed());
        assert_eq!(value.key(), other.key());
        assert_ne!(erased(&value).key(), erased(&other).key());
    }
}
