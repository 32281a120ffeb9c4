//! Rows and shuffle proofs from strangers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mixnet::{Encoded, EncryptionKey, Generators, Group, Mix, Ristretto, Rows, ShuffleProof};

fuzz_target!(|input: (&[u8], &[u8], &[u8])| {
    let (before, after, proof) = input;
    let proof = ShuffleProof::<Ristretto>::from_bytes(proof).inspect(|read| {
        assert_eq!(read.to_bytes(), proof, "two encodings mean the same proof");
    });
    let rows = [before, after].map(|bytes| {
        Rows::<Ristretto>::from_bytes(bytes).inspect(|read| {
            assert_eq!(read.to_bytes(), bytes, "two encodings mean the same rows");
        })
    });
    let ([Ok(before), Ok(after)], Ok(proof)) = (rows, proof) else { return };
    let generators = Generators::derive(b"fuzz", before.len());
    let key = EncryptionKey::new(Ristretto::generator()).expect("not the identity");
    let mix = Mix { context: b"fuzz", key: &key, generators: &generators, input: &before };
    assert!(mix.verify(&after, &proof).is_err(), "nobody proved anything");
});
