//! The record of an election that was held, as others can try their verifiers with it: five voters, one of whom voted
//! twice, two mixers, and two trustees of three.

use std::{fs, path::PathBuf};

use proptest::prelude::*;
use verifier::{Checked, Record, Wrong, check};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/council")
}

fn checked(folder: &std::path::Path) -> Result<Checked, Wrong> {
    check(&Record::open(folder, None)?)
}

/// Every file of it, by its path in the folder.
fn files() -> Vec<String> {
    let blobs = fs::read_dir(folder().join("blobs")).expect("there are some");
    let mut files: Vec<_> =
        blobs.map(|file| format!("blobs/{}", file.expect("a file").file_name().to_string_lossy())).collect();
    files.sort();
    files.extend(["entries", "checkpoint", "keys"].map(str::to_owned));
    files
}

#[test]
fn the_record_of_the_council_is_in_order_and_says_who_was_elected() {
    let found = checked(&folder()).expect("it is in order");
    assert!(found.published);
    assert_eq!((found.votes, found.standing, found.refused), (6, 5, 0));
    assert_eq!((found.mixes, &*found.decrypted_by), (4, &[1, 2][..]));
    let results = serde_json::to_value(found.results).expect("it has a JSON form");
    assert_eq!(results[0]["log"]["most"]["counts"], serde_json::json!([3, 1, 1]));
    assert_eq!(results[0]["candidates"][2], serde_json::json!({"writeIn": "Zoe"}));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_record_of_which_any_byte_is_another_is_refused(
        file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), mask in 1..=255_u8,
    ) {
        let copy = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(copy.path().join("blobs")).expect("it can be made");
        let files = files();
        let changed = file.get(&files);
        for name in &files {
            let mut bytes = fs::read(folder().join(name)).expect("it can be read");
            if name == changed {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            fs::write(copy.path().join(name), bytes).expect("it can be written");
        }
        prop_assert!(checked(copy.path()).is_err(), "{changed}");
    }
}
