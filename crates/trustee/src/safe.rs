//! The file in which a trustee keeps what nobody else may see.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use board::{Base64, Election, Hex, ListBlob};
use ids::Id;
use mixnet::{Dealer, Malformed, Ristretto, TransportKey};
use serde::{Deserialize, Serialize};
use verifier::{Prefix, Record};
use zeroize::{Zeroize, Zeroizing};

/// A trustee's secrets for one election, as they are in the file.
#[derive(Debug)]
pub struct Safe {
    path: PathBuf,
    pub(crate) kept: Kept,
    /// Held as long as the safe is open: two programs that write it would forget what the other one keeps.
    _lock: File,
}

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) election: Id<Election>,
    /// The keys that sign the board, as they were when the trustee first saw them.
    pub(crate) board_keys: Vec<String>,
    pub(crate) attempts: BTreeMap<u16, Attempt>,
    /// The board as it was when the trustee last checked it.
    #[serde(default)]
    pub(crate) seen: Option<Seen>,
    /// The lists that the trustee decrypted, and no others ever.
    #[serde(default)]
    pub(crate) decrypted: Vec<ListBlob>,
}

/// A board that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Seen {
    pub(crate) entries: usize,
    pub(crate) root: Hex<32>,
}

/// Secrets of one ceremony.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Attempt {
    pub(crate) transport: Base64,
    pub(crate) dealer: Option<Base64>,
    pub(crate) sealed: Option<Base64>,
    pub(crate) dealing: Option<Base64>,
    pub(crate) share: Option<Base64>,
}

/// Why a safe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SafeError {
    #[error("the key file {path} cannot be read or written")]
    File { path: PathBuf, source: io::Error },
    #[error("the key file {path} is not one")]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("others may read the key file {path}: take that from them (chmod 600)")]
    Open { path: PathBuf },
    #[error("the key file {path} is in use by another program")]
    InUse { path: PathBuf },
    #[error("the key file {path} is for another election")]
    OtherElection { path: PathBuf },
    #[error("the server's board is signed by other keys than when this trustee first saw it")]
    OtherBoard,
    #[error(
        "the board is not a continuation of what this trustee checked before: tell the officers and the observers"
    )]
    BoardChanged,
    #[error(
        "this trustee decrypted other lists of this election before, and decrypts no others: tell the officers and the observers"
    )]
    OtherLists,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let secrets = [Some(&mut self.transport), self.dealer.as_mut(), self.share.as_mut()];
        secrets.into_iter().flatten().for_each(|secret| secret.0.zeroize());
    }
}

impl Attempt {
    pub(crate) fn transport(&self) -> Result<TransportKey<Ristretto>, Malformed> {
        TransportKey::from_secret_bytes(&self.transport.0)
    }

    /// Who made the part of the key; nobody before it was fixed.
    pub(crate) fn dealer(&self) -> Option<Result<Dealer<Ristretto>, Malformed>> {
        self.dealer.as_ref().map(|dealer| Dealer::from_secret_bytes(&dealer.0))
    }
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempt(..)")
    }
}

