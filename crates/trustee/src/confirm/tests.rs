//! A server that makes a key with the trustees, and shows everybody else another one.

use std::fs;

use board::{
    Base64, BeginCeremony, Decrypted, Defined, ListBlob, OnBoard, Said, TrusteesNamed, ceremony_context,
    sha256,
};
use clock::Timestamp;
use ledger::{
    checkpoint::{Checkpoint, LogKeys},
    merkle::{Frontier, leaf_hash},
    note::KeyName,
};
use mixnet::{Ceremony, Dealer, Dealing, Group, Opening, Quorum, SealedOpening};
use seal::SigningKeys;
use serde::Serialize;

use super::*;
use crate::{
    hall::{Hall, STEPS, election},
    safe::SafeError,
    view::SaidView,
};

type Step = CeremonyStep;

/// A board as it is written.
#[derive(Default)]
struct Written(Vec<Vec<u8>>);

impl Written {
    fn add<E: OnBoard + Serialize>(&mut self, event: &E) {
        let mut leaf = b"holdfast/entry/v1\n".to_vec();
        leaf.extend((self.0.len() as u64).to_be_bytes());
        leaf.extend(0_u64.to_be_bytes());
        let body = serde_json::to_vec(event).expect("it has a JSON form");
        let parts: [&[u8]; 6] = [E::NAME.as_bytes(), b"service/elections", b"", &[1; 16], &body, &[2; 32]];
        for part in parts {
            leaf.extend(u32::try_from(part.len()).expect("short").to_be_bytes());
            leaf.extend(part);
        }
        self.0.push(leaf);
    }

    /// A ceremony of three, two of whom decrypt.
    fn ceremony(said: &[SaidView]) -> Self {
        let mut board = Self::default();
        let trustees = said.iter().map(|said| said.name.clone()).collect();
        board.add(&BeginCeremony { election: election(), attempt: 1, threshold: 2, trustees });
        for step in [Step::TransportKey, Step::SealedOpening, Step::Opening, Step::Dealing, Step::Approval] {
            for one in said {
                board.add(&Said { attempt: 1, trustee: one.trustee, step, bytes: Base64(word(one, step)) });
            }
        }
        board
    }

    /// All is decided, with the keys that the ceremony made.
    fn define(&mut self, said: &[SaidView]) -> Hex<32> {
        let council = serde_json::json!({
            "protocol": board::PROTOCOL, "electionId": election(), "title": {"en": "Council"}, "description": {},
            "opensAt": null, "closesAt": null, "secret": true, "mixers": 1,
            "contests": [{
                "contestId": "mayor", "title": {"en": "Mayor"}, "form": {"kind": "plurality"}, "count": "most", "seats": 1,
                "writeInBytesMax": 0, "options": [{"optionId": "ada", "title": {"en": "Ada"}}],
            }],
            "trustees": null, "attempt": 1, "keys": hex::encode(keys(said).to_bytes()),
            "issuers": [{"weight": 1, "key": "11".repeat(32)}],
        });
        let mut manifest: Manifest = serde_json::from_value(council).expect("a manifest");
        let names = said.iter().map(|said| said.name.clone()).collect();
        manifest.trustees = Some(TrusteesNamed { threshold: 2, names });
        let manifest = serde_json::to_string(&manifest).expect("it has a JSON form");
        let hash = Manifest::hash(&manifest);
        self.add(&Defined { manifest });
        hash
    }

    /// The record of it, signed by the board's keys.
    fn record(&self) -> Record {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut tree, mut bytes) = (Frontier::new(), Vec::new());
        for leaf in &self.0 {
            tree.append(leaf_hash(leaf));
            bytes.extend(u16::try_from(leaf.len()).expect("short").to_be_bytes());
            bytes.extend(leaf);
        }
        let keys = SigningKeys::from_seeds(&[1; 32], &[2; 32]);
        let origin = format!("vote.example/elections/{}", election());
        let note = Checkpoint::new(&origin, tree.size(), tree.root(), Vec::new()).expect("a checkpoint");
        let note = note.sign(&keys, Timestamp::from_millis(0)).expect("it signs").to_string();
        let public = LogKeys::of(&KeyName::new(&origin).expect("a name"), &keys);
        let public = format!("{}\n{}\n", public.ed25519(), public.ml_dsa_44());
        for (name, bytes) in
            [(verifier::ENTRIES, bytes), (verifier::CHECKPOINT, note.into()), (verifier::KEYS, public.into())]
        {
            fs::write(folder.path().join(name), bytes).expect("it can be written");
        }
        Record::open(folder.path(), None).expect("a record")
    }
}

