//! The keys of one deployment, as the rest of Holdfast holds them.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, RwLock},
};

use authz::Person;
use clock::{Clock, Timestamp};
use ids::Id;

use crate::{
    DerivedKey, Generation, KeysError, PersonKey, SigningKeys, UnwrapError, file::KeyFile, key_set::KeySet,
    wrapping,
};

/// Every key of one deployment. Cloning it is cheap and shares them; `Debug` shows none.
#[derive(Clone)]
pub struct Keys(Arc<Custody>);

/// Who keeps the keys.
enum Custody {
    /// A file that only its owner reads.
    File(InFile),
}

struct InFile {
    file: KeyFile,
    clock: Clock,
    signing: SigningKeys,
    set: RwLock<KeySet>,
    /// Held while the file and then `set` change, so that both change in the same order.
    changing: Mutex<()>,
}

impl Keys {
    /// Reads the key file at `path` (or `keys.json` in the folder `path`), and makes it if there is none:
    /// mode 0600, whole or not at all, and only once however many processes start at the same time.
    /// Randomness for new keys and nonces is `clock`'s.
    ///
    /// # Errors
    ///
    /// Anything that makes the file unfit, among them that others may read it; each says what to do.
    pub fn open(path: &Path, clock: &Clock) -> Result<Self, KeysError> {
        Self::open_or(path, clock, || Some(KeySet::generate(clock)))
    }

    /// As [`Keys::open`], for a file that must be there: keys made now would open nothing.
    ///
    /// # Errors
    ///
    /// Also when there is no such file.
    pub fn open_existing(path: &Path, clock: &Clock) -> Result<Self, KeysError> {
        Self::open_or(path, clock, || None)
    }

    fn open_or(path: &Path, clock: &Clock, new: impl FnOnce() -> Option<KeySet>) -> Result<Self, KeysError> {
        let (file, set) = KeyFile::open(path, new)?;
        let signing = SigningKeys::from_seeds(set.ed25519_seed.bytes(), set.ml_dsa_44_seed.bytes());
        let kept =
            InFile { file, clock: clock.clone(), signing, set: RwLock::new(set), changing: Mutex::new(()) };
        Ok(Self(Arc::new(Custody::File(kept))))
    }

    /// The key for `purpose` in `context`: always the same, and of no use for any other. Each use in the
    /// program has a purpose of its own, such as `"identity token"`; `context` is data, such as an audience
    /// and an epoch. A context of several parts must be written so that two never look alike: of fixed
    /// widths, or each part with its length before it.
    #[must_use]
    pub fn derive(&self, purpose: &'static str, context: &[u8]) -> DerivedKey {
        self.with_set(|set| DerivedKey::new(&set.root, purpose, context))
    }

    /// The keys that sign checkpoints.
    #[must_use]
    pub fn signing(&self) -> &SigningKeys {
        let Custody::File(kept) = &*self.0;
        &kept.signing
    }

    /// Wraps a person's key under the newest generation, to be stored: 65 bytes that only
    /// [`Keys::unwrap`] opens, and only for this person.
    #[must_use]
    pub fn wrap(&self, person: Id<Person>, key: &PersonKey) -> Vec<u8> {
        let Custody::File(kept) = &*self.0;
        self.with_set(|set| wrapping::wrap(set.newest(), person, key, &kept.clock))
    }

    /// Opens what [`Keys::wrap`] made, as long as its generation was not destroyed.
    pub fn unwrap(&self, person: Id<Person>, wrapped: &[u8]) -> Result<PersonKey, UnwrapError> {
        self.with_set(|set| wrapping::unwrap(|generation| set.find(generation), person, wrapped))
    }

    /// Every generation of the wrapping keys and when it was made, oldest first. The last one wraps.
    #[must_use]
    pub fn generations(&self) -> Vec<(Generation, Timestamp)> {
        self.with_set(KeySet::generations)
    }

    /// Adds a generation of the wrapping keys and wraps with it from now on; older ones still unwrap. It
    /// is safe on disk before anything is wrapped with it.
    pub fn rotate_wrapping(&self) -> Result<Generation, KeysError> {
        self.change(|kept, known| kept.file.rotate(known, &kept.clock))
    }

    /// Destroys an old generation for good: what is still wrapped under it can never be opened again. The
    /// old contents of the file are written over as well; copies of the file, and disks that copy on
    /// write, may still hold it until they are destroyed themselves.
    pub fn destroy_wrapping(&self, generation: Generation) -> Result<(), KeysError> {
        self.change(|kept, known| Ok((kept.file.destroy(known, generation)?, ())))
    }

    /// Reads the file again, to learn of generations that another process added or destroyed.
    pub fn reload(&self) -> Result<(), KeysError> {
        self.change(|kept, known| Ok((kept.file.reread(known)?, ())))
    }

    /// Readers go on with the old keys while the disk syncs.
    fn change<T>(
        &self,
        change: impl FnOnce(&InFile, &KeySet) -> Result<(KeySet, T), KeysError>,
    ) -> Result<T, KeysError> {
        let Custody::File(kept) = &*self.0;
        let _turn = kept.changing.lock().expect("nobody panics while changing the keys");
        let known = self.with_set(KeySet::clone);
        let (set, answer) = change(kept, &known)?;
        *kept.set.write().expect("nobody panics while holding the keys") = set;
        Ok(answer)
    }

    fn with_set<T>(&self, look: impl FnOnce(&KeySet) -> T) -> T {
        let Custody::File(kept) = &*self.0;
        look(&kept.set.read().expect("nobody panics while holding the keys"))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Custody::File(kept) = &*self.0;
        f.debug_struct("Keys").field("file", &kept.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
