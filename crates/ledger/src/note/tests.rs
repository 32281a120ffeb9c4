//! Notes and verifier keys: the example of the specification, and everything that is not one.

use proptest::prelude::*;
use seal::SigningKeys;

use super::*;

const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6T\
    fXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

fn example_key() -> VerifierKey {
    VKEY.parse().unwrap()
}

fn signature(name: &str, bytes: Vec<u8>) -> Signature {
    Signature { name: KeyName::new(name).unwrap(), id: KeyId([1, 2, 3, 4]), bytes }
}

/// A key of our own, and its signature under `text`.
fn sign(name: &str, seed: u8, text: &str) -> (VerifierKey, Signature) {
    let keys = SigningKeys::from_seeds(&[seed; 32], &[seed; 32]);
    let key = VerifierKey::new(KeyName::new(name).unwrap(), keys.ed25519());
    let bytes = keys.sign_ed25519(text.as_bytes()).unwrap();
    let signature = Signature { name: key.name().clone(), id: key.id(), bytes };
    (key, signature)
}

#[test]
fn the_example_of_the_specification_verifies() {
    let note = Note::parse(NOTE.as_bytes()).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.verify(&[example_key()]), Ok(vec![Signed { by: &example_key(), at: None }]));
    assert_eq!(note.to_string(), NOTE);
}

#[test]
fn a_changed_text_is_refused() {
    let note = Note::parse(NOTE.replace("example message", "Example message").as_bytes()).unwrap();
    let name = KeyName::new("example.com/foo").unwrap();
    assert_eq!(note.verify(&[example_key()]), Err(VerifyError::BadSignature(name)));
}

#[test]
fn a_verifier_key_reads_back_from_its_text() {
    assert_eq!(example_key().to_string(), VKEY);
    let keys = SigningKeys::from_seeds(&[1; 32], &[2; 32]);
    let key = VerifierKey::new(KeyName::new("log.example").unwrap(), keys.ml_dsa_44());
    assert_eq!(key.to_string().parse(), Ok(key));
}

#[test]
fn a_wrong_verifier_key_says_what_is_wrong() {
    use VerifierKeyError as E;
    let key = example_key();
    let cases = [
        ("", E::Malformed),
        ("example.com/foo+530d903a", E::Malformed),
        (&VKEY.replace("2k", "2k="), E::Malformed),
        (&VKEY.replace("com/", "com "), E::Name(KeyNameError)),
        (&VKEY.replace("530d903a", "530d903b"), E::Id(key.id())),
        (&VKEY.replace("530d903a", "530D903A"), E::Id(key.id())),
        ("example.com/foo+530d903a+AekyeQ==", E::KeyLength),
        ("example.com/foo+530d903a+BA==", E::Type(4)),
        (&format!("{VKEY}{}", "A".repeat(5000)), E::Malformed),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<VerifierKey>(), Err(expected), "{text}");
    }
}

#[test]
fn the_last_empty_line_ends_the_text() {
    let text = "one\n\n\ntwo\n\n";
    let (key, signature) = sign("log.example", 1, text);
    let note = Note::new(text.to_owned(), vec![signature]).unwrap();
    let read = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!((read.text(), &read), (text, &note));
    assert!(read.verify(&[key]).is_ok());
}

#[test]
fn unknown_keys_are_ignored_even_with_a_known_name_or_id() {
    let text = "text\n";
    let (key, good) = sign("log.example", 1, text);
    let mut same_name = good.clone();
    same_name.id = KeyId([0; 4]);
    same_name.bytes[0] ^= 1;
    let mut same_id = good.clone();
    same_id.name = KeyName::new("other.example").unwrap();
    same_id.bytes[0] ^= 1;
    let known = [key];
    let note = Note::new(text.to_owned(), vec![same_name.clone(), same_id, good]).unwrap();
    assert_eq!(note.verify(&known).map(|signed| signed.len()), Ok(1));
    let unknown = Note::new(text.to_owned(), vec![same_name]).unwrap();
    assert_eq!(unknown.verify(&known), Err(VerifyError::NotSigned));
    assert_eq!(unknown.verify(&[]), Err(VerifyError::NotSigned));
}

