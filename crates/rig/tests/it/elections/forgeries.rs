//! A server that forges its own record, and signs the forgery: whoever checks it finds out.

use std::{fs, path::Path};

use board::{Event, Hex, sha256};
use clock::{Clock, Timestamp};
use ledger::{
    checkpoint::{Checkpoint, LogKeys},
    merkle::{Frontier, leaf_hash},
    note::KeyName,
};
use seal::SigningKeys;
use serde_json::{Value, json};

use super::{
    course::{poll, vote},
    for_one, ranked,
    town::{self, Town, council, verify_saved},
};
use crate::Folder;

/// The entries of a record, to be forged.
struct Forger {
    entries: Vec<Vec<u8>>,
}

impl Forger {
    fn read(folder: &Path) -> Self {
        let bytes = fs::read(folder.join(verifier::ENTRIES)).expect("entries");
        let mut rest = bytes.as_slice();
        let mut entries = Vec::new();
        while let Some((length, more)) = rest.split_first_chunk::<2>() {
            let (entry, more) = more.split_at(usize::from(u16::from_be_bytes(*length)));
            entries.push(entry.to_vec());
            rest = more;
        }
        Self { entries }
    }

    /// The places of entries of a kind.
    fn places(&self, kind: &str) -> Vec<usize> {
        let of_kind = |entry: &&Vec<u8>| verifier::Leaf::read(entry).expect("a leaf").command == kind;
        let all = self.entries.iter().enumerate();
        all.filter(|(_, entry)| of_kind(entry)).map(|(place, _)| place).collect()
    }

    fn body(&self, place: usize) -> Value {
        let leaf = verifier::Leaf::read(&self.entries[place]).expect("a leaf");
        serde_json::from_slice(leaf.body).expect("JSON")
    }

    /// Another body in the place of an entry's own.
    fn rewrite(&mut self, place: usize, body: &Value) {
        let entry = &self.entries[place];
        let leaf = verifier::Leaf::read(entry).expect("a leaf");
        let body = serde_json::to_vec(body).expect("JSON");
        Event::read(leaf.command, &body).expect("still an entry");
        let behind = 4 + 32;
        let begin = entry.len() - behind - leaf.body.len() - 4;
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        let end = &entry[entry.len() - behind..];
        self.entries[place] = [&entry[..begin], &length, &body, end].concat();
    }

    /// Leaves out all entries of these kinds, as if they had never been there.
    fn leave_out(&mut self, kinds: &[&str]) {
        self.entries.retain(|entry| !kinds.contains(&verifier::Leaf::read(entry).expect("a leaf").command));
        self.renumber();
    }

    fn renumber(&mut self) {
        let behind_the_label = "holdfast/entry/v1\n".len();
        for (index, entry) in (0_u64..).zip(&mut self.entries) {
            entry[behind_the_label..behind_the_label + 8].copy_from_slice(&index.to_be_bytes());
        }
    }

    /// Says of all votes that they were refused for this.
    fn refuse_all(&mut self, reason: &str) {
        let ballots = self.places("election/ballot");
        for place in self.places("election/verdicts") {
            let mut body = self.body(place);
            let (from, to) = (body["from"].as_u64(), body["to"].as_u64());
            let range = from.expect("a place")..to.expect("a place");
            let own = ballots.iter().filter(|ballot| range.contains(&(**ballot as u64)));
            body["refused"] = own.map(|index| json!({"index": index, "reason": reason})).collect();
            self.rewrite(place, &body);
        }
    }

    /// Writes the record, signed by these keys as if they were the server's.
    fn write(&self, from: &Path, to: &Path, keys: &SigningKeys) {
        let note = fs::read_to_string(from.join(verifier::CHECKPOINT)).expect("a checkpoint");
        self.write_as(note.lines().next().expect("an origin"), from, to, keys);
    }