fn word(said: &SaidView, step: Step) -> Vec<u8> {
    let word = match step {
        Step::TransportKey => said.transport_key.map(|key| key.0.to_vec()),
        Step::SealedOpening => said.sealed_opening.map(|sealed| sealed.0.to_vec()),
        Step::Opening => said.opening.clone().map(|opening| opening.0),
        Step::Dealing => said.dealing.clone().map(|dealing| dealing.0),
        Step::Approval | Step::Complaint => Some(Vec::new()),
    };
    word.expect("it was said")
}

fn ceremony(said: &[SaidView]) -> Ceremony<Ristretto> {
    let key =
        |said: &SaidView| Ristretto::decode_element(&said.transport_key.expect("a key").0).expect("a key");
    let quorum = Quorum::new(2, 3).expect("two of three");
    let context = ceremony_context(election(), 1);
    Ceremony::new(&context, quorum, said.iter().map(key).collect()).expect("a ceremony")
}

fn openings(said: &[SaidView]) -> mixnet::Openings<Ristretto> {
    let sealed: Vec<_> =
        said.iter().map(|said| SealedOpening::from_bytes(said.sealed_opening.expect("one").0)).collect();
    let opened = said.iter().map(|said| Opening::from_bytes(&word(said, Step::Opening)).expect("an opening"));
    ceremony(said).check_openings(&sealed, opened.collect()).expect("they hold")
}

fn keys(said: &[SaidView]) -> TrusteeKeys<Ristretto> {
    let dealings =
        said.iter().map(|said| Dealing::from_bytes(&word(said, Step::Dealing)).expect("a dealing"));
    ceremony(said).check_dealings(dealings.collect()).expect("they hold");
    ceremony(said).conclude(&openings(said)).expect("keys")
}

/// Three who have made a key.
fn made() -> Hall {
    let mut hall = Hall::new();
    STEPS.iter().for_each(|step| hall.round(step));
    hall
}

/// A board with this ceremony.
fn board(said: &[SaidView]) -> Written {
    let mut board = Written::ceremony(said);
    board.define(said);
    board
}

/// Has somebody who makes up what trustees say fix, open and deal anew in the names of these.
fn speak_for(hall: &mut Hall, said: &mut [SaidView], whom: &[u16]) {
    let mut dealers: Vec<Dealer<Ristretto>> = Vec::new();
    for trustee in whom {
        let (dealer, sealed) = ceremony(said).begin(*trustee, &mut hall.rng);
        let one = &mut said[usize::from(*trustee) - 1];
        one.sealed_opening = Some(Hex(*sealed.as_bytes()));
        one.opening = Some(Base64(dealer.open().to_bytes()));
        dealers.push(dealer);
    }
    for dealer in dealers {
        deal(hall, said, &dealer);
    }
}

fn deal(hall: &mut Hall, said: &mut [SaidView], dealer: &Dealer<Ristretto>) {
    let dealing = ceremony(said).deal(dealer, &openings(said), &mut hall.rng);
    said[usize::from(dealer.trustee()) - 1].dealing = Some(Base64(dealing.to_bytes()));
}

#[track_caller]
fn check_found_out(hall: &Hall, trustee: u16, said: &[SaidView], what: &str) {
    let found = confirm(&mut hall.safe(trustee), &board(said).record());
    match found {
        Err(TrusteeError::OtherOnBoard(found)) => assert_eq!(found, what),
        other => panic!("a key that is not the trustee's was believed: {other:?}"),
    }
}

