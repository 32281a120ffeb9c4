//! The keys that people's devices sign in with.

use std::str::FromStr;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, UnparsedPublicKey, VerificationAlgorithm,
};
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
    #[error("an Ed25519 public key is 32 bytes, base64url-encoded, of a point that is not of small order")]
    Ed25519,
    #[error("an ES256 public key is an uncompressed P-256 point of 65 bytes, base64url-encoded")]
    Es256,
}

impl SignatureAlgorithm {
    /// Can these bytes be a public key?
    ///
    /// # Errors
    /// When they are no point of the curve, or one under which anybody can sign.
    pub fn check_public_key(self, bytes: &[u8]) -> Result<(), PublicKeyError> {
        match self {
            Self::Ed25519 if is_strong_ed25519(bytes) => Ok(()),
            Self::Es256 if bytes.first() == Some(&4) && self.parses(bytes) => Ok(()),
            Self::Ed25519 => Err(PublicKeyError::Ed25519),
            Self::Es256 => Err(PublicKeyError::Es256),
        }
    }

    fn parses(self, bytes: &[u8]) -> bool {
        ParsedPublicKey::new(self.verification(), bytes).is_ok()
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Ed25519 => &ED25519,
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
        }
    }

    /// Does the signature hold?
    #[must_use]
    pub fn verify(self, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.verification(), public_key).verify(message, signature).is_ok()
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

/// The y coordinates of Ed25519's points of small order, little-endian: a signature under one of them holds
/// for almost any message (draft-irtf-cfrg-signature-key-blinding and libsodium list the same).
const SMALL_ORDER: [[u8; 32]; 5] = [
    number(0, 0),
    number(1, 0),
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
];

/// A number whose lowest byte is one and all others another, little-endian.
const fn number(byte: u8, rest: u8) -> [u8; 32] {
    let mut bytes = [rest; 32];
    bytes[0] = byte;
    bytes
}

/// Is it the one encoding of a point of large order (RFC 8032, section 5.1.3)?
fn is_strong_ed25519(bytes: &[u8]) -> bool {
    let Ok(mut y): Result<[u8; 32], _> = bytes.try_into() else { return false };
    y[31] &= 0x7f;
    // The field's prime is 2^255 - 19: all ones above a last byte of 0xed.
    let canonical = y[0] < 0xed || y[31] != 0x7f || y[1..31].iter().any(|byte| *byte != 0xff);
    canonical && !SMALL_ORDER.contains(&y) && SignatureAlgorithm::Ed25519.parses(bytes)
}

/// What a device signs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    SignIn,
    /// Something that a token alone does not allow.
    Confirm,
}

/// The text that a device signs: what for, who they are, and to what challenge.
#[must_use]
pub fn signed_text(purpose: Purpose, user_id: &str, challenge: &str) -> String {
    let purpose = match purpose {
        Purpose::SignIn => "sign-in",
        Purpose::Confirm => "confirm",
    };
    format!("holdfast {purpose} v1\n{user_id}\n{challenge}")
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

    #[test]
    fn a_key_under_which_anybody_can_sign_is_refused() {
        let mut weak = SMALL_ORDER.to_vec();
        // Other ways to write 0 and 1: the prime, and one more.
        weak.extend([number(0xed, 0xff), number(0xee, 0xff)].map(|mut bytes| {
            bytes[31] = 0x7f;
            bytes
        }));
        for bytes in weak {
            let mut negative = bytes;
            negative[31] |= 0x80;
            for bytes in [bytes, negative] {
                let checked = SignatureAlgorithm::Ed25519.check_public_key(&bytes);
                assert_eq!(checked, Err(PublicKeyError::Ed25519), "{bytes:x?}");
            }
        }
    }

    #[test]
    fn what_is_no_point_of_the_curve_is_refused() {
        let mut bytes = [4; 65];
        assert_eq!(SignatureAlgorithm::Es256.check_public_key(&bytes), Err(PublicKeyError::Es256));
        bytes[0] = 2;
        assert_eq!(SignatureAlgorithm::Es256.check_public_key(&bytes[..33]), Err(PublicKeyError::Es256));
    }
}
