//! What can go wrong between memory and disk.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use problem::Problem;
use rusqlite::{ErrorCode, ffi};
use tokio_postgres::error::SqlState;

use crate::{cell::Corrupt, place::Place, vfs};

/// A failure of the store. Nothing that it interrupted has happened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database refused")]
    Sqlite(#[source] rusqlite::Error),
    #[error("table `{table}` holds what it should not")]
    Corrupt { table: &'static str, source: Corrupt },
    #[error("what another node told of table `{table}` cannot be read")]
    Unreadable { table: String },
    #[error("cannot open the database {path}")]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("the database {path} is damaged: {found}; restore it from a backup")]
    Damaged { path: PathBuf, found: String },
    #[error(
        "the database {path} has pages without checksums, so this program did not make it, or its first bytes \
         are damaged; move it away, or restore it from a backup"
    )]
    Unchecked { path: PathBuf },
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
    #[error("migration `{name}` failed")]
    MigrationRefused { name: &'static str, source: Box<Self> },
    #[error("the database server refused")]
    Postgres(#[source] Box<tokio_postgres::Error>),
    #[error("the connection to the database was lost, or cannot be made")]
    Lost,
    #[error("the database did not answer in time")]
    TooSlow,
    #[error("the database has failed too often; it is left alone for {} ms more", after.as_millis())]
    Resting { after: Duration },
    #[error("the settings of the database cannot be used: {why}")]
    Settings { why: String },
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
        match self {
            Self::Sqlite(error) => error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure),
            // The server may have committed before it was lost, and may yet do so.
            Self::Lost | Self::TooSlow => true,
            Self::Corrupt { .. }
            | Self::Unreadable { .. }
            | Self::Open { .. }
            | Self::Damaged { .. }
            | Self::Unchecked { .. }
            | Self::Schema { .. }
            | Self::MigrationChanged { .. }
            | Self::MigrationUnknown { .. }
            | Self::MigrationFailed { .. }
            | Self::MigrationRefused { .. }
            | Self::Postgres(_)
            | Self::Resting { .. }
            | Self::Settings { .. }
            | Self::Busy
            | Self::Stopped => false,
        }
    }
}

impl StoreError {
    /// Is the database away, so that it can neither be read nor written for now?
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.away().is_some()
    }

    /// That the database is away, for one more who waits, if that is what this says.
    pub(crate) const fn away(&self) -> Option<Self> {
        if let Self::Resting { after } = self {
            Some(Self::Resting { after: *after })
        } else if matches!(self, Self::TooSlow) {
            Some(Self::TooSlow)
        } else if matches!(self, Self::Lost) {
            Some(Self::Lost)
        } else {
            None
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        // Class 57P is a server that stops or starts, 53300 one that is full, 40001 a replica that had to clear
        // away what a read still looked at, 25P03 a session that was ended because we stood still within a
        // transaction; the rest of the codes are about what was asked.
        let fleeting = |code: &str| code.starts_with("57P") || ["53300", "40001", "25P03"].contains(&code);
        let stops = error.code().is_some_and(|code| fleeting(code.code()));
        if error.code().is_none() || stops {
            tracing::debug!(%error, cause = ?error, "the database was lost");
            return Self::Lost;
        }
        Self::Postgres(Box::new(error))
    }
}

impl From<rusqlite::Error> for StoreError {
    /// Damage that was found below SQLite comes back with the page's name; SQLite itself had only a number.
    fn from(error: rusqlite::Error) -> Self {
        let of_data = error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_DATA);
        of_data.then(vfs::take_damage).flatten().unwrap_or(Self::Sqlite(error))
    }
}

impl StoreError {
    /// The same failure, of the database at `place`: where SQLite calls the file malformed, that is named.
    pub(crate) fn at(self, place: &Place) -> Self {
        match place {
            Place::File { path, .. } => self.of(path),
            Place::Schema { .. } => self,
        }
    }

    pub(crate) fn of(self, path: &Path) -> Self {
        let Self::Sqlite(error) = self else { return self };
        let malformed =
            matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase));
        if malformed {
            return Self::Damaged { path: path.to_owned(), found: error.to_string() };
        }
        Self::Sqlite(error)
    }
}

/// Did the server itself end what took longer than it was given, or waited so long for a lock? Nothing is wrong with
/// what was asked.
fn ended_in_time(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE].contains(code))
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
            StoreError::Lost | StoreError::TooSlow => Self::unavailable(
                "store/unavailable",
                "the server's database does not answer; try again soon",
                Duration::from_secs(1),
            ),
            StoreError::Resting { after } => Self::unavailable(
                "store/unavailable",
                "the server's database does not answer; try again later",
                after.max(Duration::from_secs(1)),
            ),
            StoreError::Postgres(error) if ended_in_time(&error) => Self::unavailable(
                "store/unavailable",
                "the server's database is too slow; try again soon",
                Duration::from_secs(1),
            ),
            StoreError::Sqlite(_)
            | StoreError::Postgres(_)
            | StoreError::Settings { .. }
            | StoreError::MigrationRefused { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Unreadable { .. }
            | StoreError::Open { .. }
            | StoreError::Damaged { .. }
            | StoreError::Unchecked { .. }
            | StoreError::Schema { .. }
            | StoreError::MigrationChanged { .. }
            | StoreError::MigrationUnknown { .. }
            | StoreError::MigrationFailed { .. } => Self::internal(&error),
        }
    }
}
