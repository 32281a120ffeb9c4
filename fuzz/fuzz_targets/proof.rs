//! Proofs from strangers, and frontiers and tiles from a damaged database.
#![no_main]

use std::convert::Infallible;

use ledger::merkle::{Frontier, Hash, TileReader, TileWriter, verify_consistency, verify_inclusion};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, u64, [u8; 32], Vec<[u8; 32]>, Vec<u8>)| {
    let (index, size, root, proof, bytes) = input;
    let (root, proof) = (Hash(root), proof.into_iter().map(Hash).collect::<Vec<_>>());
    let included = verify_inclusion(root, index, size, &proof, root);
    assert!(included.is_err() || size == 1, "a leaf is its own root");
    let consistent = verify_consistency(index, root, size, root, &proof);
    assert!(consistent.is_err() || index == size || root == Hash::of_empty_tree());

    if let Ok(mut frontier) = Frontier::from_bytes(&bytes) {
        frontier.append(root);
        let _ = frontier.root();
    }
    let lookup = |_, _| Ok::<_, Infallible>(Some(bytes.clone()));
    if let Ok(mut reader) = TileReader::new(size, &proof, lookup) {
        let _ = (reader.inclusion(index, size), reader.consistency(index, size), reader.root(size));
    }
    if let Ok(mut writer) = TileWriter::resume(size, &proof, lookup) {
        let _ = writer.append(&proof);
    }
});
