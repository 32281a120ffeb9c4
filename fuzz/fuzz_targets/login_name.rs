//! Names that strangers want to sign in with.
#![no_main]

use identity::LoginName;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(name) = text.parse::<LoginName>() {
        assert_eq!(name.as_str().parse::<LoginName>().as_ref(), Ok(&name), "a name's form is not its own");
    }
});
