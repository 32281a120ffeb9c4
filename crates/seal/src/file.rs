//! The key file on disk: private, never half written, never overwritten by a second first start.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use clock::Clock;
use zeroize::Zeroizing;

use crate::key_set::{GENERATIONS_MAX, Generation, KeySet, KeyTextError, TEXT_BYTES_MAX};

/// What the file is called when only its folder is named.
const NAME: &str = "keys.json";
/// Read and written by its owner, and by nobody else.
const MODE: u32 = 0o600;

/// Why keys could not be opened or changed, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("key file {path}: could not {doing} it")]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    #[error(
        "key file {path} is open to others (mode {mode:o}): run `chmod 600 {path}`, and if others may \
         have read it, take its keys for stolen"
    )]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("key file {path} is not a file")]
    NotAFile { path: PathBuf },
    #[error("key file {path} cannot be read: {error}; do not delete it, what it sealed opens with it only")]
    Text { path: PathBuf, error: KeyTextError },
    #[error("key file {path} holds the keys of another deployment than when this process started")]
    Replaced { path: PathBuf },
    #[error("there is no wrapping key of generation {0}")]
    NoSuchGeneration(Generation),
    #[error("generation {0} is the newest: rotate before it is destroyed")]
    NewestGeneration(Generation),
    #[error("there are {GENERATIONS_MAX} generations of wrapping keys: destroy old ones first")]
    TooManyGenerations,
}

/// Where the keys are. Everything happens under a lock of the folder, so that two processes that start or
/// rotate at once take turns.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
}

/// What becomes of the bytes of a file that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Old {
    Leave,
    /// Written over, because a key in them is to be gone. On disks that copy on write this is no proof.
    WriteOver,
}

impl KeyFile {
    /// Names the file and reads it, or makes it if there is none. `path` is the file, or an existing
    /// folder for `keys.json`; the file's folder must exist.
    pub(crate) fn open(
        path: &Path,
        new: impl FnOnce() -> Option<KeySet>,
    ) -> Result<(Self, KeySet), KeysError> {
        let path = if path.is_dir() { path.join(NAME) } else { path.to_owned() };
        // Behind a link, so that replacing the file does not leave old keys where the link pointed.
        let path = path.canonicalize().unwrap_or(path);
        let this = Self { path };
        let folder = this.lock_folder()?;
        if this.beside().symlink_metadata().is_ok() {
            this.clean_up()?;
        }
        let set = match this.read() {
            Err(KeysError::Io { doing, path, source }) if source.kind() == io::ErrorKind::NotFound => {
                let missing = KeysError::Io { doing, path, source };
                this.create(&folder, &new().ok_or(missing)?)?;
                this.read()?
            }
            read => read?,
        };
        Ok((this, set))
    }

    /// What the file holds now.
    pub(crate) fn reread(&self, known: &KeySet) -> Result<KeySet, KeysError> {
        let _folder = self.lock_folder()?;
        self.read_again(known)
    }

    /// Adds a generation: when this returns, it survives a power cut.
    pub(crate) fn rotate(&self, known: &KeySet, clock: &Clock) -> Result<(KeySet, Generation), KeysError> {
        let folder = self.lock_folder()?;
        let mut set = self.read_again(known)?;
        let generation = set.add_generation(clock).ok_or(KeysError::TooManyGenerations)?;
        self.replace(&folder, &set, Old::Leave)?;
        Ok((set, generation))
    }

    /// Removes a generation: when this returns, no power cut brings it back.
    pub(crate) fn destroy(&self, known: &KeySet, generation: Generation) -> Result<KeySet, KeysError> {
        let folder = self.lock_folder()?;
        let mut set = self.read_again(known)?;
        if set.newest().generation == generation {
            return Err(KeysError::NewestGeneration(generation));
        }
        set.find(generation).ok_or(KeysError::NoSuchGeneration(generation))?;
        set.remove(generation);
        self.replace(&folder, &set, Old::WriteOver)?;
        Ok(set)
    }

    /// The folder, locked until it is dropped.
    fn lock_folder(&self) -> Result<File, KeysError> {
        let folder = self.path.parent().filter(|folder| *folder != "").unwrap_or(Path::new("."));
        let folder = File::open(folder).map_err(self.failed("open the folder of"))?;
        folder.lock().map_err(self.failed("lock the folder of"))?;
        Ok(folder)
    }

    fn read_again(&self, known: &KeySet) -> Result<KeySet, KeysError> {
        let set = self.read()?;
        if set.root.bytes() != known.root.bytes() {
            return Err(KeysError::Replaced { path: self.path.clone() });
        }
        Ok(set)
    }

    fn read(&self) -> Result<KeySet, KeysError> {
        let file = File::open(&self.path).map_err(self.failed("open"))?;
        let metadata = file.metadata().map_err(self.failed("look at"))?;
        if !metadata.is_file() {
            return Err(KeysError::NotAFile { path: self.path.clone() });
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeysError::OpenToOthers { path: self.path.clone(), mode });
        }
        // Room for everything, because a vector that grows leaves copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(TEXT_BYTES_MAX + 2));
        let limit = TEXT_BYTES_MAX as u64 + 1;
        file.take(limit).read_to_end(&mut text).map_err(self.failed("read"))?;
        KeySet::from_text(&text).map_err(|error| KeysError::Text { path: self.path.clone(), error })
    }

    fn create(&self, folder: &File, set: &KeySet) -> Result<(), KeysError> {
        let new = self.write_new(set)?;
        // A link never takes the place of a file, should there be one that does not heed the lock.
        let linked = std::fs::hard_link(&new, &self.path).map_err(self.failed("name"));
        std::fs::remove_file(&new).map_err(self.failed("clean up beside"))?;
        linked?;
        folder.sync_all().map_err(self.failed("sync the folder of"))
    }

    fn replace(&self, folder: &File, set: &KeySet, old: Old) -> Result<(), KeysError> {
        let new = self.write_new(set)?;
        let replaced = OpenOptions::new().write(true).open(&self.path).map_err(self.failed("open"))?;
        std::fs::rename(&new, &self.path).map_err(self.failed("replace"))?;
        folder.sync_all().map_err(self.failed("sync the folder of"))?;
        match old {
            Old::Leave => Ok(()),
            Old::WriteOver => write_over(replaced).map_err(self.failed("write over the old contents of")),
        }
    }

    /// The whole text under a name beside the file's, safe on disk.
    fn write_new(&self, set: &KeySet) -> Result<PathBuf, KeysError> {
        let new = self.beside();
        self.clean_up()?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&new)
            .map_err(self.failed("create"))?;
        // Whatever the umask took away: the owner must be able to read it again.
        file.set_permissions(Permissions::from_mode(MODE)).map_err(self.failed("protect"))?;
        file.write_all(&set.to_text()).map_err(self.failed("write"))?;
        file.sync_all().map_err(self.failed("sync"))?;
        Ok(new)
    }

    /// Where a new text waits for its name.
    fn beside(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        self.path.with_file_name(name)
    }

    /// Removes what a crash left beside the file: either it never got its name, and nothing was sealed or
    /// signed with it, or it is a second name for the file itself.
    fn clean_up(&self) -> Result<(), KeysError> {
        match std::fs::remove_file(self.beside()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("clean up beside")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(io::Error) -> KeysError {
        let path = self.path.clone();
        move |source| KeysError::Io { path, doing, source }
    }
}

fn write_over(mut file: File) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()
}