    /// Writes the record as the board of this origin.
    fn write_as(&self, origin: &str, from: &Path, to: &Path, keys: &SigningKeys) {
        assert!(
            std::process::Command::new("cp")
                .arg("-a")
                .arg(from)
                .arg(to)
                .status()
                .is_ok_and(|done| done.success())
        );
        let mut tree = Frontier::new();
        let mut bytes = Vec::new();
        for entry in &self.entries {
            tree.append(leaf_hash(entry));
            bytes.extend(u16::try_from(entry.len()).expect("short").to_be_bytes());
            bytes.extend(entry);
        }
        let checkpoint = Checkpoint::new(origin, tree.size(), tree.root(), Vec::new()).expect("a checkpoint");
        let note = checkpoint.sign(keys, Clock::System.now()).expect("it signs").to_string();
        let log_keys = LogKeys::of(&KeyName::new(origin).expect("a name"), keys);
        fs::write(to.join(verifier::ENTRIES), bytes).expect("written");
        fs::write(to.join(verifier::CHECKPOINT), note).expect("written");
        let keys = format!("{}\n{}", log_keys.ed25519(), log_keys.ml_dsa_44());
        fs::write(to.join(verifier::KEYS), keys).expect("written");
    }
}

/// The record of a whole election of three voters, one of whom voted twice.
async fn record(folder: &Folder) -> std::path::PathBuf {
    let mut town = Town::start(folder, &town::options("")).await;
    town.create(&council(2, 3)).await;
    town.enrol(3).await;
    town.step("ceremony", 202).await;
    let trustees = town.trustees(3, true);
    town.until_state("ready").await;
    trustees.into_iter().for_each(town::ended_well);
    town.step("opening", 200).await;
    let voters = town.voters(3).await;
    for place in [0, 1, 2, 0] {
        let tracker = town.cast(&voters[place], &[for_one(u8::from(place == 1)), ranked([1, 2, 3])]).await;
        town.until_ballot(&tracker, "CONFIRMED").await;
    }
    town.step("closing", 200).await;
    town.step("tally", 202).await;
    town.until_state("decrypting").await;
    let trustees = town.trustees(2, false);
    town.until_state("counted").await;
    trustees.into_iter().for_each(town::ended_well);
    town.step("publication", 200).await;
    town.until_signed().await;
    let saved = folder.data().with_file_name("saved");
    let verified = town.verify_election(Some(&saved));
    assert!(verified.success, "{}", verified.text);
    town.server.stop().expect("it stops");
    saved
}

/// A forgery, and what whoever checks it says.
fn check(folder: &Folder, saved: &Path, name: &str, expected: &str, forge: impl FnOnce(&mut Forger)) {
    let keys = SigningKeys::from_seeds(&[1; 32], &[2; 32]);
    let mut forger = Forger::read(saved);
    forge(&mut forger);
    let forged = folder.data().with_file_name(name);
    forger.write(saved, &forged, &keys);
    let verdict = verify_saved(&forged);
    assert!(!verdict.success && verdict.text.contains(expected), "{name}: {}", verdict.text);
}

/// Steps that are left out.
fn check_left_out(folder: &Folder, saved: &Path) {
    let no_place = "this has no place here";
    check(folder, saved, "nothing-was-to-be-decrypted", no_place, |forger| {
        forger.leave_out(&["election/decrypting"]);
    });
    check(folder, saved, "no-proof-of-tokens", "has not proven all tokens", |forger| {
        forger.leave_out(&["election/redeemed"]);
    });
    check(folder, saved, "all-refused-for-their-tokens", no_place, |forger| {
        forger.refuse_all("token");
        forger.leave_out(&[
            "election/mixed",
            "election/redeemed",
            "election/decrypting",
            "election/decrypted",
        ]);
        let place = forger.places("election/counted")[0];
        let mut body = forger.body(place);
        (body["decryptedBy"], body["answers"]) = (json!([]), json!([]));
        forger.rewrite(place, &body);
    });
    check(folder, saved, "refused-for-tokens-that-hold", "has not proven all tokens", |forger| {
        forger.refuse_all("token");
        forger.leave_out(&["election/mixed"]);
        for place in forger.places("election/redeemed") {
            let none = json!({"weight": 1, "tokens": 0, "multiples": sha256(&[]), "proofs": []});
            fs::write(verifier::blob_file(saved, &sha256(&[])), []).expect("written");
            forger.rewrite(place, &none);
        }
    });
    check(folder, saved, "nobody-counted-tokens", "once of each weight", |forger| {
        let place = forger.places("election/closed")[0];
        forger.rewrite(place, &json!({"issued": []}));
    });
    check(folder, saved, "published-before-it-is-counted", no_place, |forger| {
        let (counted, published) =
            (forger.places("election/counted")[0], forger.places("election/published")[0]);
        forger.entries.swap(counted, published);
        forger.renumber();
    });
}

