//! What can go wrong between memory and disk.

use std::{path::PathBuf, time::Duration};

use problem::Problem;

use crate::cell::Corrupt;

/// A failure of the store. Nothing that it interrupted has happened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database refused")]
    Sqlite(#[from] rusqlite::Error),
    #[error("table `{table}` holds what it should not")]
    Corrupt { table: &'static str, source: Corrupt },
    #[error("cannot open the database {path}")]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("the database {path} is damaged: {found}; restore it from a backup")]
    Damaged { path: PathBuf, found: String },
    #[error("the database has table `{table}` as {found}, but this program was built for {expected}")]
    Schema { table: &'static str, found: String, expected: String },
    #[error("migration `{name}` was changed after it had been applied; restore its text and add a new one")]
    MigrationChanged { name: String },
    #[error(
        "the database knows migration `{name}`, which this program does not: it was written by a newer one"
    )]
    MigrationUnknown { name: String },
    #[error("migration `{name}` failed")]
    MigrationFailed { name: &'static str, source: rusqlite::Error },
    #[error("too many reads are waiting for the database")]
    Busy,
    #[error("the store has stopped")]
    Stopped,
}

impl StoreError {
    /// Did the disk fail in a way that leaves open whether the last commit happened? After a failed sync
    /// the kernel may have dropped what it held, so that trying again proves nothing.
    #[must_use]
    pub fn leaves_doubt(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => {
                Self::unavailable("store/busy", "the server is busy; try again soon", Duration::from_secs(1))
            }
            StoreError::Stopped => {
                Self::unavailable("store/stopped", "the server is stopping", Duration::from_secs(5))
            }
            StoreError::Sqlite(_)
            | StoreError::Corrupt { .. }
            | StoreError::Open { .. }
            | StoreError::Damaged { .. }
            | StoreError::Schema { .. }
            | StoreError::MigrationChanged { .. }
            | StoreError::MigrationUnknown { .. }
            | StoreError::MigrationFailed { .. } => Self::internal(&error),
        }
    }
}
