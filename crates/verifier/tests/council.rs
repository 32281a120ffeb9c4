//! Records of elections that were held, as others can try their verifiers with them. The council's: five voters, one of
//! whom voted twice, two mixers, and two trustees of three. The town's has contests of every kind and voters of two
//! weights; the votes of the poll are not secret.

use std::{
    fs,
    path::{Path, PathBuf},
};

use board::sha256;
use clock::Timestamp;
use ledger::{
    checkpoint::{Checkpoint, LogKeys},
    merkle::{Frontier, leaf_hash},
    note::KeyName,
};
use proptest::prelude::*;
use seal::SigningKeys;
use serde_json::{Value, json};
use verifier::{Checked, ENTRIES, Leaf, Record, Wrong, check};

fn recorded(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

fn folder() -> PathBuf {
    recorded("council")
}

fn checked(folder: &Path) -> Result<Checked, Wrong> {
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

#[test]
fn the_records_of_the_town_and_of_the_poll_are_in_order() {
    for (name, votes, standing, contests) in [("town", 9, 8, 7), ("poll", 6, 5, 2)] {
        let found = checked(&recorded(name)).expect("it is in order");
        assert!(found.published);
        assert_eq!((found.votes, found.standing), (votes, standing));
        assert_eq!(found.results.map(|results| results.len()), Some(contests));
    }
}

/// Has a server's own record say something else in its last entry of a kind, signed as if nothing had happened.
fn forged(name: &str, kind: &str, change: impl FnOnce(&Path, &mut Value)) -> Result<Checked, Wrong> {
    forged_as(name, kind, change, Value::to_string)
}

fn forged_as(
    name: &str,
    kind: &str,
    change: impl FnOnce(&Path, &mut Value),
    write: impl Fn(&Value) -> String,
) -> Result<Checked, Wrong> {
    let copy = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (recorded(name), copy.path().join("record"));
    let copied = std::process::Command::new("cp").arg("-r").arg(&from).arg(&to).status();
    assert!(copied.is_ok_and(|status| status.success()));
    let bytes = fs::read(from.join(ENTRIES)).expect("entries");
    let (mut rest, mut entries) = (bytes.as_slice(), Vec::new());
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let (entry, more) = more.split_at(usize::from(u16::from_be_bytes(*length)));
        entries.push(entry.to_vec());
        rest = more;
    }
    let of_kind = |entry: &&mut Vec<u8>| Leaf::read(entry).expect("a leaf").command == kind;
    let entry = entries.iter_mut().rev().find(of_kind).expect("there is one");
    let leaf = Leaf::read(entry).expect("a leaf");
    let mut body = serde_json::from_slice(leaf.body).expect("JSON");
    let behind = entry.len() - 36;
    let before = behind - leaf.body.len() - 4;
    change(&to, &mut body);
    let body = write(&body);
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    *entry = [&entry[..before], &length, body.as_bytes(), &entry[behind..]].concat();
    sign(&to, &entries);
    checked(&to)
}

/// Writes entries down, and a checkpoint of them by keys that are the record's from now on.
fn sign(folder: &Path, entries: &[Vec<u8>]) {
    let (mut tree, mut bytes) = (Frontier::new(), Vec::new());
    for entry in entries {
        tree.append(leaf_hash(entry));
        bytes.extend(u16::try_from(entry.len()).expect("short").to_be_bytes());
        bytes.extend(entry);
    }
    let keys = SigningKeys::from_seeds(&[1; 32], &[2; 32]);
    let note = fs::read_to_string(folder.join("checkpoint")).expect("a checkpoint");
    let origin = note.lines().next().expect("an origin");
    let checkpoint = Checkpoint::new(origin, tree.size(), tree.root(), Vec::new()).expect("a checkpoint");
    let note = checkpoint.sign(&keys, Timestamp::from_millis(0)).expect("it signs").to_string();
    let public = LogKeys::of(&KeyName::new(origin).expect("a name"), &keys);
    fs::write(folder.join(ENTRIES), bytes).expect("it can be written");
    fs::write(folder.join("checkpoint"), note).expect("it can be written");
    let keys = format!("{}\n{}\n", public.ed25519(), public.ml_dsa_44());
    fs::write(folder.join("keys"), keys).expect("it can be written");
}

/// Has the count name results that are written otherwise.
fn with_results(name: &str, change: impl FnOnce(String) -> String) -> Result<Checked, Wrong> {
    forged(name, "election/counted", |folder, body| {
        let hash = body["results"].as_str().expect("a hash");
        let results = fs::read_to_string(folder.join("blobs").join(hash)).expect("it is there");
        let results = change(results);
        let hash = sha256(results.as_bytes()).to_string();
        fs::write(folder.join("blobs").join(&hash), results).expect("it can be written");
        body["results"] = json!(hash);
    })
}

#[track_caller]
fn refused(found: Result<Checked, Wrong>, says: &str) {
    let wrong = found.expect_err("it was forged").to_string();
    assert!(wrong.contains(says), "{wrong}");
}

#[test]
fn results_that_say_more_or_otherwise_than_was_counted_are_refused() {
    with_results("town", |results| results).expect("nothing is another");
    for (old, new) in [(r#""tied":[]"#, r#""tied":[],"more":1"#), (",", ", "), (r#""lost":3"#, r#""lost":2"#)]
    {
        refused(
            with_results("town", |results| results.replacen(old, new, 1)),
            "not what the answers add up to",
        );
    }
}

#[test]
fn a_poll_whose_count_names_trustees_is_refused() {
    for named in ["decryptedBy", "lied", "absent"] {
        let found = forged("poll", "election/counted", |_, body| body[named] = json!([1]));
        refused(found, "names trustees, and there are none");
    }
}

#[test]
fn an_entry_with_spaces_in_it_is_refused() {
    let spaced = |body: &Value| body.to_string().replace(',', ", ");
    refused(forged_as("poll", "election/open-ballot", |_, _| (), spaced), "not written as it must be");
}

#[test]
fn a_manifest_that_can_be_read_in_two_ways_is_refused() {
    for (old, new) in [(r#""en":"Poll""#, r#""en":"King","en":"Poll""#), (",", ", ")] {
        let found = forged("poll", "election/defined", |_, body| {
            let manifest = body["manifest"].as_str().expect("a text").replacen(old, new, 1);
            body["manifest"] = json!(manifest);
        });
        refused(found, "not written as it must be");
    }
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
