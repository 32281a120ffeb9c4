//! Signed notes from strangers.
#![no_main]

use std::sync::LazyLock;

use ledger::note::{KeyName, Note, VerifierKey};
use libfuzzer_sys::fuzz_target;
use seal::SigningKeys;

static KNOWN: LazyLock<[VerifierKey; 2]> = LazyLock::new(|| {
    let keys = SigningKeys::from_seeds(&[1; 32], &[1; 32]);
    let name = KeyName::new("a").expect("a name");
    [VerifierKey::new(name.clone(), keys.ed25519()), VerifierKey::new(name, keys.ml_dsa_44())]
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        assert!(note.verify(&*KNOWN).is_err(), "a signature was forged");
    }
});
