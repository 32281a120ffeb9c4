//! What this layer found wrong, on its way past SQLite, which has only a number to tell it with.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

use crate::error::StoreError;

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("page {0} does not match its checksum")]
    Page(u64),
    #[error("page {0} is missing: the file was cut short")]
    Missing(u64),
    #[error("frame {0} of its write-ahead log is not what was written there")]
    Frame(u64),
    #[error("its pages have no checksums")]
    Foreign,
}

thread_local! {
    /// SQLite calls us on the thread that called SQLite, so the error it then returns is about this.
    static FOUND: RefCell<Option<(PathBuf, Damage)>> = const { RefCell::new(None) };
}

/// Leaves word of damage for whoever is told of the error. Logged at once as well, because SQLite keeps to
/// itself that a checkpoint failed.
pub(super) fn note_damage(path: &Path, damage: Damage) {
    tracing::error!(code = "store/damaged", path = %path.display(), %damage, "a database file is damaged");
    FOUND.set(Some((path.to_owned(), damage)));
}

/// What was found last on this thread, if nobody took it.
pub(crate) fn take_damage() -> Option<StoreError> {
    FOUND.take().map(|(path, damage)| match damage {
        Damage::Foreign => StoreError::Unchecked { path },
        Damage::Page(_) | Damage::Missing(_) | Damage::Frame(_) => {
            StoreError::Damaged { path, found: damage.to_string() }
        }
    })
}
