//! The key that backups are sealed with.

use clock::Clock;

use crate::{
    Keys, OpenError, aead,
    aead::{NONCE_LEN, TAG_LEN},
};

const VERSION: u8 = 1;
const LABEL: &str = "holdfast backup";

/// Seals what leaves the machine. Derived from the root secret: whoever has the key file opens the backups
/// that were made under it, and nobody else does.
pub struct BackupKey(crate::DerivedKey);

impl Keys {
    /// The key of backups.
    #[must_use]
    pub fn backup_key(&self) -> BackupKey {
        BackupKey(self.derive("holdfast backup", b""))
    }
}

impl BackupKey {
    /// Seals the object of this name: it opens under no other.
    ///
    /// Format 1: `0x01 || nonce (12 bytes) || ciphertext || tag (16 bytes)`, AES-256-GCM.
    #[must_use]
    pub fn seal(&self, name: &str, plaintext: &[u8], clock: &Clock) -> Vec<u8> {
        aead::seal(self.0.as_bytes(), clock.random(), &place(name), &[VERSION], plaintext)
    }

    /// Opens what [`BackupKey::seal`] made for the same name.
    ///
    /// # Errors
    /// When it was altered, or sealed with another key or for another name.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (version, rest) = sealed.split_first().ok_or(OpenError::TooShort(0))?;
        if *version != VERSION {
            return Err(OpenError::UnknownFormat(*version));
        }
        if rest.len() < NONCE_LEN + TAG_LEN {
            return Err(OpenError::TooShort(sealed.len()));
        }
        let opened = aead::open(self.0.as_bytes(), &place(name), rest).ok_or(OpenError::Refused)?;
        Ok(opened.to_vec())
    }
}

fn place(name: &str) -> Vec<u8> {
    aead::associated(LABEL, &[&[VERSION], name.as_bytes()])
}

impl std::fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BackupKey(..)")
    }
}
