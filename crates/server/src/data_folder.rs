//! The folder of data: who may use it, and what lies in it.

use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
};

use anyhow::{Context, bail};
use rustix::fs::FlockOperation;

use store::Databases;

use crate::{key_file::Engines, settings::Settings};

/// Where keys and databases lie, whoever uses them.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The folder of keys, apart from the services' data so that backups of one leave out the other.
    pub(crate) keys: PathBuf,
    /// The folder of services' databases.
    pub(crate) services: PathBuf,
}

pub(crate) fn places(settings: &Settings) -> Places {
    let keys = settings.keys.clone().unwrap_or_else(|| settings.data.join("keys"));
    Places { keys, services: settings.data.join("services") }
}

/// A folder of data that no other process uses.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    places: Places,
    /// Holds the lock as long as it is open.
    _lock: File,
}

impl DataFolder {
    /// Takes the folder, and makes it if it is not there.
    pub(crate) fn take(settings: &Settings) -> anyhow::Result<Self> {
        let path = &settings.data;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("cannot make the data folder {}", path.display()))?;
        Self::take_existing(settings)
    }

    /// Takes a folder that must be there.
    pub(crate) fn take_existing(settings: &Settings) -> anyhow::Result<Self> {
        let path = &settings.data;
        let found =
            fs::metadata(path).with_context(|| format!("there is no data folder {}", path.display()))?;
        if !found.is_dir() {
            bail!("{} is not a folder", path.display());
        }
        let name = path.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&name);
        let lock = lock.with_context(|| format!("cannot write in the data folder {}", path.display()))?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another holdfast uses the data folder {}; stop it first", path.display());
        }
        Ok(Self { path: path.to_owned(), places: places(settings), _lock: lock })
    }

    /// The folder of keys.
    pub(crate) fn keys(&self) -> PathBuf {
        self.places.keys.clone()
    }

    /// The folder of services' databases.
    pub(crate) fn services(&self) -> PathBuf {
        self.places.services.clone()
    }

    /// Where a service's newest checkpoint is kept.
    pub(crate) fn checkpoint(&self, service: &str) -> PathBuf {
        self.services().join(format!("{service}.checkpoint"))
    }

    /// The databases in the folder, or those that the settings name in its place.
    pub(crate) fn engines(&self, settings: &Settings) -> anyhow::Result<Engines> {
        let config = settings.database_config();
        let services = Databases::new(&self.services(), &config)?;
        // One server is one server: what fails for one database rests for all.
        let keys =
            if services.are_shared() { services.clone() } else { Databases::new(&self.keys(), &config)? };
        Ok(Engines { keys, services })
    }

    /// Where the first administrator's password is written, once.
    pub(crate) fn first_password(&self) -> PathBuf {
        self.path.join("first-administrator-password")
    }

    /// Makes the folders inside, for their owner alone.
    pub(crate) fn make_rooms(&self) -> anyhow::Result<()> {
        for room in [self.keys(), self.services()] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&room);
            made.with_context(|| format!("cannot make the folder {}", room.display()))?;
        }
        Ok(())
    }
}
