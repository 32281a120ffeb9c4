//! C2SP signed notes (c2sp.org/signed-note): a text and the signatures under it.
//!
//! A note says nothing until it is verified: [`Note::parse`] only takes it apart, [`Note::verify`] tells
//! which known keys signed it.

mod key;

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
pub use key::{KeyId, KeyName, KeyNameError, VerifierKey, VerifierKeyError};

/// Signatures under one note, at most: as many as every verifier must accept.
pub const SIGNATURES_MAX: usize = 16;

/// Bytes of one note, at most: 16 of the longest signatures need 60 KiB.
pub const NOTE_BYTES_MAX: usize = 128 * 1024;

/// Bytes of one signature, at most: ML-DSA-87 needs 4,627.
const SIGNATURE_BYTES_MAX: usize = 8 * 1024;

/// What a signature line begins with: an em dash and a space.
const LINE_BEGIN: &str = "\u{2014} ";

/// A text and who says to have signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub name: KeyName,
    pub id: KeyId,
    /// What follows the key id: the format depends on the key. Never empty.
    pub bytes: Vec<u8>,
}

/// A known key whose signature holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed<'known> {
    pub by: &'known VerifierKey,
    /// When, if its signatures say so: Unix seconds, as the signer has them; 0 says nothing.
    pub at: Option<u64>,
}

/// What was read is not a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("a note is at most {NOTE_BYTES_MAX} bytes long")]
    TooLong,
    #[error("a note is UTF-8 without control characters")]
    NotText,
    #[error("the text of a note ends with a newline, an empty line and signatures follow")]
    NoSignatures,
    #[error("a note has at most {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    #[error("signature line {0} is malformed")]
    Line(usize),
}

/// A note that must be ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("no known key signed this note")]
    NotSigned,
    #[error("the signature of {0} does not hold")]
    BadSignature(KeyName),
    #[error("two known keys are both called {0} and have the same id")]
    Ambiguous(KeyName),
}

impl Note {
    /// A note of this text, which ends with a newline, and these signatures, 1 to 16.
    pub fn new(text: String, signatures: Vec<Signature>) -> Result<Self, NoteError> {
        if !text.ends_with('\n') || signatures.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        let note = Self { text, signatures };
        note.check()?;
        Ok(note)
    }

    /// Adds a signature to the others.
    pub fn add(&mut self, signature: Signature) -> Result<(), NoteError> {
        self.signatures.push(signature);
        let checked = self.check();
        if checked.is_err() {
            self.signatures.pop();
        }
        checked
    }

    /// Takes a note apart. There is one spelling of each: what is read here prints as it was.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
        if !is_text(note) {
            return Err(NoteError::NotText);
        }
        let (text, signatures) = split(note).ok_or(NoteError::NoSignatures)?;
        if signatures.split('\n').count() > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        let signatures = signatures
            .split('\n')
            .enumerate()
            .map(|(number, line)| Signature::parse(line).ok_or(NoteError::Line(number + 1)))
            .collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, with its last newline. Worth nothing before [`Note::verify`].
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every signature, whether it holds or not.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Which of these keys signed the note: at least one. Signatures of unknown keys are ignored; one of
    /// a known key that does not hold spoils the note.
    pub fn verify<'known>(&self, known: &'known [VerifierKey]) -> Result<Vec<Signed<'known>>, VerifyError> {
        let mut signed: Vec<Signed<'known>> = Vec::new();
        for signature in &self.signatures {
            let mut keys =
                known.iter().filter(|key| *key.name() == signature.name && key.id() == signature.id);
            let Some(by) = keys.next() else { continue };
            if keys.any(|other| other != by) {
                return Err(VerifyError::Ambiguous(signature.name.clone()));
            }
            let at = by
                .verify(&self.text, &signature.bytes)
                .map_err(|_| VerifyError::BadSignature(signature.name.clone()))?;
            if !signed.iter().any(|earlier| earlier.by == by) {
                signed.push(Signed { by, at });
            }
        }
        if signed.is_empty() { Err(VerifyError::NotSigned) } else { Ok(signed) }
    }

    fn check(&self) -> Result<(), NoteError> {
        if self.signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        if !is_text(&self.text) {
            return Err(NoteError::NotText);
        }
        for (number, signature) in self.signatures.iter().enumerate() {
            if !(1..=SIGNATURE_BYTES_MAX).contains(&signature.bytes.len()) {
                return Err(NoteError::Line(number + 1));
            }
        }
        if self.to_string().len() > NOTE_BYTES_MAX { Err(NoteError::TooLong) } else { Ok(()) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(LINE_BEGIN)?.split_once(' ')?;
        let decoded = STANDARD.decode(encoded).ok()?;
        let (id, bytes) = decoded.split_first_chunk::<4>()?;
        if !(1..=SIGNATURE_BYTES_MAX).contains(&bytes.len()) {
            return None;
        }
        Some(Self { name: KeyName::new(name).ok()?, id: KeyId(*id), bytes: bytes.to_vec() })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = STANDARD.encode([&self.id.0, self.bytes.as_slice()].concat());
        write!(f, "{LINE_BEGIN}{} {encoded}", self.name)
    }
}

/// The text with its newline, and the signature lines without the last one, around the last empty line.
fn split(note: &str) -> Option<(&str, &str)> {
    let empty_line = note.rfind("\n\n")?;
    let (text, rest) = note.split_at(empty_line + 1);
    Some((text, rest.strip_prefix('\n')?.strip_suffix('\n')?))
}

fn is_text(text: &str) -> bool {
    text.bytes().all(|byte| byte >= 0x20 || byte == b'\n')
}

#[cfg(test)]
mod tests;
