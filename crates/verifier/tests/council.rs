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
    for (name, votes, standing, contests) in [("town", 12, 8, 7), ("poll", 6, 5, 2)] {
        let found = checked(&recorded(name)).expect("it is in order");
        assert!(found.published);
        assert_eq!((found.votes, found.standing), (votes, standing));
        assert_eq!(found.results.map(|results| results.len()), Some(contests));
    }
}

/// A copy of a record, to be changed.
fn copied(name: &str, copy: &tempfile::TempDir) -> PathBuf {
    let to = copy.path().join("record");
    let copied = std::process::Command::new("cp").arg("-r").arg(recorded(name)).arg(&to).status();
    assert!(copied.is_ok_and(|status| status.success()));
    to
}

fn entries_of(folder: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(folder.join(ENTRIES)).expect("entries");
    let (mut rest, mut entries) = (bytes.as_slice(), Vec::new());
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let (entry, more) = more.split_at(usize::from(u16::from_be_bytes(*length)));
        entries.push(entry.to_vec());
        rest = more;
    }
    entries
}

/// The bytes of an entry at another place and of another kind, at the time of this one.
fn leaf_like(like: &[u8], index: u64, command: &str, body: &Value) -> Vec<u8> {
    let at_ms = Leaf::read(like).expect("a leaf").at_ms;
    let mut leaf = [b"holdfast/entry/v1\n".as_slice(), &index.to_be_bytes(), &at_ms.to_be_bytes()].concat();
    let body = body.to_string();
    for field in [command.as_bytes(), b"service/elections", b"", &[7; 16], body.as_bytes(), &[0; 32]] {
        leaf.extend(u32::try_from(field.len()).expect("short").to_be_bytes());
        leaf.extend(field);
    }
    leaf
}

