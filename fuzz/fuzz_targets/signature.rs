//! Signatures as strangers write them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signatures::{Digesting, Message, Policy, VerifyingKey, Algorithm, read};

fuzz_target!(|parts: (&[u8], &[u8], &str, &[u8])| {
    let (input, signature, query, value) = parts;
    if let Ok(mut digesting) = Digesting::of([value]) {
        digesting.update(input);
        let _held = digesting.holds();
    }
    let Ok(found) = read([input], [signature]) else { return };
    let key = VerifyingKey::read(Algorithm::Ed25519, "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=").expect("a key");
    let fields = |_: &str| vec![value.to_vec()];
    let message = Message {
        method: "GET",
        scheme: "https",
        authority: "example.com",
        path: "/",
        query: Some(query),
        status: None,
        fields: &fields,
    };
    for signature in found {
        // Nobody has the key.
        assert_ne!(signature.is_by(&key, &message), Ok(true));
        let policy = Policy { age_s_max: 60, ahead_s_max: 5 };
        let _judged = policy.judge(&signature, &["@method"], true, 1_618_884_473);
    }
});
