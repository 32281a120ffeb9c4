//! Publishes checkpoints: signs the ledger's head whenever there is something new, and keeps the newest
//! beside the database, so that a database that went back in time is noticed.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clock::Clock;
use seal::Keys;
use tokio::sync::watch;

use crate::{
    checkpoint::{Checkpoint, CheckpointError, LogKeys, OpenError, SignError},
    ledger::Head,
    note::{KeyName, KeyNameError},
};

/// A checkpoint that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub checkpoint: Checkpoint,
    /// The signed note, as it is served.
    pub note: String,
}

/// Why a checkpoint is not published, or the published one does not fit.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the newest checkpoint {path} cannot be read or written")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "the newest checkpoint {path} does not verify; if it was damaged, move it away and run `holdfast verify`"
    )]
    Unverified { path: PathBuf, source: OpenError },
    #[error(
        "the database holds {have} entries, but its checkpoint {path} covers {published}: \
         acknowledged entries are missing; restore the database from a backup"
    )]
    Behind { path: PathBuf, have: u64, published: u64 },
    #[error(
        "the entries that checkpoint {path} covers were changed since it was signed; restore the database from a backup"
    )]
    Rewritten { path: PathBuf },
    #[error("the ledger's origin is not a key name")]
    Origin(#[from] KeyNameError),
    #[error("the ledger's head is no checkpoint")]
    Checkpoint(#[from] CheckpointError),
    #[error("a checkpoint could not be signed")]
    Sign(#[from] SignError),
}

/// Reads the newest checkpoint of the log that `keys` sign for, if one was published.
pub(crate) fn read_published(path: &Path, keys: &LogKeys) -> Result<Option<Published>, PublishError> {
    let note = match fs::read(path) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(PublishError::File { path: path.to_owned(), source }),
    };
    let opened =
        keys.open(&note, &[]).map_err(|source| PublishError::Unverified { path: path.to_owned(), source })?;
    let note = String::from_utf8_lossy(&note).into_owned();
    Ok(Some(Published { checkpoint: opened.checkpoint, note }))
}

/// The checkpoint in a note that was kept elsewhere, if it was signed for this origin with these keys.
///
/// # Errors
/// When it was not.
pub fn open_checkpoint(note: &[u8], origin: &str, keys: &Keys) -> Result<Checkpoint, PublishError> {
    let opened = Publisher::log_keys(origin, keys)?.open(note, &[]);
    let opened =
        opened.map_err(|source| PublishError::Unverified { path: PathBuf::from("checkpoint"), source });
    Ok(opened?.checkpoint)
}

/// Signs for a ledger's head, as it is kept with a copy of the ledger elsewhere.
///
/// # Errors
/// When the origin is none, or the keys cannot sign.
pub fn sign_checkpoint(
    origin: &str,
    head: &Head,
    keys: &Keys,
    clock: &Clock,
) -> Result<String, PublishError> {
    let checkpoint = Checkpoint::new(origin, head.size, head.root, Vec::new())?;
    Ok(checkpoint.sign(keys.signing(), clock.now())?.to_string())
}

/// Owns the loop that publishes.
pub(crate) struct Publisher {
    pub(crate) origin: String,
    pub(crate) path: PathBuf,
    pub(crate) keys: Keys,
    pub(crate) clock: Clock,
    pub(crate) interval: Duration,
    pub(crate) heads: watch::Receiver<Head>,
    pub(crate) published: watch::Sender<Option<Arc<Published>>>,
}

impl Publisher {
    /// The verifier keys of a ledger with this origin.
    pub(crate) fn log_keys(origin: &str, keys: &Keys) -> Result<LogKeys, PublishError> {
        Ok(LogKeys::of(&KeyName::new(origin)?, keys.signing()))
    }

    /// Publishes until the writer has ended, and once more then.
    pub(crate) async fn run(mut self) {
        loop {
            // Fails when the writer has gone: the last head is then the last there will be.
            let ended = self.heads.changed().await.is_err() || self.heads.has_changed().is_err();
            let head = *self.heads.borrow_and_update();
            let known = self.published.borrow().as_ref().map_or(0, |published| published.checkpoint.size());
            if head.size > known
                && let Err(error) = self.publish(head)
            {
                tracing::error!(code = "ledger/checkpoint-not-published", cause = ?error, %error, "a checkpoint could not be published");
                // Tried again after the interval, also if nothing new happens.
                self.heads.mark_changed();
            }
            if ended {
                return;
            }
            tokio::time::sleep(self.interval).await;
        }
    }

    fn publish(&self, head: Head) -> Result<(), PublishError> {
        let checkpoint = Checkpoint::new(&self.origin, head.size, head.root, Vec::new())?;
        let note = checkpoint.sign(self.keys.signing(), self.clock.now())?.to_string();
        replace(&self.path, note.as_bytes())
            .map_err(|source| PublishError::File { path: self.path.clone(), source })?;
        self.published.send_replace(Some(Arc::new(Published { checkpoint, note })));
        Ok(())
    }
}

/// Puts `bytes` in the place of a file, whole or not at all, also when the power fails.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
