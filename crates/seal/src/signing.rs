//! Signatures that outlive us: Ed25519 for today's tools, ML-DSA-44 for the day a quantum computer works.

use std::{fmt, sync::Arc};

use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair, ML_DSA_44, ML_DSA_44_SIGNING, PqdsaKeyPair, UnparsedPublicKey,
};

const ED25519_KEY_LEN: usize = 32;
const ML_DSA_44_KEY_LEN: usize = 1312;

/// Two key pairs that sign side by side: Ed25519 (RFC 8032) and ML-DSA-44 (FIPS 204, pure, with an empty
/// context, hedged). Cloning is cheap and shares them; `Debug` shows neither.
#[derive(Clone)]
pub struct SigningKeys(Arc<Signer>);

/// Who signs.
enum Signer {
    Software { ed25519: Ed25519KeyPair, ml_dsa_44: PqdsaKeyPair },
}

/// A public key, as others are given it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// As RFC 8032 encodes it.
    Ed25519([u8; ED25519_KEY_LEN]),
    /// As FIPS 204 encodes it.
    MlDsa44(Box<[u8; ML_DSA_44_KEY_LEN]>),
}

/// The signer did not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {0} key did not sign")]
pub struct SigningError(&'static str);

/// The signature is not this key's over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct BadSignature;

/// Bytes of the wrong length for a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key: {0} bytes is the wrong length")]
pub struct PublicKeyError(usize);

impl SigningKeys {
    /// The pairs that grow from these seeds (RFC 8032, section 5.1.5; FIPS 204, algorithm 6).
    ///
    /// # Panics
    ///
    /// If there is no memory for them: any 32 bytes are a seed.
    #[must_use]
    pub fn from_seeds(ed25519: &[u8; 32], ml_dsa_44: &[u8; 32]) -> Self {
        let ed25519 = Ed25519KeyPair::from_seed_unchecked(ed25519).expect("any 32 bytes are a seed");
        let ml_dsa_44 =
            PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, ml_dsa_44).expect("any 32 bytes are a seed");
        Self(Arc::new(Signer::Software { ed25519, ml_dsa_44 }))
    }

    /// The public half of the Ed25519 pair.
    #[must_use]
    pub fn ed25519(&self) -> PublicKey {
        let Signer::Software { ed25519, .. } = &*self.0;
        PublicKey::ed25519(ed25519.public_key().as_ref()).expect("an Ed25519 key has 32 bytes")
    }

    /// The public half of the ML-DSA-44 pair.
    #[must_use]
    pub fn ml_dsa_44(&self) -> PublicKey {
        let Signer::Software { ml_dsa_44, .. } = &*self.0;
        PublicKey::ml_dsa_44(ml_dsa_44.public_key().as_ref()).expect("an ML-DSA-44 key has 1312 bytes")
    }

    /// Signs with Ed25519: 64 bytes, always the same for the same message.
    pub fn sign_ed25519(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let Signer::Software { ed25519, .. } = &*self.0;
        let signature = ed25519.try_sign(message).map_err(|_| SigningError("Ed25519"))?;
        Ok(signature.as_ref().to_vec())
    }

    /// Signs with ML-DSA-44: 2,420 bytes, each time others.
    pub fn sign_ml_dsa_44(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let Signer::Software { ml_dsa_44, .. } = &*self.0;
        let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
        ml_dsa_44.sign(message, &mut signature).map_err(|_| SigningError("ML-DSA-44"))?;
        Ok(signature)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys(..)")
    }
}

impl PublicKey {
    /// An Ed25519 key from its 32 bytes. That they are a point is found out when they verify.
    pub fn ed25519(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        bytes.try_into().map(Self::Ed25519).map_err(|_| PublicKeyError(bytes.len()))
    }

    /// An ML-DSA-44 key from its 1,312 bytes.
    pub fn ml_dsa_44(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let bytes: Box<[u8]> = bytes.into();
        bytes.try_into().map(Self::MlDsa44).map_err(|bytes: Box<[u8]>| PublicKeyError(bytes.len()))
    }

    /// Its bytes, as the standard of its kind has them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => bytes,
            Self::MlDsa44(bytes) => bytes.as_slice(),
        }
    }

    /// Does `signature` hold for `message`? Any bytes may be asked about.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let verified = match self {
            Self::Ed25519(bytes) => UnparsedPublicKey::new(&ED25519, bytes).verify(message, signature),
            Self::MlDsa44(bytes) => {
                UnparsedPublicKey::new(&ML_DSA_44, bytes.as_slice()).verify(message, signature)
            }
        };
        verified.map_err(|_| BadSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, bytes) = match self {
            Self::Ed25519(bytes) => ("Ed25519", bytes.as_slice()),
            Self::MlDsa44(bytes) => ("ML-DSA-44", bytes.as_slice()),
        };
        // Enough to tell two keys apart in a log.
        write!(f, "{kind}({:02x}{:02x}{:02x}{:02x}..)", bytes[0], bytes[1], bytes[2], bytes[3])
    }
}

#[cfg(test)]
mod tests;
