//! Who signs notes: key names, key ids, and verifier keys ("vkeys") as they are published.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use seal::{BadSignature, PublicKey};
use sha2::{Digest, Sha256};

use crate::checkpoint::cosignature;

/// Bytes of a key name, at most: as many as a cosigned message can name.
const NAME_BYTES_MAX: usize = 255;
/// Longer than any verifier key here: 1,313 bytes in base64, an id and a name.
const TEXT_BYTES_MAX: usize = 4 * 1024;

/// The name of a key, best a URL without scheme: 1 to 255 bytes, no spaces, no control characters, no plus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// What a key name must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key name: 1 to {NAME_BYTES_MAX} bytes without spaces, control characters and `+`")]
pub struct KeyNameError;

/// Four bytes that tell keys of the same name apart; anyone can make a key with the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

/// A public key with the name and id that its signatures bear. An Ed25519 key signs the note's text (type
/// 0x01); an ML-DSA-44 key cosigns checkpoints (type 0x06, c2sp.org/tlog-cosignature).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    key: PublicKey,
}

/// What was read is not a verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifierKeyError {
    #[error("not a verifier key: write name+id+key, like example.com/log+530d903a+Ae…")]
    Malformed,
    #[error(transparent)]
    Name(#[from] KeyNameError),
    #[error("signature type {0:#04x} is not supported: Ed25519 (0x01) and ML-DSA-44 (0x06) are")]
    Type(u8),
    #[error("the key has the wrong length for its type")]
    KeyLength,
    #[error("the id is not that of the name and the key: {0} is")]
    Id(KeyId),
}

impl KeyName {
    /// This name, if it can be one.
    pub fn new(name: &str) -> Result<Self, KeyNameError> {
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
        let odd = |character: char| character.is_whitespace() || character < ' ' || character == '+';
        if !fits || name.contains(odd) {
            return Err(KeyNameError);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl VerifierKey {
    /// The key under this name, with the id that both give: the first four bytes of SHA-256 over
    /// `name || 0x0A || type || key`.
    #[must_use]
    pub fn new(name: KeyName, key: PublicKey) -> Self {
        let hash = Sha256::new()
            .chain_update(name.as_str())
            .chain_update([b'\n', signature_type(&key)])
            .chain_update(key.as_bytes())
            .finalize();
        let [a, b, c, d, ..]: [u8; 32] = hash.into();
        Self { name, id: KeyId([a, b, c, d]), key }
    }

    /// The name its signatures bear.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id its signatures bear.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The public key itself.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Does this signature hold for this text? If so, when it was made, if it says so.
    pub(super) fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, BadSignature> {
        match &self.key {
            PublicKey::Ed25519(_) => self.key.verify(text.as_bytes(), signature).map(|()| None),
            PublicKey::MlDsa44(_) => cosignature::verify(&self.name, &self.key, text, signature).map(Some),
        }
    }
}

const fn signature_type(key: &PublicKey) -> u8 {
    match key {
        PublicKey::Ed25519(_) => 0x01,
        PublicKey::MlDsa44(_) => 0x06,
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[signature_type(&self.key)], self.key.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, STANDARD.encode(typed))
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;

    /// Reads the one text that a verifier key prints as.
    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VerifierKeyError::Malformed);
        };
        if text.len() > TEXT_BYTES_MAX {
            return Err(VerifierKeyError::Malformed);
        }
        let name = KeyName::new(name)?;
        let typed = STANDARD.decode(encoded).map_err(|_| VerifierKeyError::Malformed)?;
        let (signature_type, bytes) = typed.split_first().ok_or(VerifierKeyError::Malformed)?;
        let key = match signature_type {
            0x01 => PublicKey::ed25519(bytes),
            0x06 => PublicKey::ml_dsa_44(bytes),
            other => return Err(VerifierKeyError::Type(*other)),
        };
        let this = Self::new(name, key.map_err(|_| VerifierKeyError::KeyLength)?);
        if this.id.to_string() == id { Ok(this) } else { Err(VerifierKeyError::Id(this.id)) }
    }
}
