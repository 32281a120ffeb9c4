//! What an election published, in a folder: the checkpoint, the keys that sign it, all entries, and what they name.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use board::{BLOB_BYTES_MAX, Hex, sha256};
use ledger::{
    checkpoint::Checkpoint,
    merkle::{Frontier, Hash, leaf_hash},
    note::{Note, VerifierKey},
};
use seal::PublicKey;

use crate::{Prefix, Wrong};

/// The signed note.
pub const CHECKPOINT: &str = "checkpoint";
/// The keys that sign it, as C2SP writes them, one a line.
pub const KEYS: &str = "keys";
/// All entries, each behind its length in two bytes, as in the bundles of C2SP tlog-tiles.
pub const ENTRIES: &str = "entries";

/// What was published.
#[derive(Debug)]
pub struct Record {
    folder: PathBuf,
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) hashes: Vec<Hash>,
    origin: String,
}

/// Why a record cannot be read, or is not what was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("the record lacks `{0}`")]
    Missing(String),
    #[error("`{0}` is not what it should be")]
    Malformed(&'static str),
    #[error("the checkpoint is not signed by both keys of the board")]
    Signature,
    #[error("the checkpoint covers {signed} entries, and the record has {found}")]
    Size { signed: u64, found: u64 },
    #[error("the entries are not those that were signed: something was changed, added, or left out")]
    Root,
    #[error("what is kept under {0} has another hash")]
    Blob(String),
}

/// Where a record keeps what an entry names by its hash.
#[must_use]
pub fn blob_file(folder: &Path, hash: &Hex<32>) -> PathBuf {
    folder.join("blobs").join(hash.to_string())
}

impl Record {
    /// Reads a record, and checks that its entries are those that were signed. If `keys` are given, they are those
    /// that must have signed; otherwise it is those of the record, and whoever reads it has to compare them with what
    /// they know of the server.
    ///
    /// # Errors
    /// When something is missing or not what was signed.
    pub fn open(folder: &Path, keys: Option<&[String]>) -> Result<Self, Wrong> {
        let note = read(folder, CHECKPOINT)?;
        let own = String::from_utf8(read(folder, KEYS)?).map_err(|_| RecordError::Malformed(KEYS))?;
        let own: Vec<String> = own.lines().map(str::to_owned).collect();
        let checkpoint = open_checkpoint(&note, keys.unwrap_or(&own))?;
        let leaves = read_entries(&read(folder, ENTRIES)?)?;
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let found = leaves.len() as u64;
        if checkpoint.size() != found {
            return Err(RecordError::Size { signed: checkpoint.size(), found }.into());
        }
        if root_of(&hashes) != checkpoint.root() {
            return Err(RecordError::Root.into());
        }
        Ok(Self { folder: folder.to_owned(), leaves, hashes, origin: checkpoint.origin().to_owned() })
    }

    /// The board's name for itself.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Entries.
    #[must_use]
    pub fn size(&self) -> usize {
        self.leaves.len()
    }

    /// The root of all of it.
    #[must_use]
    pub fn root(&self) -> Hex<32> {
        Hex(root_of(&self.hashes).0)
    }

    /// Its first so many entries.
    #[must_use]
    pub fn prefix(&self, entries: usize) -> Option<Prefix> {
        self.hashes.get(..entries).map(|hashes| Prefix { entries, root: Hex(root_of(hashes).0) })
    }

    /// Did its first so many entries have this root?
    #[must_use]
    pub fn begins_with(&self, size: usize, root: &Hex<32>) -> bool {
        self.hashes.get(..size).is_some_and(|hashes| root_of(hashes).0 == root.0)
    }

    /// What an entry names by its hash.
    ///
    /// # Errors
    /// When it is not there, or has another hash.
    pub fn blob(&self, hash: &Hex<32>) -> Result<Vec<u8>, RecordError> {
        let path = blob_file(&self.folder, hash);
        let missing = || RecordError::Missing(format!("blobs/{hash}"));
        let length = fs::metadata(&path).map_err(|_| missing())?.len();
        if length > BLOB_BYTES_MAX {
            return Err(RecordError::Blob(hash.to_string()));
        }
        let bytes = fs::read(&path).map_err(|_| missing())?;
        if sha256(&bytes) == *hash { Ok(bytes) } else { Err(RecordError::Blob(hash.to_string())) }
    }
}

fn root_of(hashes: &[Hash]) -> Hash {
    let mut tree = Frontier::new();
    hashes.iter().for_each(|hash| tree.append(*hash));
    tree.root()
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, RecordError> {
    let read: io::Result<_> = fs::read(folder.join(name));
    read.map_err(|_| RecordError::Missing(name.to_owned()))
}

/// The checkpoint, if an Ed25519 and an ML-DSA-44 key of its own name signed it.
fn open_checkpoint(note: &[u8], keys: &[String]) -> Result<Checkpoint, RecordError> {
    let known: Result<Vec<VerifierKey>, _> = keys.iter().map(|key| key.parse()).collect();
    let known = known.map_err(|_| RecordError::Malformed(KEYS))?;
    let note = Note::parse(note).map_err(|_| RecordError::Malformed(CHECKPOINT))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|_| RecordError::Malformed(CHECKPOINT))?;
    let signed = note.verify(&known).map_err(|_| RecordError::Signature)?;
    let by = |wanted: fn(&PublicKey) -> bool| {
        signed
            .iter()
            .any(|signed| wanted(signed.by.key()) && signed.by.name().as_str() == checkpoint.origin())
    };
    let both =
        by(|key| matches!(key, PublicKey::Ed25519(_))) && by(|key| matches!(key, PublicKey::MlDsa44(_)));
    if both { Ok(checkpoint) } else { Err(RecordError::Signature) }
}

fn read_entries(mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, RecordError> {
    let mut leaves = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (leaf, rest) = rest.split_at_checked(length).ok_or(RecordError::Malformed(ENTRIES))?;
        leaves.push(leaf.to_vec());
        bytes = rest;
    }
    if bytes.is_empty() { Ok(leaves) } else { Err(RecordError::Malformed(ENTRIES)) }
}