#[test]
fn refused_tokens_that_are_proven_in_part_or_twice_are_refused() {
    let with = |change: fn(&mut Value)| forged("town", "election/refused-tokens", |_, body| change(body));
    with(|_| ()).expect("nothing is another");
    refused(with(|body| body["first"] = json!(1)), "do not follow one another");
    refused(with(|body| body["tokens"] = json!(2)), "other tokens are proven");
    refused(with(|body| body["weight"] = json!(1)), "do not follow one another");
    refused(with(|body| body["weight"] = json!(2)), "nobody gives tokens of this weight");
    refused(with(|body| body["proof"] = json!("00".repeat(64))), "the proof does not hold");
    let copy = tempfile::tempdir().expect("a temporary folder");
    let to = copied("town", &copy);
    let mut entries = entries_of(&to);
    let of_kind = |entry: &Vec<u8>| Leaf::read(entry).expect("a leaf").command == "election/refused-tokens";
    let place = entries.iter().position(of_kind).expect("there is one");
    entries.remove(place);
    let renumbered = entries.iter().enumerate().map(|(index, leaf)| {
        let Leaf { command, body, .. } = Leaf::read(leaf).expect("a leaf");
        leaf_like(leaf, index as u64, command, &serde_json::from_slice(body).expect("JSON"))
    });
    sign(&to, &renumbered.collect::<Vec<_>>());
    refused(checked(&to), "has not proven all tokens");
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
    let to = copied(name, &copy);
    let mut entries = entries_of(&to);
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
fn a_number_that_browsers_would_round_is_refused() {
    for (voters, why) in [((1_u64 << 53) - 1, None), (1 << 53, Some("not everybody can read"))] {
        let found = forged("poll", "election/closed", |_, body| body["issued"][0]["voters"] = json!(voters));
        match why {
            Some(why) => refused(found, why),
            None => assert!(found.is_ok(), "{found:?}"),
        }
    }
}

#[test]
fn an_entry_with_spaces_in_it_is_refused() {
    let spaced = |body: &Value| body.to_string().replace(',', ", ");
    refused(forged_as("poll", "election/open-ballot", |_, _| (), spaced), "not written as it must be");
}

/// Has a manifest say something else, all of it that is said so.
fn with_manifest(name: &str, old: &str, new: &str) -> Result<Checked, Wrong> {
    forged(name, "election/defined", |_, body| {
        let manifest = body["manifest"].as_str().expect("a text");
        assert!(manifest.contains(old), "{manifest}");
        body["manifest"] = json!(manifest.replace(old, new));
    })
}

#[test]
fn a_manifest_that_can_be_read_in_two_ways_is_refused() {
    let ways = [
        (r#""en":"Poll""#, r#""en":"King","en":"Poll""#),
        (",", ", "),
        // What one reader takes for granted, another misses.
        (r#""closesAt":null,"#, ""),
        (r#","trustees":null"#, ""),
        (r#""opensAt":null"#, r#""opensAt":"2026-01-31T12:00:00Z""#),
        (r#""writeInBytesMax":0,"#, ""),
        (r#""seats":1,"#, ""),
        (r#""en":"Poll""#, r#""fr":"Poll","en":"Poll""#),
        (r#""opensAt":null,"closesAt":null"#, r#""closesAt":null,"opensAt":null"#),
    ];
    for (old, new) in ways {
        refused(with_manifest("poll", old, new), "not written as it must be");
    }
}

#[test]
fn a_manifest_with_keys_in_upper_case_is_refused() {
    let found = forged("council", "election/defined", |_, body| {
        let mut manifest: Value =
            serde_json::from_str(body["manifest"].as_str().expect("a text")).expect("JSON");
        let keys = manifest["keys"].as_str().expect("keys").to_uppercase();
        manifest["keys"] = json!(keys);
        body["manifest"] = json!(manifest.to_string());
    });
    refused(found, "keys are not those that the trustees made");
    let found = forged("council", "election/defined", |_, body| {
        let mut manifest: Value =
            serde_json::from_str(body["manifest"].as_str().expect("a text")).expect("JSON");
        let key = manifest["issuers"][0]["key"].as_str().expect("a key").to_uppercase();
        manifest["issuers"][0]["key"] = json!(key);
        body["manifest"] = json!(manifest.to_string());
    });
    let wrong = found.expect_err("it was forged").to_string();
    assert!(wrong.contains("the manifest"), "{wrong}");
}

/// Has the count name answers of its first list that are written otherwise.
fn with_answers(name: &str, change: impl FnOnce(String) -> String) -> Result<Checked, Wrong> {
    forged(name, "election/counted", |folder, body| {
        let hash = body["answers"][0]["blob"].as_str().expect("a hash");
        let answers = fs::read_to_string(folder.join("blobs").join(hash)).expect("it is there");
        let answers = change(answers);
        let hash = sha256(answers.as_bytes()).to_string();
        fs::write(folder.join("blobs").join(&hash), answers).expect("it can be written");
        body["answers"][0]["blob"] = json!(hash);
    })
}

#[test]
fn answers_may_be_published_in_any_order() {
    for name in ["council", "town", "poll"] {
        let found = with_answers(name, |answers| {
            let mut answers: Vec<Value> = serde_json::from_str(&answers).expect("JSON");
            answers.reverse();
            json!(answers).to_string()
        });
        assert!(found.expect("it is in order").published);
    }
}

#[test]
fn answers_that_are_others_or_written_otherwise_are_refused() {
    let ways = [(",", ", "), ("}}", r#"},"write-in":null}"#), ("[", "\u{feff}["), ("]", "")];
    for (old, new) in ways {
        let wrong =
            with_answers("council", |answers| answers.replacen(old, new, 1)).expect_err("it was forged");
        let wrong = wrong.to_string();
        assert!(wrong.contains("not written as they must be") || wrong.contains("cannot be read"), "{wrong}");
    }
    let twice = |answers: String| {
        let mut answers: Vec<Value> = serde_json::from_str(&answers).expect("JSON");
        answers[0] = answers[4].clone();
        json!(answers).to_string()
    };
    refused(with_answers("council", twice), "not what was decrypted");
    refused(with_answers("council", |_| "[null]".to_owned()), "not what was decrypted");
}

/// A vote that was refused, and is of the other kind than the election's.
fn with_other_kind(name: &str, kind: &str, body: &Value) -> Result<Checked, Wrong> {
    let copy = tempfile::tempdir().expect("a temporary folder");
    let to = copied(name, &copy);
    let mut entries = entries_of(&to);
    let at = |kind: &str| {
        let of_kind = |entry: &Vec<u8>| Leaf::read(entry).expect("a leaf").command == kind;
        entries.iter().position(of_kind).expect("there is one")
    };
    let place = at("election/verdicts");
    let verdicts = Leaf::read(&entries[place]).expect("a leaf").body;
    let mut verdicts: board::Verdicts = serde_json::from_slice(verdicts).expect("verdicts");
    let index = place as u64;
    (verdicts.to, verdicts.votes) = (index + 1, verdicts.votes + 1);
    verdicts.refused.push(board::RefusedBallot { index, reason: board::WhyRefused::Malformed });
    let verdicts = leaf_like(&entries[place], index + 1, "election/verdicts", &json!(verdicts));
    let vote = leaf_like(&entries[place], index, kind, body);
    entries.truncate(place);
    entries.extend([vote, verdicts]);
    sign(&to, &entries);
    checked(&to)
}

#[test]
fn a_vote_of_the_other_kind_is_none_even_if_it_is_refused() {
    let open = json!({"voter": "00".repeat(32), "weight": 1, "salt": "00".repeat(16), "answers": []});
    refused(with_other_kind("council", "election/open-ballot", &open), "no place while votes are taken");
    let secret = json!({
        "voter": "00".repeat(32), "token": "00".repeat(64), "weight": 1, "sequence": 1, "ballots": [],
        "signature": "00".repeat(64),
    });
    refused(with_other_kind("poll", "election/ballot", &secret), "no place while votes are taken");
    // Refused as one of the election's own kind it has its place.
    with_other_kind("council", "election/ballot", &secret).expect("it is in order");
    with_other_kind("poll", "election/open-ballot", &open).expect("it is in order");
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