#[test]
fn a_trustee_confirms_the_key_that_they_made_and_waits_for_it_before() {
    let hall = made();
    let mut board = Written::ceremony(&hall.view.said);
    assert_eq!(confirm(&mut hall.safe(1), &Written::default().record()).expect("it is early"), None);
    assert_eq!(confirm(&mut hall.safe(1), &board.record()).expect("it is early"), None);
    let hash = board.define(&hall.view.said);
    for trustee in 1..=3 {
        assert_eq!(confirm(&mut hall.safe(trustee), &board.record()).expect("it is theirs"), Some(hash));
    }
}

#[test]
fn a_ceremony_that_a_server_made_alone_is_found_out_by_its_transport_keys() {
    let (hall, mut other) = (made(), Hall::with_dice(8));
    STEPS.iter().for_each(|step| other.round(step));
    for trustee in 1..=3 {
        check_found_out(&hall, trustee, &other.view.said, "a transport key");
    }
}

#[test]
fn a_part_of_the_key_that_a_server_made_in_a_trustees_name_is_found_out() {
    let mut hall = made();
    let mut said = hall.view.said.clone();
    speak_for(&mut hall, &mut said, &[1]);
    check_found_out(&hall, 1, &said, "a sealed opening");
}

#[test]
fn an_opening_that_a_trustee_did_not_say_is_found_out_though_they_keep_its_seal() {
    let mut hall = made();
    let mut said = hall.view.said.clone();
    speak_for(&mut hall, &mut said, &[1]);
    let mut safe = hall.safe(1);
    let sealed = said[0].sealed_opening.expect("one").0.to_vec();
    safe.kept.attempts.get_mut(&1).expect("theirs").sealed = Some(Base64(sealed));
    let found = confirm(&mut safe, &board(&said).record()).expect_err("it is not theirs");
    assert!(matches!(found, TrusteeError::OtherOnBoard("an opening")), "{found}");
}

#[test]
fn a_dealing_that_a_trustee_did_not_say_is_found_out() {
    let mut hall = made();
    let mut said = hall.view.said.clone();
    let dealer = hall.safe(1).kept.attempts[&1].dealer().expect("one").expect("one");
    deal(&mut hall, &mut said, &dealer);
    check_found_out(&hall, 1, &said, "a dealing");
}

#[test]
fn a_key_with_a_trustees_own_part_of_which_they_have_no_share_is_not_theirs() {
    let mut hall = made();
    let mut said = hall.view.said.clone();
    speak_for(&mut hall, &mut said, &[2, 3]);
    let found = confirm(&mut hall.safe(1), &board(&said).record()).expect_err("it is not theirs");
    assert!(matches!(found, TrusteeError::NoShare), "{found}");
}

#[test]
fn a_decryption_in_the_name_of_a_trustee_who_decrypted_nothing_is_found_out() {
    let hall = made();
    let mut board = board(&hall.view.said);
    let lists = vec![ListBlob { list: 0, blob: sha256(b"rows") }];
    board.add(&Decrypted { trustee: 1, partials: vec![ListBlob { list: 0, blob: sha256(b"a part") }] });
    let found = confirm(&mut hall.safe(1), &board.record()).expect_err("they did not");
    assert!(matches!(found, TrusteeError::NotDecrypted), "{found}");
    assert!(confirm(&mut hall.safe(2), &board.record()).is_ok(), "nobody spoke in the second's name");
    hall.safe(1).decrypts(lists).expect("it is kept");
    assert!(confirm(&mut hall.safe(1), &board.record()).is_ok());
}

#[test]
fn a_board_that_is_another_one_than_was_confirmed_is_refused() {
    let hall = made();
    let mut honest = board(&hall.view.said);
    confirm(&mut hall.safe(1), &honest.record()).expect("it is theirs");
    honest.add(&board::Opened {});
    confirm(&mut hall.safe(1), &honest.record()).expect("it went on");
    let mut other = made();
    let mut said = hall.view.said.clone();
    let dealer = hall.safe(2).kept.attempts[&1].dealer().expect("one").expect("one");
    deal(&mut other, &mut said, &dealer);
    let found = confirm(&mut hall.safe(1), &board(&said).record()).expect_err("it is another one");
    assert!(matches!(found, TrusteeError::Safe(SafeError::BoardChanged)), "{found}");
}
