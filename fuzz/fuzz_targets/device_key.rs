//! Public keys and signatures of strangers' devices.
#![no_main]

use identity::SignatureAlgorithm;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (public_key, signature) = input;
    for algorithm in [SignatureAlgorithm::Ed25519, SignatureAlgorithm::Es256] {
        if algorithm.check_public_key(public_key).is_ok() {
            assert!(!algorithm.verify(public_key, b"never signed", signature), "a signature was forged");
        }
    }
});
