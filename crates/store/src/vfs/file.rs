//! One open file: what is done to its bytes on their way to the disk and back.

use std::{
    ffi::c_int,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use rusqlite::ffi;

use super::{
    Damage, Disk,
    damage::note_damage,
    frames::{self, Frames},
    medium::Medium,
    page,
    real::{Code, Filled, RealFile},
};

/// A file that SQLite has open through this layer.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) medium: Medium,
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Pages with checksums. Until its header was seen to leave room for them, nothing is written.
    Database { has_room: bool },
    /// The write-ahead log. SQLite's checksums in it cover pages as SQLite gives them, so they are not touched.
    Log(Arc<Mutex<Frames>>),
    /// A rollback journal, used while a database is made, or a temporary file.
    Other,
}

impl OpenFile {
    /// Takes charge of a file that was opened with these flags.
    pub(super) fn new(real: RealFile, path: &Path, flags: c_int, disk: &Disk) -> Self {
        let kind = match flags & (ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL) {
            ffi::SQLITE_OPEN_MAIN_DB => Kind::Database { has_room: false },
            ffi::SQLITE_OPEN_WAL => Kind::Log(frames::frames_of(path)),
            _ => Kind::Other,
        };
        let lasts = !matches!(kind, Kind::Other) || flags & ffi::SQLITE_OPEN_MAIN_JOURNAL != 0;
        let disk = if lasts { disk } else { &Disk::Real };
        Self { medium: Medium::new(real, path, disk), path: path.to_owned(), kind }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<Filled, Code> {
        let filled = self.medium.read(buffer, offset)?;
        match &self.kind {
            Kind::Database { .. } => self.check_database_read(buffer, offset, filled)?,
            Kind::Log(_) => self.check_log_read(buffer, offset, filled)?,
            Kind::Other => {}
        }
        Ok(filled)
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> Result<(), Code> {
        match &self.kind {
            Kind::Database { .. } => self.write_page(bytes, offset),
            Kind::Log(frames) => {
                let frames = Arc::clone(frames);
                self.medium.write(bytes, offset)?;
                lock(&frames).wrote(bytes, offset);
                Ok(())
            }
            Kind::Other => self.medium.write(bytes, offset),
        }
    }

    pub(super) fn truncate(&mut self, size: u64) -> Result<(), Code> {
        self.medium.truncate(size)?;
        if let Kind::Log(frames) = &self.kind {
            lock(frames).cut(size);
        }
        Ok(())
    }

    /// The header is read by itself, without a lock, before SQLite knows the size of a page; it reads the
    /// whole page again before it uses anything else of it. All else comes in whole pages, because
    /// `methods` tells SQLite that parts of pages cannot be read.
    fn check_database_read(&mut self, buffer: &[u8], offset: u64, filled: Filled) -> Result<(), Code> {
        let begins = offset == 0 && buffer.len() > 20 && filled == Filled::Whole;
        if begins && page::begins_database(buffer) && !page::leaves_room(buffer) {
            return Err(self.damaged(Damage::Foreign));
        }
        if offset + buffer.len() as u64 <= page::HEADER_BYTES as u64 {
            return Ok(());
        }
        if !page::is_page(buffer.len(), offset) {
            return Err(Code(ffi::SQLITE_IOERR_READ));
        }
        let number = page::page_number(offset);
        match filled {
            Filled::Short if self.medium.size()? == 0 => Ok(()),
            Filled::Short => Err(self.damaged(Damage::Missing(number))),
            Filled::Whole if page::is_intact(buffer, offset) => {
                if let Kind::Database { has_room } = &mut self.kind {
                    *has_room |= begins;
                }
                Ok(())
            }
            Filled::Whole => Err(self.damaged(Damage::Page(number))),
        }
    }

    fn check_log_read(&mut self, buffer: &[u8], offset: u64, filled: Filled) -> Result<(), Code> {
        let Kind::Log(frames) = &self.kind else { return Ok(()) };
        let Some(frame) = frames::frame_at(buffer.len(), offset) else { return Ok(()) };
        let frames = Arc::clone(frames);
        if filled == Filled::Whole {
            if lock(&frames).knows(frame, buffer) {
                return Ok(());
            }
            if frames::fits_its_frame(&mut self.medium, frame, buffer)? {
                lock(&frames).know(frame, page::digest(buffer));
                return Ok(());
            }
        }
        Err(self.damaged(Damage::Frame(frame + 1)))
    }

    fn write_page(&mut self, bytes: &[u8], offset: u64) -> Result<(), Code> {
        if !page::is_page(bytes.len(), offset) || !self.has_room(bytes, offset)? {
            return Err(Code(ffi::SQLITE_IOERR_WRITE));
        }
        self.medium.write(&page::sealed(bytes, offset), offset)
    }

    /// Does the database leave room for checksums? Asked before the first write, because a checksum put
    /// where SQLite has rows would itself be damage.
    fn has_room(&mut self, bytes: &[u8], offset: u64) -> Result<bool, Code> {
        let Kind::Database { has_room: false } = self.kind else { return Ok(true) };
        let mut header = [0; page::HEADER_BYTES];
        if offset == 0 {
            header.copy_from_slice(&bytes[..page::HEADER_BYTES]);
        } else {
            self.medium.read(&mut header, 0)?;
        }
        let has_room = page::begins_database(&header) && page::leaves_room(&header);
        self.kind = Kind::Database { has_room };
        Ok(has_room)
    }

    fn damaged(&self, damage: Damage) -> Code {
        note_damage(&self.path, damage);
        Code(ffi::SQLITE_IOERR_DATA)
    }
}

fn lock(frames: &Mutex<Frames>) -> MutexGuard<'_, Frames> {
    frames.lock().expect("nobody panics while holding a log's digests")
}