/// What is counted wrongly, comes in another order, or is of another board.
fn check_counts_and_order(folder: &Folder, saved: &Path) {
    check(folder, saved, "stuffing", "only 2 tokens were given out", |forger| {
        let place = forger.places("election/closed")[0];
        forger.rewrite(place, &json!({"issued": [{"weight": 1, "voters": 3, "issued": 2}]}));
    });
    check(folder, saved, "more-tokens-than-voters", "than voters have it", |forger| {
        let place = forger.places("election/closed")[0];
        forger.rewrite(place, &json!({"issued": [{"weight": 1, "voters": 3, "issued": 4}]}));
    });
    check(folder, saved, "a-rushed-ceremony", "is said before all have said", |forger| {
        let of_step = |step: &str| {
            let said = forger.places("election/said").into_iter();
            let own: Vec<_> = said.filter(|place| forger.body(*place)["step"] == step).collect();
            own
        };
        let (sealed, opened) = (of_step("sealed-opening"), of_step("opening"));
        forger.entries.swap(sealed[2], opened[0]);
        forger.renumber();
    });
    let other = folder.data().with_file_name("another-origin");
    let origin = "sea.example/elections/0198f1de-8b70-7c4e-9f3a-6a2b1c3d4e5f";
    Forger::read(saved).write_as(origin, saved, &other, &SigningKeys::from_seeds(&[1; 32], &[2; 32]));
    let verdict = verify_saved(&other);
    assert!(!verdict.success && verdict.text.contains("another board"), "{}", verdict.text);
}

/// Trustees who are named where they do not belong.
fn check_misnamed(folder: &Folder, saved: &Path) {
    let counted = |forger: &mut Forger, field: &str, value: Value| {
        let place = forger.places("election/counted")[0];
        let mut body = forger.body(place);
        body[field] = value;
        forger.rewrite(place, &body);
    };
    check(folder, saved, "a-trustee-who-counts-twice", "names a trustee twice", |forger| {
        counted(forger, "decryptedBy", json!([1, 1]));
    });
    check(folder, saved, "nobody-was-absent", "others as having lied", |forger| {
        counted(forger, "absent", json!([]));
    });
    check(folder, saved, "somebody-lied-of-whom-nothing-came", "others as having lied", |forger| {
        counted(forger, "lied", json!([3]));
    });
}

/// A trustee who checked a board decrypts for no other, though it is signed and holds.
fn check_other_board(folder: &Folder, saved: &Path) {
    let mut forger = Forger::read(saved);
    let later = ["election/decrypting", "election/decrypted", "election/counted", "election/published"];
    forger.leave_out(&later);
    let other = folder.data().with_file_name("another-board");
    forger.write(saved, &other, &SigningKeys::from_seeds(&[1; 32], &[2; 32]));
    assert!(verify_saved(&other).success);
    let record = verifier::Record::open(&other, None).expect("a record");
    let checked = verifier::check(&record).expect("it holds");
    let key_file = |trustee: u16| folder.data().with_file_name(format!("trustee{trustee}.keys"));
    let mut safe = trustee::Safe::open(&key_file(1), checked.election).expect("their safe");
    let refused = trustee::decrypt(&mut safe, &record, true, &mut town::dice(1))
        .expect_err("it is shorter than before");
    assert!(refused.to_string().contains("not a continuation"), "{refused}");
}

