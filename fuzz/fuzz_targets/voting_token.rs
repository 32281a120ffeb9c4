//! Voting tokens, and what is asked and answered for them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mixnet::{
    Encoded,
    tokens::{BatchProof, BlindedInput, Evaluated, Token, TokenKey},
};

fuzz_target!(|input: (&[u8], &[u8])| {
    let (one, two) = input;
    let key = TokenKey::derive(&[0; 32], b"fuzz");
    if let Ok(token) = Token::from_bytes(one) {
        assert_eq!(token.to_bytes(), one, "two encodings mean the same token");
        assert!(key.redeem(&token).is_err(), "nobody issued it");
        let (multiple, proof) = (Evaluated::from_bytes(&two[..two.len().min(32)]), BatchProof::from_bytes(two));
        if let (Ok(multiple), Ok(proof)) = (multiple, proof) {
            assert!(key.public().verify_redeemed(&[token], &[multiple], &proof).is_err(), "nobody proved it");
        }
    }
    if let Ok(blinded) = BlindedInput::from_bytes(one) {
        assert_eq!(blinded.to_bytes(), one, "two encodings mean the same input");
    }
});
