//! Rows on their way elsewhere: their canonical encodings one behind the other.

use crate::row::{Row, decode_row, encode_row};

/// Adds a row's encoding, behind its length (32 bits, big-endian).
pub fn pack_row<R: Row>(row: &R, packed: &mut Vec<u8>) {
    let mut encoded = Vec::new();
    encode_row(row, &mut encoded);
    pack_encoded(&encoded, packed);
}

/// The same with a row that is encoded already.
pub fn pack_encoded(row: &[u8], packed: &mut Vec<u8>) {
    packed.extend_from_slice(&u32::try_from(row.len()).unwrap_or(u32::MAX).to_be_bytes());
    packed.extend_from_slice(row);
}

/// The encodings of the rows that were packed; nothing if that is not what the bytes are.
#[must_use]
pub fn unpack_encoded(mut packed: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rows = Vec::new();
    while !packed.is_empty() {
        let (length, rest) = packed.split_first_chunk()?;
        let (row, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        rows.push(row);
        packed = rest;
    }
    Some(rows)
}

/// The rows themselves.
#[must_use]
pub fn unpack_rows<R: Row>(packed: &[u8]) -> Option<Vec<R>> {
    unpack_encoded(packed)?.into_iter().map(decode_row).collect()
}
