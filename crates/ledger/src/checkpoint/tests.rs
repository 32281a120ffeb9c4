//! Checkpoints: read, signed, opened, and refused.

use proptest::prelude::*;
use seal::SigningKeys;

use super::*;

const ORIGIN: &str = "holdfast.example/identity";

fn keys(seed: u8) -> SigningKeys {
    SigningKeys::from_seeds(&[seed; 32], &[seed; 32])
}

fn name(name: &str) -> KeyName {
    KeyName::new(name).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(ORIGIN, 1234, Hash([7; 32]), vec!["digest c29tZQ==".to_owned()]).unwrap()
}

fn log() -> LogKeys {
    LogKeys::of(&name(ORIGIN), &keys(1))
}

fn signed() -> Note {
    checkpoint().sign(&keys(1), Timestamp::from_millis(1_772_357_400_999)).unwrap()
}

#[test]
fn a_checkpoint_reads_as_the_specification_writes_it() {
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let checkpoint = Checkpoint::parse(text).unwrap();
    assert_eq!(checkpoint.origin(), "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size(), 20_852_163);
    assert_eq!(checkpoint.to_string(), text);
}

#[test]
fn both_signatures_open_it() {
    let note = signed();
    assert_eq!(note.signatures().iter().map(|one| one.bytes.len()).collect::<Vec<_>>(), [64, 2428]);
    let opened = log().open(note.to_string().as_bytes(), &[]).unwrap();
    let expected = Opened { checkpoint: checkpoint(), signed_at: 1_772_357_400, witnesses: vec![] };
    assert_eq!(opened, expected);
}

#[test]
fn one_signature_alone_is_not_enough() {
    let note = signed();
    for (left, missing) in [(0, "ML-DSA-44"), (1, "Ed25519")] {
        let one = Note::new(note.text().to_owned(), vec![note.signatures()[left].clone()]).unwrap();
        let opened = log().open(one.to_string().as_bytes(), &[]);
        assert_eq!(opened, Err(OpenError::NotSigned(missing)));
    }
}

#[test]
fn each_line_is_signed() {
    let note = signed().to_string();
    let root = Hash([7; 32]).to_base64();
    let changes = [
        ("1234", "1235"),
        (ORIGIN, "holdfast.example/other"),
        (&root, &Hash([8; 32]).to_base64()),
        ("c29t", "c29u"),
    ];
    for (old, new) in changes {
        let altered = note.replacen(old, new, 1);
        let opened = log().open(altered.as_bytes(), &[]);
        assert_eq!(opened, Err(OpenError::Verify(VerifyError::BadSignature(name(ORIGIN)))), "{new}");
    }
}

#[test]
fn every_flipped_byte_of_the_cosignature_is_noticed() {
    let note = signed();
    for at in 0..note.signatures()[1].bytes.len() {
        let mut signatures = note.signatures().to_vec();
        signatures[1].bytes[at] ^= 0x80;
        let altered = Note::new(note.text().to_owned(), signatures).unwrap();
        assert!(altered.verify(&[log().ml_dsa_44().clone()]).is_err(), "byte {at}");
    }
}

#[test]
fn the_keys_of_another_log_do_not_open_it() {
    let note = signed().to_string();
    let other_keys = LogKeys::of(&name(ORIGIN), &keys(2));
    assert_eq!(other_keys.open(note.as_bytes(), &[]), Err(OpenError::Verify(VerifyError::NotSigned)));
    // The same key pairs under another name sign for another log only.
    let other_name = LogKeys::of(&name("holdfast.example/shop"), &keys(1));
    assert_eq!(other_name.open(note.as_bytes(), &[]), Err(OpenError::Verify(VerifyError::NotSigned)));
}

#[test]
fn a_log_cannot_speak_for_another() {
    let foreign = Checkpoint::new("bank.example", 1, Hash([7; 32]), vec![]).unwrap();
    let text = foreign.to_string();
    let ed25519 = keys(1).sign_ed25519(text.as_bytes()).unwrap();
    let ml_dsa_44 = cosignature::sign(&name(ORIGIN), &keys(1), &foreign, 5).unwrap();
    let signatures = vec![
        Signature { name: name(ORIGIN), id: log().ed25519().id(), bytes: ed25519 },
        Signature { name: name(ORIGIN), id: log().ml_dsa_44().id(), bytes: ml_dsa_44 },
    ];
    let note = Note::new(text, signatures).unwrap().to_string();
    assert_eq!(log().open(note.as_bytes(), &[]), Err(OpenError::OtherLog));
}

#[test]
fn witnesses_cosign_beside_the_log() {
    let witness = VerifierKey::new(name("witness.example"), keys(3).ml_dsa_44());
    let mut note = signed();
    let bytes = cosignature::sign(witness.name(), &keys(3), &checkpoint(), 99).unwrap();
    note.add(Signature { name: witness.name().clone(), id: witness.id(), bytes }).unwrap();
    let note = note.to_string();
    assert_eq!(log().open(note.as_bytes(), &[]).unwrap().witnesses, []);
    let opened = log().open(note.as_bytes(), std::slice::from_ref(&witness)).unwrap();
    assert_eq!(opened.witnesses, [(witness.name().clone(), Some(99))]);
}

#[test]
fn a_cosignature_from_beyond_time_is_refused() {
    let witness = VerifierKey::new(name("witness.example"), keys(3).ml_dsa_44());
    let mut bytes = cosignature::sign(witness.name(), &keys(3), &checkpoint(), u64::MAX).unwrap();
    assert_eq!(bytes[..8], [0; 8]);
    bytes[0] = 0x80;
    let signature = Signature { name: witness.name().clone(), id: witness.id(), bytes };
    let note = Note::new(checkpoint().to_string(), vec![signature]).unwrap();
    let error = VerifyError::BadSignature(witness.name().clone());
    assert_eq!(note.verify(&[witness]), Err(error));
}

#[test]
fn only_a_key_name_can_sign() {
    let checkpoint = Checkpoint::new("my log", 0, Hash::of_empty_tree(), vec![]).unwrap();
    assert!(matches!(checkpoint.sign(&keys(1), Timestamp::EPOCH), Err(SignError::Origin(_))));
}

#[test]
fn what_is_no_checkpoint_says_why() {
    use CheckpointError as E;
    let root = Hash([7; 32]).to_base64();
    let cases = [
        (String::new(), E::TooFewLines),
        ("\n".to_owned(), E::TooFewLines),
        ("log\n1\n".to_owned(), E::TooFewLines),
        (format!("log\n1\n{root}"), E::TooFewLines),
        (format!("\n1\n{root}\n"), E::Origin),
        (format!("{}\n1\n{root}\n", "x".repeat(256)), E::Origin),
        (format!("log\n01\n{root}\n"), E::Size),
        (format!("log\n+1\n{root}\n"), E::Size),
        (format!("log\n\n{root}\n"), E::Size),
        (format!("log\n18446744073709551616\n{root}\n"), E::Size),
        (format!("log\n1\n{}\n", &root[1..]), E::Root),
        (format!("log\n1\n{root}\n\n"), E::Extension),
        (format!("log\n1\n{root}\na\r\n"), E::Extension),
        (format!("log\n1\n{root}\n{}", "x\n".repeat(17)), E::Extension),
    ];
    for (text, expected) in cases {
        assert_eq!(Checkpoint::parse(&text), Err(expected), "{text:.40}");
    }
    assert!(Checkpoint::parse(&format!("log\n18446744073709551615\n{root}\n")).is_ok());
    assert!(Checkpoint::parse(&format!("log\n0\n{root}\n{}", "x\n".repeat(16))).is_ok());
}

proptest! {
    #[test]
    fn a_checkpoint_reads_back_as_it_was(
        origin in "[ -~\u{e9}]{1,40}", size: u64, root: [u8; 32],
        extensions in prop::collection::vec("[ -~]{1,40}", 0..=EXTENSIONS_MAX),
    ) {
        let checkpoint = Checkpoint::new(&origin, size, Hash(root), extensions).unwrap();
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_string()), Ok(checkpoint));
    }

    #[test]
    fn arbitrary_text_is_read_calmly_and_only_one_way(
        text in prop_oneof![any::<String>(), "(log|\n|0|17|BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=){0,9}\n"],
    ) {
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(checkpoint.to_string(), text);
        }
    }

    #[test]
    fn arbitrary_bytes_are_opened_calmly(bytes: Vec<u8>) {
        prop_assert!(log().open(&bytes, &[]).is_err());
    }
}
