//! What lies between SQLite and its files: a checksum on every page, and disks that fail on purpose.
//!
//! SQLite trusts its disk. A byte that flips in a page of rows is, to SQLite, another row. This layer stands
//! over SQLite's own "unix" file system and passes everything through, except that
//!
//! - every page of a database file ends with a checksum ([`page`]), written with the page and compared
//!   whenever the page is read;
//! - every page read from the write-ahead log is compared with what was written there ([`frames`]), so that a
//!   checkpoint cannot give damage a fresh checksum;
//! - a [`Disk`] that is not real forgets what was not synced, or becomes full: for tests and drills.
//!
//! A database opened by anything else (the `sqlite3` shell, a copy through SQLite's backup interface) can be
//! read there, but what is written there has no valid checksum and is called damaged here.
#![expect(unsafe_code, reason = "SQLite is C: it calls us through pointers, and we call it so")]

mod damage;
mod file;
mod forgetful;
mod frames;
mod medium;
mod methods;
mod page;
mod real;
mod registration;

use std::{ffi::c_int, path::Path, path::PathBuf};

use rusqlite::{Connection, OpenFlags, ffi};
use serde::{Deserialize, Serialize};

pub(crate) use damage::{Damage, take_damage};

/// What stands under the database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disk {
    /// The machine's own.
    #[default]
    Real,
    /// For tests: keeps in memory what was not synced, so that the end of the process, however it comes,
    /// takes what a power cut would take. Other processes do not see what is not synced. Files come into
    /// being and vanish at once, as if their folder were always synced, and what is synced arrives whole.
    ForgetsUnsynced,
    /// For tests: has as many bytes left as the file at this path says, in decimal; plenty while there is no
    /// such file.
    Scarce(PathBuf),
}

/// Opens a connection over this layer.
pub(crate) fn open(path: &Path, flags: OpenFlags, disk: &Disk) -> rusqlite::Result<Connection> {
    if *disk != Disk::Real {
        tracing::warn!(code = "store/unreal-disk", path = %path.display(), ?disk, "the database is on a disk for tests");
    }
    let connection = Connection::open_with_flags_and_vfs(path, flags, registration::layer_over(disk)?)?;
    reserve_checksums(&connection)?;
    Ok(connection)
}

/// Has SQLite leave room for the checksum on the pages of a database that has none yet. One that has pages
/// keeps what it has; reading it tells whether that is enough.
fn reserve_checksums(connection: &Connection) -> rusqlite::Result<()> {
    let mut bytes = c_int::from(page::CHECKSUM_BYTES);
    // SAFETY: the handle is used while `connection` is borrowed, the name is a C string that SQLite only
    // reads, and this operation takes a pointer to an `int`.
    let code = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_RESERVE_BYTES,
            (&raw mut bytes).cast(),
        )
    };
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(refusal(code)) }
}

fn refusal(code: c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}
