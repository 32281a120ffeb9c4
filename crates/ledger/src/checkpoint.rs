//! C2SP checkpoints (c2sp.org/tlog-checkpoint): what a log commits to, signed twice.
//!
//! The log signs with Ed25519, which covers every line, and cosigns with ML-DSA-44, which covers origin,
//! size and root, but by its definition no extension line.

pub mod cosignature;

use std::fmt;

use clock::Timestamp;
use seal::{SigningError, SigningKeys};

use crate::{
    merkle::Hash,
    note::{KeyName, KeyNameError, Note, NoteError, Signature, VerifierKey, VerifyError},
};

/// Extension lines of one checkpoint, at most.
pub const EXTENSIONS_MAX: usize = 16;
/// Bytes of an extension line, at most.
pub const EXTENSION_BYTES_MAX: usize = 1024;
/// Bytes of an origin, at most: as many as a cosigned message can name.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// The tree of one log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    extensions: Vec<String>,
}

/// The keys of one log: two, under the log's own origin as their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKeys {
    ed25519: VerifierKey,
    ml_dsa_44: VerifierKey,
}

/// A checkpoint that its log signed with both keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub checkpoint: Checkpoint,
    /// When the log signed, in Unix seconds, as it says itself.
    pub signed_at: u64,
    /// Witnesses whose cosignatures hold, and the Unix seconds they give, if they give any.
    pub witnesses: Vec<(KeyName, Option<u64>)>,
}

/// What was read is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("a checkpoint has an origin, a size and a root, each on a line of its own")]
    TooFewLines,
    #[error("an origin is 1 to {ORIGIN_BYTES_MAX} bytes without control characters")]
    Origin,
    #[error("a tree size is decimal, without zeros before it, below 2^64")]
    Size,
    #[error("a root is the standard base64 of 32 bytes")]
    Root,
    #[error(
        "extension lines are at most {EXTENSIONS_MAX}, 1 to {EXTENSION_BYTES_MAX} bytes, without control \
         characters"
    )]
    Extension,
}

/// The log could not sign.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the origin of a log that signs must be a key name")]
    Origin(#[from] KeyNameError),
    #[error("a checkpoint was not signed")]
    Keys(#[from] SigningError),
    #[error("a signed checkpoint is not a note")]
    Note(#[from] NoteError),
}

/// A signed checkpoint that must be ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("this is a checkpoint of another log")]
    OtherLog,
    #[error("the log did not sign with its {0} key")]
    NotSigned(&'static str),
}

impl Checkpoint {
    /// The checkpoint of the log `origin` at `size` leaves with root `root`. Extension lines are written
    /// without their newline.
    pub fn new(
        origin: &str,
        size: u64,
        root: Hash,
        extensions: Vec<String>,
    ) -> Result<Self, CheckpointError> {
        if !is_line(origin, ORIGIN_BYTES_MAX) {
            return Err(CheckpointError::Origin);
        }
        let lines_fit = extensions.iter().all(|line| is_line(line, EXTENSION_BYTES_MAX));
        if extensions.len() > EXTENSIONS_MAX || !lines_fit {
            return Err(CheckpointError::Extension);
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// Reads the text of a note. There is one spelling of each: what is read here prints as it was.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::TooFewLines)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::TooFewLines);
        };
        let size = parse_size(size).ok_or(CheckpointError::Size)?;
        let root = Hash::from_base64(root).map_err(|_| CheckpointError::Root)?;
        // One more than there may be is enough to refuse them.
        let extensions = lines.take(EXTENSIONS_MAX + 1).map(str::to_owned).collect();
        Self::new(origin, size, root, extensions)
    }

    /// The log's name for itself.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Leaves in the tree.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over them.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// Further lines, without their newlines.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// Signs with both keys, under the origin as name: first the Ed25519 line, then the ML-DSA-44
    /// cosignature of `at`, to the second. A log must never sign two checkpoints that contradict each
    /// other; that is the caller's to see to.
    pub fn sign(&self, keys: &SigningKeys, at: Timestamp) -> Result<Note, SignError> {
        let name = KeyName::new(&self.origin)?;
        let log = LogKeys::of(&name, keys);
        let text = self.to_string();
        let ed25519 = keys.sign_ed25519(text.as_bytes())?;
        let ml_dsa_44 = cosignature::sign(&name, keys, self, at.seconds())?;
        let line = |key: &VerifierKey, bytes| Signature { name: name.clone(), id: key.id(), bytes };
        let signatures = vec![line(&log.ed25519, ed25519), line(&log.ml_dsa_44, ml_dsa_44)];
        Ok(Note::new(text, signatures)?)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root.to_base64())?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl LogKeys {
    /// The public halves of `keys`, named `name`.
    #[must_use]
    pub fn of(name: &KeyName, keys: &SigningKeys) -> Self {
        Self {
            ed25519: VerifierKey::new(name.clone(), keys.ed25519()),
            ml_dsa_44: VerifierKey::new(name.clone(), keys.ml_dsa_44()),
        }
    }

    /// The key of the first signature line, to be published.
    #[must_use]
    pub const fn ed25519(&self) -> &VerifierKey {
        &self.ed25519
    }

    /// The key of the second, to be published beside it.
    #[must_use]
    pub const fn ml_dsa_44(&self) -> &VerifierKey {
        &self.ml_dsa_44
    }

    /// Reads a signed checkpoint of this log. Both keys must have signed; a bad signature of `witnesses`
    /// spoils it, a missing one does not: how many are enough is the caller's to say.
    pub fn open(&self, note: &[u8], witnesses: &[VerifierKey]) -> Result<Opened, OpenError> {
        let note = Note::parse(note)?;
        let known = [&[self.ed25519.clone(), self.ml_dsa_44.clone()], witnesses].concat();
        let signed = note.verify(&known)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != self.ed25519.name().as_str() {
            return Err(OpenError::OtherLog);
        }
        let find = |key: &VerifierKey| signed.iter().find(|signed| signed.by == key);
        find(&self.ed25519).ok_or(OpenError::NotSigned("Ed25519"))?;
        let cosigned = find(&self.ml_dsa_44).ok_or(OpenError::NotSigned("ML-DSA-44"))?;
        let others =
            signed.iter().filter(|signed| *signed.by != self.ed25519 && *signed.by != self.ml_dsa_44);
        Ok(Opened {
            checkpoint,
            signed_at: cosigned.at.unwrap_or_default(),
            witnesses: others.map(|signed| (signed.by.name().clone(), signed.at)).collect(),
        })
    }
}

fn is_line(line: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&line.len()) && line.bytes().all(|byte| byte >= 0x20)
}

fn parse_size(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
