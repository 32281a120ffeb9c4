//! Chunked bodies from strangers, cut anywhere.
#![no_main]

use http1::{Chunks, Fault};
use libfuzzer_sys::fuzz_target;

/// The data in the pieces, how many bytes it took, and whether the body is over.
fn read(pieces: [&[u8]; 2]) -> Result<(Vec<u8>, usize, bool), Fault> {
    let (mut chunks, mut data, mut total) = (Chunks::default(), Vec::new(), 0);
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() && !chunks.is_done() {
            let (used, found) = chunks.read(rest)?;
            assert!(used > 0 && found <= used, "it makes headway");
            data.extend_from_slice(&rest[used - found..used]);
            total += used;
            rest = &rest[used..];
        }
    }
    Ok((data, total, chunks.is_done()))
}

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
    assert_eq!(read([first, second]), read([bytes, &[]]), "a cut changed what was found");
});