#[test]
fn one_bad_signature_of_a_known_key_spoils_the_note() {
    let text = "text\n";
    let ((one, good), (other, mut bad)) = (sign("a.example", 1, text), sign("b.example", 2, text));
    bad.bytes[5] ^= 1;
    let note = Note::new(text.to_owned(), vec![good.clone(), bad]).unwrap();
    let name = KeyName::new("b.example").unwrap();
    assert_eq!(note.verify(&[one.clone(), other]), Err(VerifyError::BadSignature(name)));
    let twice = Note::new(text.to_owned(), vec![good.clone(), good]).unwrap();
    let known = [one.clone(), one];
    assert_eq!(twice.verify(&known).map(|signed| signed.len()), Ok(1), "a key counts once");
}

#[test]
fn seventeen_signatures_are_too_many() {
    let sixteen = vec![signature("a", vec![0; 4627]); SIGNATURES_MAX];
    let mut note = Note::new("text\n".to_owned(), sixteen).unwrap();
    assert_eq!(Note::parse(note.to_string().as_bytes()), Ok(note.clone()));
    let before = note.clone();
    assert_eq!(note.add(signature("a", vec![0])), Err(NoteError::TooManySignatures));
    assert_eq!(note, before);
    let line = signature("a", vec![0]).to_string();
    let seventeen = format!("{note}{line}\n");
    assert_eq!(Note::parse(seventeen.as_bytes()), Err(NoteError::TooManySignatures));
}

#[test]
fn what_is_no_note_says_why() {
    let long = format!("{}\n{NOTE}", "x".repeat(NOTE_BYTES_MAX));
    let cases: [(&str, NoteError); 15] = [
        ("", NoteError::NoSignatures),
        ("text\n", NoteError::NoSignatures),
        ("text\n\n", NoteError::NoSignatures),
        ("\n\u{2014} a AAAAAAA=\n", NoteError::NoSignatures),
        ("text\n\n\u{2014} a AAAAAAA=", NoteError::NoSignatures),
        ("text\n\n\n", NoteError::NoSignatures),
        ("text\r\n\n\u{2014} a AAAAAAA=\n", NoteError::NotText),
        ("text\n\n- a AAAAAAA=\n", NoteError::Line(1)),
        ("text\n\n\u{2014} a AAAAAA==\n", NoteError::Line(1)),
        ("text\n\n\u{2014} a AAAAAAA\n", NoteError::Line(1)),
        ("text\n\n\u{2014} a AAAAAAB=\n", NoteError::Line(1)),
        ("text\n\n\u{2014} a+b AAAAAAA=\n", NoteError::Line(1)),
        ("text\n\n\u{2014}  AAAAAAA=\n", NoteError::Line(1)),
        ("text\n\n\u{2014} a\u{2003}b AAAAAAA=\n", NoteError::Line(1)),
        (&long, NoteError::TooLong),
    ];
    for (text, expected) in cases {
        assert_eq!(Note::parse(text.as_bytes()), Err(expected), "{text:.40}");
    }
    assert_eq!(Note::parse(b"\xff\n\n"), Err(NoteError::NotText));
    let unfinished = Note::new("text".to_owned(), vec![signature("a", vec![1])]);
    assert_eq!(unfinished, Err(NoteError::NoSignatures));
}

proptest! {
    #[test]
    fn a_note_reads_back_as_it_was(
        text in "[ -~\n\u{e9}]{0,80}\n",
        lines in prop::collection::vec(("[a-z./]{1,20}", prop::collection::vec(any::<u8>(), 1..100)), 1..17),
    ) {
        let signatures = lines.into_iter().map(|(name, bytes)| signature(&name, bytes)).collect();
        let note = Note::new(text, signatures).unwrap();
        prop_assert_eq!(Note::parse(note.to_string().as_bytes()), Ok(note));
    }

    #[test]
    fn arbitrary_bytes_are_read_calmly_and_only_one_way(
        bytes in prop_oneof![
            any::<Vec<u8>>(),
            "(a|\n|\u{2014} | |b AAAAAAA=|\n\n\u{2014} c AAAAAAA=\n){0,12}".prop_map(String::into_bytes),
        ],
    ) {
        if let Ok(note) = Note::parse(&bytes) {
            prop_assert_eq!(note.to_string().into_bytes(), bytes);
            let _ = note.verify(&[example_key()]);
        }
    }

    #[test]
    fn arbitrary_verifier_keys_are_read_calmly_and_only_one_way(text in "[a-z]{0,5}[+]?[0-9a-f]{8}[+].{0,60}") {
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }
}
