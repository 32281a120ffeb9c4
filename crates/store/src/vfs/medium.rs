//! A file on the disk that was asked for: the real one, or one that fails on purpose.

use std::{
    ffi::c_int,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use rusqlite::ffi;

use super::{
    Disk,
    forgetful::{self, Unsynced},
    real::{Code, Filled, RealFile},
};

/// A file, and what its disk does to it.
#[derive(Debug)]
pub(super) struct Medium {
    pub(super) real: RealFile,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    None,
    Forgetful(Arc<Mutex<Unsynced>>),
    Scarce(PathBuf),
}

impl Medium {
    pub(super) fn new(real: RealFile, path: &Path, disk: &Disk) -> Self {
        let fault = match disk {
            Disk::Real => Fault::None,
            Disk::ForgetsUnsynced => Fault::Forgetful(forgetful::unsynced_of(path)),
            Disk::Scarce(room) => Fault::Scarce(room.clone()),
        };
        Self { real, fault }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<Filled, Code> {
        match &self.fault {
            Fault::None | Fault::Scarce(_) => self.real.read(buffer, offset),
            Fault::Forgetful(unsynced) => lock(unsynced).read(&mut self.real, buffer, offset),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> Result<(), Code> {
        match &self.fault {
            Fault::None => self.real.write(bytes, offset),
            Fault::Forgetful(unsynced) => lock(unsynced).write(&mut self.real, bytes, offset),
            Fault::Scarce(room) => {
                let end = offset + bytes.len() as u64;
                use_up(room, end.saturating_sub(self.real.size()?))?;
                self.real.write(bytes, offset)
            }
        }
    }

    pub(super) fn truncate(&mut self, size: u64) -> Result<(), Code> {
        match &self.fault {
            Fault::None | Fault::Scarce(_) => self.real.truncate(size),
            Fault::Forgetful(unsynced) => lock(unsynced).truncate(&mut self.real, size),
        }
    }

    pub(super) fn sync(&mut self, flags: c_int) -> Result<(), Code> {
        match &self.fault {
            Fault::None | Fault::Scarce(_) => self.real.sync(flags),
            Fault::Forgetful(unsynced) => lock(unsynced).sync(&mut self.real, flags),
        }
    }

    pub(super) fn size(&mut self) -> Result<u64, Code> {
        match &self.fault {
            Fault::None | Fault::Scarce(_) => self.real.size(),
            Fault::Forgetful(unsynced) => lock(unsynced).size(&mut self.real),
        }
    }
}

fn lock(unsynced: &Mutex<Unsynced>) -> MutexGuard<'_, Unsynced> {
    unsynced.lock().expect("nobody panics while holding a file's unsynced bytes")
}

/// Takes bytes from what the file `room` says is left.
fn use_up(room: &Path, bytes: u64) -> Result<(), Code> {
    if bytes == 0 {
        return Ok(());
    }
    let Ok(left) = fs::read_to_string(room) else { return Ok(()) };
    let left = left.trim().parse::<u64>().ok().and_then(|left| left.checked_sub(bytes));
    let left = left.ok_or(Code(ffi::SQLITE_FULL))?;
    fs::write(room, left.to_string()).map_err(|_| Code(ffi::SQLITE_IOERR_WRITE))
}