#[tokio::test]
async fn a_server_that_forges_its_record_and_signs_the_forgery_is_found_out() {
    let folder = Folder::new();
    let saved = record(&folder).await;
    // The forger's own signature is good, so nothing but what was forged can give it away.
    let honest = folder.data().with_file_name("honest");
    Forger::read(&saved).write(&saved, &honest, &SigningKeys::from_seeds(&[1; 32], &[2; 32]));
    assert!(verify_saved(&honest).success);
    check(&folder, &saved, "a-dropped-ballot", "it says that it is entry", |forger| {
        let ballot = forger.places("election/ballot")[1];
        forger.entries.remove(ballot);
    });
    check(&folder, &saved, "swapped-ballots", "its voter did not sign it", |forger| {
        let places = forger.places("election/ballot");
        let (first, second) = (forger.body(places[0]), forger.body(places[1]));
        let mut mixed = first;
        mixed["ballots"] = second["ballots"].clone();
        forger.rewrite(places[0], &mixed);
    });
    check(&folder, &saved, "a-ballot-refused-for-nothing", "but it holds", |forger| {
        let place = forger.places("election/verdicts")[0];
        let mut body = forger.body(place);
        body["refused"] = json!([{"index": forger.places("election/ballot")[0], "reason": "proof"}]);
        forger.rewrite(place, &body);
    });
    check(&folder, &saved, "a-lying-mixer", "mixer 2", |forger| {
        let mixes = forger.places("election/mixed");
        let first = forger.body(mixes[0]);
        let place = *mixes
            .iter()
            .find(|place| {
                let body = forger.body(**place);
                body["list"] == first["list"] && body["mixer"] == 2
            })
            .expect("a second mixer");
        let mut body = forger.body(place);
        // It puts out what went in.
        body["output"] = first["output"].clone();
        forger.rewrite(place, &body);
    });
    check(&folder, &saved, "another-result", "not what the answers add up to", |forger| {
        let place = forger.places("election/counted")[0];
        let mut body = forger.body(place);
        let hash: Hex<32> = serde_json::from_value(body["results"].clone()).expect("a hash");
        let results = fs::read(verifier::blob_file(&saved, &hash)).expect("results");
        let results =
            String::from_utf8(results).expect("text").replacen("\"elected\":[0]", "\"elected\":[1]", 1);
        let forged = sha256(results.as_bytes());
        fs::write(verifier::blob_file(&saved, &forged), results).expect("written");
        body["results"] = json!(forged);
        forger.rewrite(place, &body);
    });
    check_counts_and_order(&folder, &saved);
    check_left_out(&folder, &saved);
    check_misnamed(&folder, &saved);
    check_other_board(&folder, &saved);
    let mut garbled = Forger::read(&saved);
    garbled.entries[0].truncate(7);
    let nonsense = folder.data().with_file_name("nonsense");
    garbled.write(&saved, &nonsense, &SigningKeys::from_seeds(&[1; 32], &[2; 32]));
    assert!(!verify_saved(&nonsense).success);
    // With the server's own keys, which were learned elsewhere, no forgery comes so far.
    let keys = fs::read_to_string(saved.join(verifier::KEYS)).expect("keys");
    let known: Vec<String> = keys.lines().map(str::to_owned).collect();
    let refused = verifier::Record::open(&honest, Some(&known)).expect_err("other keys signed it");
    assert!(refused.to_string().contains("not signed"), "{refused}");
}

#[tokio::test]
async fn a_vote_after_the_time_at_which_voting_ends_is_found_out() {
    let folder = Folder::new();
    let mut town = Town::start(&folder, &town::options("")).await;
    let in_an_hour = Timestamp::from_millis(Clock::System.now().millis() + 3_600_000);
    let mut definition = poll();
    definition["closesAt"] = in_an_hour.to_string().into();
    town.create(&definition).await;
    town.enrol(1).await;
    town.step("ceremony", 202).await;
    town.until_state("ready").await;
    town.step("opening", 200).await;
    let person = town.person(0).await;
    let taken = vote(&town, &person, "tea").await;
    town.until_ballot(&taken.text("tracker"), "CONFIRMED").await;
    town.step("closing", 200).await;
    town.until_signed().await;
    let saved = folder.data().with_file_name("saved");
    let verified = town.verify_election(Some(&saved));
    assert!(verified.success && verified.text.contains("ended before the time"), "{}", verified.text);
    check(&folder, &saved, "a-late-vote", "after the time at which voting was to end", |forger| {
        let place = forger.places("election/defined")[0];
        let manifest = forger.body(place)["manifest"].as_str().expect("a text").to_owned();
        let earlier = manifest.replace(&in_an_hour.to_string(), "2026-01-01T00:00:00.000Z");
        assert_ne!(earlier, manifest);
        forger.rewrite(place, &json!({"manifest": earlier}));
    });
    town.server.stop().expect("it stops");
}
