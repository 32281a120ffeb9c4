//! Entries as they travel: packed, compressed, sealed.

use clock::Clock;
use ledger::Entry;
use seal::{BackupKey, OpenError};
use store::{pack_row, unpack_rows};

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

fn pack(entries: &[Entry]) -> Vec<u8> {
    let mut packed = Vec::new();
    entries.iter().for_each(|entry| pack_row(entry, &mut packed));
    packed
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
    unpack_rows(&open_packed(name, object, key)?).ok_or(SegmentError::Entries)
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
            prop_assert_eq!(unpack_rows(&pack(&entries)), Some(entries));
        }

        #[test]
        fn any_bytes_are_entries_or_are_not(bytes: Vec<u8>) {
            if let Some(entries) = unpack_rows::<Entry>(&bytes) {
                prop_assert_eq!(pack(&entries), bytes);
            }
        }
    }
}
