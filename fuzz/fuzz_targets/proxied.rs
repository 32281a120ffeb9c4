//! What proxies say before they pass bytes on.
#![no_main]

use edge::read_proxied;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(proxied)) = read_proxied(bytes) {
        assert!(proxied.bytes <= bytes.len(), "a header is longer than what came");
        // What follows a header is none of its business.
        assert_eq!(read_proxied(&bytes[..proxied.bytes]), Ok(Some(proxied)));
        assert_eq!(read_proxied(&bytes[..proxied.bytes - 1]), Ok(None));
    }
});
