//! Challenges that strangers send back.
#![no_main]

use std::sync::LazyLock;

use clock::{Clock, Timestamp};
use identity::Challenge;
use libfuzzer_sys::fuzz_target;
use seal::Keys;

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Keys::open(folder.path(), &Clock::manual(Timestamp::EPOCH, 1)).expect("a key file is made")
});

fuzz_target!(|text: &str| {
    assert!(Challenge::from_text(text, &KEYS).is_none(), "a challenge was forged");
});
