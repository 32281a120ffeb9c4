//! What requests are inspected for: any bytes, as values and as bodies of every type.
#![no_main]

use inspection::{Exempt, Inspector, Place, Written};
use libfuzzer_sys::fuzz_target;

const TYPES: [&[u8]; 5] = [
    b"application/json",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=x",
    b"application/xml",
    b"text/plain",
];

fuzz_target!(|bytes: &[u8]| {
    let inspector = Inspector::standard();
    let mut tally = inspector.tally(Exempt::default());
    for place in [Place::Path, Place::Query, Place::Field, Place::Agent, Place::Body] {
        tally.value(place, bytes, true);
    }
    tally.cookies(bytes);
    for kind in TYPES {
        let written = Written::by(Some(kind)).expect("it is looked at");
        tally.body(&written, bytes);
    }
    if let Some(suspicion) = tally.suspicion() {
        assert!(suspicion.score > 0, "a suspicion without a reason");
    }
    // A stranger's content type is read too.
    let _written = Written::by(Some(bytes));
});
