//! Sealed fields and wrapped keys as a damaged or hostile database hands them back.
#![no_main]

use std::sync::LazyLock;

use clock::{Clock, Timestamp};
use ids::Id;
use libfuzzer_sys::fuzz_target;
use seal::PersonKey;

static KEY: LazyLock<PersonKey> = LazyLock::new(|| PersonKey::generate(&Clock::manual(Timestamp::EPOCH, 1)));

fuzz_target!(|bytes: &[u8]| {
    let person = Id::new(1, [1; 10]);
    assert!(KEY.open("service", "field", person, bytes).is_err(), "a seal was forged");
    let _ = seal::wrapped_under(bytes);
});