impl Safe {
    /// Opens the safe for an election, or makes a new one.
    ///
    /// # Errors
    /// When the file cannot be used, is another election's, or others may read it.
    pub fn open(path: &Path, election: Id<Election>) -> Result<Self, SafeError> {
        let file = |source| SafeError::File { path: path.to_owned(), source };
        // A file beside it, because the safe's own is replaced whenever it is written.
        let lock = lock(&beside(path, "lock")).map_err(|error| match error {
            TryLockError::WouldBlock => SafeError::InUse { path: path.to_owned() },
            TryLockError::Error(source) => file(source),
        })?;
        let kept = match File::open(path) {
            Ok(mut opened) => {
                if opened.metadata().map_err(file)?.permissions().mode() & 0o077 != 0 {
                    return Err(SafeError::Open { path: path.to_owned() });
                }
                let mut text = Zeroizing::new(Vec::new());
                opened.read_to_end(&mut text).map_err(file)?;
                serde_json::from_slice(&text)
                    .map_err(|source| SafeError::Malformed { path: path.to_owned(), source })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept {
                election,
                board_keys: Vec::new(),
                attempts: BTreeMap::new(),
                seen: None,
                decrypted: Vec::new(),
            },
            Err(source) => return Err(file(source)),
        };
        if kept.election != election {
            return Err(SafeError::OtherElection { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), kept, _lock: lock })
    }

    /// The keys that sign the board: those it was first seen with, or these, if it was not seen before.
    ///
    /// # Errors
    /// When they are others than before, or cannot be kept.
    pub fn board_keys(&mut self, shown: &[String]) -> Result<(), SafeError> {
        if self.kept.board_keys.is_empty() {
            self.kept.board_keys = shown.to_vec();
            return self.save();
        }
        if self.kept.board_keys == shown { Ok(()) } else { Err(SafeError::OtherBoard) }
    }

    /// The keys that the board was first seen with.
    #[must_use]
    pub fn known_board_keys(&self) -> &[String] {
        &self.kept.board_keys
    }

    /// Remembers a board of which so many entries were checked: whatever is shown later goes on from there.
    pub(crate) fn saw(&mut self, record: &Record, checked: usize) -> Result<(), SafeError> {
        let goes_on = |seen: &Seen| record.begins_with(seen.entries, &seen.root);
        if !self.kept.seen.as_ref().is_none_or(goes_on) {
            return Err(SafeError::BoardChanged);
        }
        if self.kept.seen.is_some_and(|seen| seen.entries >= checked) {
            return Ok(());
        }
        let Prefix { entries, root } = record.prefix(checked).ok_or(SafeError::BoardChanged)?;
        self.kept.seen = Some(Seen { entries, root });
        self.save()
    }

    /// Remembers which lists are decrypted: whoever decrypts another one, of one vote less perhaps, tells what that vote was.
    pub(crate) fn decrypts(&mut self, mut lists: Vec<ListBlob>) -> Result<(), SafeError> {
        lists.sort_by_key(|list| list.list);
        if self.kept.decrypted.is_empty() {
            self.kept.decrypted = lists;
            return self.save();
        }
        if self.kept.decrypted == lists { Ok(()) } else { Err(SafeError::OtherLists) }
    }

    /// Writes everything down: whole or not at all, and for nobody else to read.
    pub(crate) fn save(&self) -> Result<(), SafeError> {
        let file = |source| SafeError::File { path: self.path.clone(), source };
        let text = serde_json::to_vec(&self.kept);
        let text = text.map_err(|source| SafeError::Malformed { path: self.path.clone(), source })?;
        let text = Zeroizing::new(text);
        let draft = beside(&self.path, "draft");
        let mut opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .map_err(file)?;
        opened.write_all(&text).and_then(|()| opened.sync_all()).map_err(file)?;
        std::fs::rename(&draft, &self.path).map_err(file)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(file)
    }
}

/// Takes a file for this program alone.
fn lock(path: &Path) -> Result<File, TryLockError> {
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let lock = lock.map_err(TryLockError::Error)?;
    lock.try_lock()?;
    Ok(lock)
}

/// A file that belongs to this one and to no other: its whole name, and more.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{what}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safe_is_for_its_owner_and_one_election() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let election = Id::new(1, [1; 10]);
        let mut safe = Safe::open(&path, election).expect("a new one");
        safe.board_keys(&["a".to_owned()]).expect("it is kept");
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(Safe::open(&path, election), Err(SafeError::InUse { .. })));
        drop(safe);
        let mut again = Safe::open(&path, election).expect("the same");
        assert!(again.board_keys(&["a".to_owned()]).is_ok());
        assert!(matches!(again.board_keys(&["b".to_owned()]), Err(SafeError::OtherBoard)));
        drop(again);
        let other = Safe::open(&path, Id::new(2, [1; 10]));
        assert!(matches!(other, Err(SafeError::OtherElection { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("it is changed");
        assert!(matches!(Safe::open(&path, election), Err(SafeError::Open { .. })));
    }

    #[test]
    fn safes_that_differ_only_behind_a_dot_do_not_meet() {
        let folder = tempfile::tempdir().expect("a folder");
        let election = Id::new(1, [1; 10]);
        let open = |name: &str| Safe::open(&folder.path().join(name), election).expect("a new one");
        let (mut one, mut other) = (open("court.mayor"), open("court.council"));
        one.board_keys(&["a".to_owned()]).expect("it is kept");
        other.board_keys(&["b".to_owned()]).expect("it is kept");
        drop((one, other));
        assert_eq!(open("court.mayor").known_board_keys(), ["a"]);
        assert_eq!(open("court.council").known_board_keys(), ["b"]);
    }

    #[test]
    fn a_trustee_decrypts_the_same_lists_again_and_no_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let election = Id::new(1, [1; 10]);
        let lists = |byte: u8| vec![ListBlob { list: 0, blob: Hex([byte; 32]) }];
        Safe::open(&path, election).and_then(|mut safe| safe.decrypts(lists(1))).expect("the first");
        let mut again = Safe::open(&path, election).expect("the same");
        assert!(again.decrypts(lists(1)).is_ok());
        assert!(matches!(again.decrypts(lists(2)), Err(SafeError::OtherLists)));
    }
}
