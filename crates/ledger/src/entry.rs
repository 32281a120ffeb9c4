//! An entry: what the ledger keeps of a command, and the bytes that its leaf covers.

use authz::Person;
use clock::Timestamp;
use ids::Id;
use store::{Erasable, table};

use crate::merkle::{Hash, leaf_hash};

/// The first bytes of every leaf, so that no other use of the same bytes can be mistaken for one.
const LEAF_LABEL: &[u8] = b"holdfast/entry/v1\n";

table! {
    /// One command that was accepted.
    pub struct Entry in "entries", Log {
        key {
            /// Its place in the ledger, from nought.
            pub index: u64,
        }
        /// When it was applied; never before the entry in front of it.
        pub at: Timestamp,
        /// The command's permanent name.
        pub command: String,
        /// Who gave it, as [`authz::By`] is written.
        pub actor: String,
        /// Whom it is about.
        pub subject: Option<Id<Person>>,
        /// Keeps neighbours in an inclusion proof from guessing the entry by its hash.
        pub salt: [u8; 16],
        /// The command as JSON; for what is erasable, a commitment.
        pub body: Vec<u8>,
        /// What the commitments commit to, until it is erased: see [`pack`].
        pub erasable: Option<Vec<u8>>,
        /// Digest of the rows that it changed.
        pub effect: [u8; 32],
    }
}

impl Entry {
    /// The bytes that the leaf covers: everything but the erasable part, for which the body's
    /// commitments stand. Lengths are 32-bit and numbers 64-bit, big-endian.
    #[must_use]
    pub fn leaf_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160 + self.body.len());
        bytes.extend_from_slice(LEAF_LABEL);
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(&self.at.millis().to_be_bytes());
        put_bytes(&mut bytes, self.command.as_bytes());
        put_bytes(&mut bytes, self.actor.as_bytes());
        let subject = self.subject.map(Id::to_bytes);
        put_bytes(&mut bytes, subject.as_ref().map_or(&[], |subject| subject.as_slice()));
        put_bytes(&mut bytes, &self.salt);
        put_bytes(&mut bytes, &self.body);
        put_bytes(&mut bytes, &self.effect);
        bytes
    }

    /// The entry's leaf in the Merkle tree (RFC 6962, section 2.1).
    #[must_use]
    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.leaf_bytes())
    }
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("no part of an entry reaches 4 GiB");
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(bytes);
}

/// Puts the contents of erasable fields into one run of bytes, each behind its length; an erased one has
/// length nought.
#[must_use]
pub(crate) fn pack(contents: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for content in contents {
        put_bytes(&mut bytes, content.as_deref().unwrap_or_default());
    }
    bytes
}

/// What was packed does not fit the commitments of the command it was packed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the erasable part does not fit the commitments in the body")]
pub struct UnpackError;

/// Takes the next content out of what [`pack`] made and puts it back into its field.
pub(crate) fn unpack_next(packed: &mut &[u8], into: &mut Erasable) -> Result<(), UnpackError> {
    let (length, rest) = packed.split_first_chunk().ok_or(UnpackError)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| UnpackError)?;
    let (content, rest) = rest.split_at_checked(length).ok_or(UnpackError)?;
    *packed = rest;
    if content.is_empty() || into.restore(content) { Ok(()) } else { Err(UnpackError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            index: 1,
            at: Timestamp::from_millis(2),
            command: "a".to_owned(),
            actor: "bc".to_owned(),
            subject: None,
            salt: [3; 16],
            body: b"{}".to_vec(),
            erasable: None,
            effect: [4; 32],
        }
    }

    #[test]
    fn every_part_but_the_erasable_changes_the_leaf() {
        let changes: [fn(&mut Entry); 8] = [
            |entry| entry.index = 9,
            |entry| entry.at = Timestamp::EPOCH,
            |entry| entry.command = "ab".to_owned(),
            |entry| entry.actor = "c".to_owned(),
            |entry| entry.subject = Some(Id::new(1, [1; 10])),
            |entry| entry.salt = [9; 16],
            |entry| entry.body = b"{ }".to_vec(),
            |entry| entry.effect = [9; 32],
        ];
        for (place, change) in changes.iter().enumerate() {
            let mut changed = entry();
            change(&mut changed);
            assert_ne!(changed.leaf(), entry().leaf(), "change {place}");
        }
        let mut erased = entry();
        erased.erasable = Some(vec![1]);
        assert_eq!(erased.leaf(), entry().leaf());
    }

    #[test]
    fn erasable_contents_come_back_in_order() {
        let contents = [Some(b"salt and content of it".to_vec()), None];
        let packed = pack(&contents);
        let mut fields = [Erasable::new([0; 16], vec![]), Erasable::new([0; 16], vec![])];
        fields[0] = Erasable::new(*b"salt and content", b" of it".to_vec());
        let mut rest = packed.as_slice();
        for field in &mut fields {
            assert_eq!(unpack_next(&mut rest, field), Ok(()));
        }
        assert_eq!(unpack_next(&mut rest, &mut fields[0]), Err(UnpackError));
    }
}
