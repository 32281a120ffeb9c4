//! How SQLite comes to know this layer, and opens and deletes files through it.

use std::{
    ffi::{CStr, CString, OsStr, c_char, c_int},
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr,
    sync::Mutex,
};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_vfs};

use super::{
    Disk,
    file::OpenFile,
    forgetful, frames,
    methods::{Handle, METHODS, shielded},
    real::{Code, RealFile, check},
    refusal,
};

/// The layers that SQLite knows, by the disk they show. There are as many as a program names disks, which is
/// one; they are never unregistered, because connections may use them until the end.
static LAYERS: Mutex<Vec<(Disk, &'static CStr)>> = Mutex::new(Vec::new());

/// What a layer's own calls find behind SQLite's pointer to it.
struct Layer {
    base: *mut sqlite3_vfs,
    disk: Disk,
}

/// The name of the layer that shows `disk`.
pub(super) fn layer_over(disk: &Disk) -> rusqlite::Result<&'static CStr> {
    let mut layers = LAYERS.lock().expect("nobody panics while holding the list of layers");
    if let Some((_, name)) = layers.iter().find(|(shown, _)| shown == disk) {
        return Ok(name);
    }
    let name = CString::new(format!("holdfast-{}", layers.len())).expect("a name without a nought");
    let name: &'static CStr = Box::leak(name.into_boxed_c_str());
    register(name, disk)?;
    layers.push((disk.clone(), name));
    Ok(name)
}

fn register(name: &'static CStr, disk: &Disk) -> rusqlite::Result<()> {
    // SAFETY: the name is a C string; SQLite starts itself up if it has not yet.
    let base = unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) };
    if base.is_null() {
        return Err(refusal(ffi::SQLITE_NOTFOUND));
    }
    let layer = Box::leak(Box::new(Layer { base, disk: disk.clone() }));
    // SAFETY: SQLite never frees its own layers, and changes only the links between them.
    let mut vfs = unsafe { *base };
    // Everything else (names, access, time, randomness) stays the base's own: those functions of the bundled
    // "unix" layer do not look at which layer they were called through.
    vfs.szOsFile = c_int::try_from(size_of::<Handle>()).expect("a few words");
    vfs.pNext = ptr::null_mut();
    vfs.zName = name.as_ptr();
    vfs.pAppData = ptr::from_mut(layer).cast();
    vfs.xOpen = Some(open);
    vfs.xDelete = Some(delete);
    // SAFETY: the layer, its name and its data live until the end of the process. It is not the default:
    // whoever wants it names it.
    let code = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0) };
    check(code).map_err(|Code(code)| refusal(code))
}

/// The layer that SQLite calls.
///
/// # Safety
/// The pointer is one that `register` gave to SQLite.
unsafe fn layer_of<'l>(vfs: *mut sqlite3_vfs) -> &'l Layer {
    // SAFETY: as promised above; the layer was leaked, so it is there and never changes.
    unsafe { &*(*vfs).pAppData.cast::<Layer>() }
}

/// # Safety
/// The name is null or a C string that outlives the path.
unsafe fn path_of<'n>(name: *const c_char) -> Option<&'n Path> {
    // SAFETY: as promised above.
    let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) })?;
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    name: ffi::sqlite3_filename,
    handle: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let handle = handle.cast::<Handle>();
    // SAFETY: SQLite allocated as much as `szOsFile` asked for. Without methods it knows that there is
    // nothing to close if we fail.
    unsafe { (*handle).head.pMethods = ptr::null() };
    shielded(|| {
        // SAFETY: our own layer, and arguments straight from SQLite. The name lives as long as the file.
        let (layer, path) = unsafe { (layer_of(vfs), path_of(name)) };
        // SAFETY: as before.
        let real = unsafe { RealFile::open(layer.base, name, flags, out_flags) }?;
        let file = OpenFile::new(real, path.unwrap_or(Path::new("")), flags, &layer.disk);
        // SAFETY: as above; from here on `close` owns the file.
        unsafe {
            *handle = Handle {
                head: sqlite3_file { pMethods: &raw const METHODS },
                file: Box::into_raw(Box::new(file)),
            }
        };
        Ok(())
    })
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    shielded(|| {
        // SAFETY: our own layer, and SQLite's name for the file.
        let (layer, path) = unsafe { (layer_of(vfs), path_of(name)) };
        if let Some(path) = path {
            forgetful::forget(path);
            frames::forget(path);
        }
        // SAFETY: the layer below, and arguments straight from SQLite.
        let code = unsafe { (*layer.base).xDelete.map(|delete| delete(layer.base, name, sync_folder)) };
        check(code.unwrap_or(ffi::SQLITE_IOERR_DELETE))
    })
}
