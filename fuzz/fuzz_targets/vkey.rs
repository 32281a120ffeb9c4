//! Verifier keys as operators paste them.
#![no_main]

use ledger::note::VerifierKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
});
