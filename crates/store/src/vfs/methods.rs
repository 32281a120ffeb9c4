//! The methods of an open file, as SQLite calls them: each turns pointers into values and calls what is safe.

use std::{
    ffi::{c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
};

use rusqlite::ffi::{self, sqlite3_file};

use super::{
    file::OpenFile,
    real::{Code, Filled, forward},
};

/// What SQLite allocates for each open file: its own head, and where ours is.
#[repr(C)]
pub(super) struct Handle {
    pub(super) head: sqlite3_file,
    pub(super) file: *mut OpenFile,
}

/// Version 2: without the methods that map a file into memory, past every check.
pub(super) static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Runs `act`; a panic must not run on into C, and becomes a failed read or write.
pub(super) fn shielded(act: impl FnOnce() -> Result<(), Code>) -> c_int {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(())) => ffi::SQLITE_OK,
        Ok(Err(Code(code))) => code,
        Err(_) => ffi::SQLITE_IOERR,
    }
}

/// Our file behind SQLite's handle.
///
/// # Safety
/// The handle is one that `xOpen` filled and `close` has not emptied, and the reference ends with the method
/// that was called: SQLite calls one method of a file at a time.
unsafe fn file_of<'f>(handle: *mut sqlite3_file) -> &'f mut OpenFile {
    // SAFETY: as promised above; the file was boxed by `xOpen` and nobody else points to it.
    unsafe { &mut *(*handle.cast::<Handle>()).file }
}

fn to_unsigned(offset: i64) -> Result<u64, Code> {
    u64::try_from(offset).map_err(|_| Code(ffi::SQLITE_IOERR))
}

unsafe extern "C" fn close(handle: *mut sqlite3_file) -> c_int {
    shielded(|| {
        // SAFETY: SQLite closes an open file once and does not use it afterwards; the box is the one that
        // `xOpen` let go of.
        drop(unsafe { Box::from_raw((*handle.cast::<Handle>()).file) });
        Ok(())
    })
}

unsafe extern "C" fn read(
    handle: *mut sqlite3_file,
    buffer: *mut c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    shielded(|| {
        let length = usize::try_from(length).map_err(|_| Code(ffi::SQLITE_IOERR_READ))?;
        // SAFETY: SQLite's handle, and a buffer of that length which is ours alone until we return.
        let (file, buffer) = unsafe { (file_of(handle), slice::from_raw_parts_mut(buffer.cast(), length)) };
        match file.read(buffer, to_unsigned(offset)?)? {
            Filled::Whole => Ok(()),
            Filled::Short => Err(Code(ffi::SQLITE_IOERR_SHORT_READ)),
        }
    })
}

unsafe extern "C" fn write(
    handle: *mut sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    shielded(|| {
        let length = usize::try_from(length).map_err(|_| Code(ffi::SQLITE_IOERR_WRITE))?;
        // SAFETY: SQLite's handle, and that many bytes which nobody changes until we return.
        let (file, bytes) = unsafe { (file_of(handle), slice::from_raw_parts(bytes.cast(), length)) };
        file.write(bytes, to_unsigned(offset)?)
    })
}

unsafe extern "C" fn truncate(handle: *mut sqlite3_file, size: i64) -> c_int {
    // SAFETY: SQLite's handle.
    shielded(|| unsafe { file_of(handle) }.truncate(to_unsigned(size)?))
}

unsafe extern "C" fn sync(handle: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite's handle.
    shielded(|| unsafe { file_of(handle) }.medium.sync(flags))
}

unsafe extern "C" fn file_size(handle: *mut sqlite3_file, size: *mut i64) -> c_int {
    shielded(|| {
        // SAFETY: SQLite's handle.
        let found = unsafe { file_of(handle) }.medium.size()?;
        let found = i64::try_from(found).map_err(|_| Code(ffi::SQLITE_IOERR_FSTAT))?;
        // SAFETY: a place for the answer, SQLite's own.
        unsafe { size.write(found) };
        Ok(())
    })
}

/// What the file below answers to a method that it has; `absent` is for one that it has not.
///
/// # Safety
/// That of [`file_of`]; and the arguments are those that SQLite gave to the same method of ours.
macro_rules! passed {
    ($handle:expr, $absent:expr, $method:ident $(, $argument:expr)*) => {{
        // SAFETY: SQLite's handle.
        let file = unsafe { file_of($handle) };
        forward!(file.medium.real, $method $(, $argument)*).unwrap_or($absent)
    }};
}

unsafe extern "C" fn lock(handle: *mut sqlite3_file, level: c_int) -> c_int {
    passed!(handle, ffi::SQLITE_IOERR_LOCK, xLock, level)
}

unsafe extern "C" fn unlock(handle: *mut sqlite3_file, level: c_int) -> c_int {
    passed!(handle, ffi::SQLITE_IOERR_UNLOCK, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(handle: *mut sqlite3_file, taken: *mut c_int) -> c_int {
    passed!(handle, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK, xCheckReservedLock, taken)
}

unsafe extern "C" fn file_control(
    handle: *mut sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    passed!(handle, ffi::SQLITE_NOTFOUND, xFileControl, operation, argument)
}

unsafe extern "C" fn sector_size(handle: *mut sqlite3_file) -> c_int {
    passed!(handle, 4096, xSectorSize)
}

/// Those of the file below, but that parts of pages may not be read: a part cannot be compared.
unsafe extern "C" fn device_characteristics(handle: *mut sqlite3_file) -> c_int {
    passed!(handle, 0, xDeviceCharacteristics) & !ffi::SQLITE_IOCAP_SUBPAGE_READ
}

unsafe extern "C" fn shm_map(
    handle: *mut sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    memory: *mut *mut c_void,
) -> c_int {
    passed!(handle, ffi::SQLITE_IOERR_SHMMAP, xShmMap, region, bytes, extend, memory)
}

unsafe extern "C" fn shm_lock(handle: *mut sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    passed!(handle, ffi::SQLITE_IOERR_SHMLOCK, xShmLock, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(handle: *mut sqlite3_file) {
    passed!(handle, (), xShmBarrier);
}

unsafe extern "C" fn shm_unmap(handle: *mut sqlite3_file, remove: c_int) -> c_int {
    passed!(handle, ffi::SQLITE_OK, xShmUnmap, remove)
}
