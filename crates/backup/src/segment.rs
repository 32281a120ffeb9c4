//! Entries as they travel: packed, compressed, sealed.

use clock::Clock;
use ledger::Entry;
use seal::{BackupKey, OpenError};
use store::{decode_row, encode_row};

/// Entries in one segment, at most.
pub const SEGMENT_ENTRIES_MAX: usize = 16_384;

/// The longest that a segment may become when it is unpacked: an attacker's may not fill the memory.
const UNPACKED_BYTES_MAX: usize = 2 << 30;

/// How hard segments are compressed: higher levels cost more than they save here.
const LEVEL: i32 = 3;

/// Why a segment is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    #[error("it cannot be unsealed")]
    Sealed(#[from] OpenError),
    #[error("it cannot be unpacked")]
    Packed(#[from] std::io::Error),
    #[error("it does not hold rows")]
    Entries,
}

/// Packs a row's encoding behind those before it, and its length (32 bits, big-endian) before it.
pub(crate) fn pack_row(packed: &mut Vec<u8>, row: &[u8]) {
    packed.extend_from_slice(&u32::try_from(row.len()).unwrap_or(u32::MAX).to_be_bytes());
    packed.extend_from_slice(row);
}

/// The encodings of the rows that [`pack_row`] packed.
pub(crate) fn unpack_rows(mut packed: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rows = Vec::new();
    while !packed.is_empty() {
        let (length, rest) = packed.split_first_chunk()?;
        let (row, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        rows.push(row);
        packed = rest;
    }
    Some(rows)
}

fn pack(entries: &[Entry]) -> Vec<u8> {
    let (mut packed, mut bytes) = (Vec::new(), Vec::new());
    for entry in entries {
        bytes.clear();
        encode_row(entry, &mut bytes);
        pack_row(&mut packed, &bytes);
    }
    packed
}

fn unpack(packed: &[u8]) -> Option<Vec<Entry>> {
    unpack_rows(packed)?.into_iter().map(decode_row).collect()
}

/// The object of this name that holds these entries.
pub(crate) fn seal(
    name: &str,
    entries: &[Entry],
    key: &BackupKey,
    clock: &Clock,
) -> std::io::Result<Vec<u8>> {
    seal_packed(name, &pack(entries), key, clock)
}

/// The object of this name that holds these packed rows.
pub(crate) fn seal_packed(
    name: &str,
    packed: &[u8],
    key: &BackupKey,
    clock: &Clock,
) -> std::io::Result<Vec<u8>> {
    let compressed = zstd::bulk::compress(packed, LEVEL)?;
    Ok(key.seal(name, &compressed, clock))
}

/// The entries in the object of this name.
pub(crate) fn open(name: &str, object: &[u8], key: &BackupKey) -> Result<Vec<Entry>, SegmentError> {
    unpack(&open_packed(name, object, key)?).ok_or(SegmentError::Entries)
}

/// The packed rows in the object of this name.
pub(crate) fn open_packed(name: &str, object: &[u8], key: &BackupKey) -> Result<Vec<u8>, SegmentError> {
    use std::io::Read;
    let compressed = key.open(name, object)?;
    let mut packed = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(compressed.as_slice())?;
    decoder.take(UNPACKED_BYTES_MAX as u64).read_to_end(&mut packed)?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use clock::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn any_entry() -> impl Strategy<Value = Entry> {
        let parts = (any::<u32>(), ".{0,20}", any::<Vec<u8>>(), any::<Option<Vec<u8>>>(), any::<[u8; 32]>());
        parts.prop_map(|(index, command, body, erasable, effect)| Entry {
            index: index.into(),
            at: Timestamp::from_millis(index.into()),
            command,
            actor: "anonymous".to_owned(),
            subject: None,
            salt: [1; 16],
            body,
            erasable,
            effect,
        })
    }

    proptest! {
        #[test]
        fn entries_come_back_as_they_were(entries in prop::collection::vec(any_entry(), 0..20)) {
            prop_assert_eq!(unpack(&pack(&entries)), Some(entries));
        }

        #[test]
        fn any_bytes_are_entries_or_are_not(bytes: Vec<u8>) {
            unpack(&bytes);
        }
    }
}
