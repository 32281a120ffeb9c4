//! Rows as backups, other nodes and caches hand them over.
#![no_main]

use ledger::Entry;
use libfuzzer_sys::fuzz_target;
use store::{News, Row, decode_row, encode_row};

fn read<R: Row>(bytes: &[u8]) {
    if let Some(row) = decode_row::<R>(bytes) {
        let mut encoded = Vec::new();
        encode_row(&row, &mut encoded);
        assert_eq!(encoded, bytes, "two encodings mean the same row");
    }
}

fuzz_target!(|bytes: &[u8]| {
    read::<Entry>(bytes);
    read::<News>(bytes);
});
