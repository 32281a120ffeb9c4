//! Key files after a disk or an editor had its way with them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = seal::check_key_text(bytes);
});
