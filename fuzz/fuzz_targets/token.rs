//! Tokens from strangers, before anybody has looked at their tags.
#![no_main]

use identity::{TOKEN_BYTES, Token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: [u8; TOKEN_BYTES]| {
    if let Some(token) = Token::decode(&bytes) {
        assert_eq!(token.untagged()[..64], bytes[..64], "two tokens say the same");
    }
});
