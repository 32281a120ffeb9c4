//! The keys that people's devices sign in with.

use std::str::FromStr;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use clock::Timestamp;
use ids::Id;
use serde::{Deserialize, Serialize};
use store::{Cell, CellRef, Column, ColumnType, Erasable, table};

/// The most keys that one person may have enrolled at once.
pub const DEVICE_KEYS_MAX: usize = 20;

table! {
    /// A key that signs in for one person from one device.
    pub struct DeviceKey in "device_keys", Replayed {
        key { pub person: Id<authz::Person>, pub id: Id<DeviceKey> }
        pub algorithm: SignatureAlgorithm,
        pub public_key: Erasable,
        /// What the person calls the device, sealed.
        pub label: Erasable,
        pub created_at: Timestamp,
    }
}

/// How a device signs, by the names of RFC 7518 and RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureAlgorithm {
    /// Ed25519 (RFC 8032): a public key of 32 bytes, a signature of 64.
    Ed25519,
    /// ECDSA on P-256 with SHA-256: an uncompressed point of 65 bytes, r and s of 32 bytes each.
    #[serde(rename = "ES256")]
    Es256,
}

/// What was given is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    #[error("an Ed25519 public key is 32 bytes, base64url-encoded")]
    Ed25519,
    #[error("an ES256 public key is an uncompressed P-256 point of 65 bytes, base64url-encoded")]
    Es256,
}

impl SignatureAlgorithm {
    /// Can these bytes be a public key?
    ///
    /// # Errors
    /// When their length or first byte says no.
    pub fn check_public_key(self, bytes: &[u8]) -> Result<(), PublicKeyError> {
        match self {
            Self::Ed25519 if bytes.len() == 32 => Ok(()),
            Self::Es256 if bytes.len() == 65 && bytes[0] == 4 => Ok(()),
            Self::Ed25519 => Err(PublicKeyError::Ed25519),
            Self::Es256 => Err(PublicKeyError::Es256),
        }
    }

    /// Does the signature hold?
    #[must_use]
    pub fn verify(self, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self {
            Self::Ed25519 => &ED25519,
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
        };
        UnparsedPublicKey::new(algorithm, public_key).verify(message, signature).is_ok()
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = serde::de::value::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::deserialize(serde::de::value::StrDeserializer::new(text))
    }
}

impl Column for SignatureAlgorithm {
    const TYPE: ColumnType = ColumnType::BigInt;
    const EXPECTED: &'static str = "the number of a signature algorithm";

    fn cell(&self) -> Cell<'_> {
        Cell::Integer(match self {
            Self::Ed25519 => 1,
            Self::Es256 => 2,
        })
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        match u8::from_cell(cell)? {
            1 => Some(Self::Ed25519),
            2 => Some(Self::Es256),
            _ => None,
        }
    }
}

/// The text that a device signs: who signs in, to what challenge.
#[must_use]
pub fn signed_text(user_id: &str, challenge: &str) -> String {
    format!("holdfast sign-in v1\n{user_id}\n{challenge}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
    };

    #[test]
    fn a_signature_of_either_kind_holds_for_its_message_alone() {
        let ed25519 = Ed25519KeyPair::generate().expect("a key is made");
        let es256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key is made");
        let (message, other) = (b"kelp".as_slice(), b"storm".as_slice());
        let signed = es256.sign(&SystemRandom::new(), message).expect("it signs");
        let cases = [
            (
                SignatureAlgorithm::Ed25519,
                ed25519.public_key().as_ref(),
                ed25519.sign(message).as_ref().to_vec(),
            ),
            (SignatureAlgorithm::Es256, es256.public_key().as_ref(), signed.as_ref().to_vec()),
        ];
        for (algorithm, public_key, signature) in cases {
            assert_eq!(algorithm.check_public_key(public_key), Ok(()));
            assert!(algorithm.verify(public_key, message, &signature));
            assert!(!algorithm.verify(public_key, other, &signature));
            assert!(!algorithm.verify(public_key, message, &signature[1..]));
        }
    }
}
