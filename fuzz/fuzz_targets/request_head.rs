//! Request lines and header sections from strangers.
#![no_main]

use http1::{Fault, HeadLimits, Length, read_head};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits { bytes_max: 1024, fields_max: 16 };

fn read(bytes: &[u8]) -> Result<Option<(Length, bool, usize)>, Fault> {
    read_head(bytes, LIMITS, |head| (head.framing.length, head.framing.persistent, head.bytes))
}

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes);
    for cut in 0..bytes.len().min(LIMITS.bytes_max) {
        let found = read(&bytes[..cut]);
        assert!(found == Ok(None) || found == whole, "more bytes changed what was found");
    }
    if let Ok(Some((_, _, end))) = whole {
        assert!(bytes[..end].ends_with(b"\r\n\r\n"), "it ends elsewhere for others");
    }
});
