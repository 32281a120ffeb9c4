//! A file of SQLite's own "unix" layer, as a Rust value.

use std::ffi::c_int;

use rusqlite::ffi;

/// SQLite's number for a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(pub(super) c_int);

/// How much of a buffer a read has filled; the rest is noughts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    Whole,
    Short,
}

/// An open file, and the memory that its layer keeps for it.
#[derive(Debug)]
pub(super) struct RealFile {
    /// In words, because what lies here begins with a pointer.
    memory: Box<[u64]>,
}

/// Calls one method of a file of the layer below.
macro_rules! forward {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let raw = $file.raw();
        // SAFETY: the file is open, so its methods are there and stay. The arguments are what the method
        // asks for: either made by the caller from references, or SQLite's own for the same method of ours.
        unsafe { (*(*raw).pMethods).$method.map(|method| method(raw $(, $argument)*)) }
    }};
}
pub(super) use forward;

impl RealFile {
    /// Opens a file.
    ///
    /// # Safety
    /// The arguments are those that SQLite gave to our own `xOpen`, but for `base`, the layer below.
    pub(super) unsafe fn open(
        base: *mut ffi::sqlite3_vfs,
        name: ffi::sqlite3_filename,
        flags: c_int,
        out_flags: *mut c_int,
    ) -> Result<Self, Code> {
        // SAFETY: layers are never unregistered, so `base` points to one for as long as we run.
        let (bytes, open) = unsafe { ((*base).szOsFile, (*base).xOpen) };
        let bytes = usize::try_from(bytes).map_err(|_| Code(ffi::SQLITE_CANTOPEN))?;
        let open = open.ok_or(Code(ffi::SQLITE_CANTOPEN))?;
        let mut file = Self { memory: vec![0; bytes.div_ceil(size_of::<u64>())].into_boxed_slice() };
        // SAFETY: the memory is as large as the layer asked for, aligned for any of its fields, stays where
        // it is until the file is closed, and is noughts, as SQLite's pager would have it.
        check(unsafe { open(base, name, file.raw(), flags, out_flags) })?;
        Ok(file)
    }

    /// The file as its layer knows it.
    pub(super) fn raw(&mut self) -> *mut ffi::sqlite3_file {
        self.memory.as_mut_ptr().cast()
    }

    pub(super) fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<Filled, Code> {
        let (length, offset) = (length_of(buffer)?, signed(offset)?);
        match forward!(self, xRead, buffer.as_mut_ptr().cast(), length, offset) {
            Some(ffi::SQLITE_OK) => Ok(Filled::Whole),
            Some(ffi::SQLITE_IOERR_SHORT_READ) => Ok(Filled::Short),
            other => Err(Code(other.unwrap_or(ffi::SQLITE_IOERR_READ))),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> Result<(), Code> {
        let (length, offset) = (length_of(bytes)?, signed(offset)?);
        done(forward!(self, xWrite, bytes.as_ptr().cast(), length, offset))
    }

    pub(super) fn truncate(&mut self, size: u64) -> Result<(), Code> {
        let size = signed(size)?;
        done(forward!(self, xTruncate, size))
    }

    pub(super) fn sync(&mut self, flags: c_int) -> Result<(), Code> {
        done(forward!(self, xSync, flags))
    }

    pub(super) fn size(&mut self) -> Result<u64, Code> {
        let mut size = 0;
        done(forward!(self, xFileSize, &raw mut size))?;
        u64::try_from(size).map_err(|_| Code(ffi::SQLITE_IOERR_FSTAT))
    }
}

impl Drop for RealFile {
    fn drop(&mut self) {
        let raw = self.raw();
        // SAFETY: the memory is ours, and holds noughts or what the layer put there when it opened the file.
        let open = !unsafe { (*raw).pMethods }.is_null();
        if open {
            // The unix layer has nothing to say about a close: it answers that it is done.
            let _done = forward!(self, xClose);
        }
    }
}

pub(super) fn check(code: c_int) -> Result<(), Code> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(Code(code)) }
}

fn done(code: Option<c_int>) -> Result<(), Code> {
    check(code.unwrap_or(ffi::SQLITE_IOERR))
}

fn length_of(bytes: &[u8]) -> Result<c_int, Code> {
    c_int::try_from(bytes.len()).map_err(|_| Code(ffi::SQLITE_TOOBIG))
}

fn signed(offset: u64) -> Result<i64, Code> {
    i64::try_from(offset).map_err(|_| Code(ffi::SQLITE_TOOBIG))
}
