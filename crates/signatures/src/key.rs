//! Keys, and the algorithms of RFC 9421, section 3.3, that are good enough.

use std::fmt;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair, ParsedPublicKey, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;

/// Bytes of a shared secret, at least: as many as its hashes have.
const SECRET_BYTES_MIN: usize = 32;

/// How something is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    Ed25519,
    EcdsaP256Sha256,
    HmacSha256,
    /// To verify with; nothing here signs with it.
    RsaPssSha512,
}

impl Algorithm {
    /// As it is called in a signature.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::HmacSha256 => "hmac-sha256",
            Self::RsaPssSha512 => "rsa-pss-sha512",
        }
    }
}

/// What cannot be used as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a key is base64, or PEM")]
    Encoding,
    #[error("it is no key for {}", .0.name())]
    Unfit(Algorithm),
    #[error("a shared secret has at least {SECRET_BYTES_MIN} bytes")]
    ShortSecret,
    #[error("nothing is signed with {} here", .0.name())]
    OnlyVerifies(Algorithm),
}

/// A key that signatures are verified with.
pub struct VerifyingKey {
    algorithm: Algorithm,
    key: Verifies,
}

enum Verifies {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

impl VerifyingKey {
    /// From a public key as SubjectPublicKeyInfo (PEM, or its base64) or as bare bytes in base64, or from a shared secret
    /// in base64.
    ///
    /// # Errors
    /// When the text is no key for this algorithm.
    pub fn read(algorithm: Algorithm, text: &str) -> Result<Self, KeyError> {
        let bytes = decoded(text)?;
        let public = |verifies: &'static dyn VerificationAlgorithm| {
            ParsedPublicKey::new(verifies, &bytes)
                .map(Verifies::Public)
                .map_err(|_| KeyError::Unfit(algorithm))
        };
        let key = match algorithm {
            Algorithm::Ed25519 => public(&ED25519)?,
            Algorithm::EcdsaP256Sha256 => public(&ECDSA_P256_SHA256_FIXED)?,
            Algorithm::RsaPssSha512 => public(&RSA_PSS_2048_8192_SHA512)?,
            Algorithm::HmacSha256 => Verifies::Secret(Box::new(secret(&bytes)?)),
        };
        Ok(Self { algorithm, key })
    }

    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Was this signed by the key's holder?
    #[must_use]
    pub fn verifies(&self, base: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Verifies::Public(key) => key.verify_sig(base, signature).is_ok(),
            // In constant time.
            Verifies::Secret(key) => hmac::verify(key, base, signature).is_ok(),
        }
    }
}

/// A key that is signed with.
pub struct SigningKey {
    algorithm: Algorithm,
    key: Signs,
}

enum Signs {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Secret(Box<hmac::Key>),
}

impl SigningKey {
    /// From a private key as PKCS #8 (PEM, or its base64), or a shared secret in base64.
    ///
    /// # Errors
    /// When the text is no key for this algorithm, or nothing is signed with it.
    pub fn read(algorithm: Algorithm, text: &str) -> Result<Self, KeyError> {
        let bytes = decoded(text)?;
        let unfit = || KeyError::Unfit(algorithm);
        let key = match algorithm {
            Algorithm::Ed25519 => {
                Signs::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes).map_err(|_| unfit())?)
            }
            Algorithm::EcdsaP256Sha256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes);
                Signs::Ecdsa(pair.map_err(|_| unfit())?)
            }
            Algorithm::HmacSha256 => Signs::Secret(Box::new(secret(&bytes)?)),
            Algorithm::RsaPssSha512 => return Err(KeyError::OnlyVerifies(algorithm)),
        };
        Ok(Self { algorithm, key })
    }

    /// Of Ed25519, from its 32 secret bytes.
    ///
    /// # Errors
    /// When the bytes cannot be used.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Unfit(Algorithm::Ed25519))?;
        Ok(Self { algorithm: Algorithm::Ed25519, key: Signs::Ed25519(pair) })
    }

    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key in base64, as [`VerifyingKey::read`] takes it; none of a shared secret.
    #[must_use]
    pub fn public_key(&self) -> Option<String> {
        match &self.key {
            Signs::Ed25519(pair) => Some(BASE64_STANDARD.encode(pair.public_key())),
            Signs::Ecdsa(pair) => Some(BASE64_STANDARD.encode(pair.public_key())),
            Signs::Secret(_) => None,
        }
    }

    pub(crate) fn sign(&self, base: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.key {
            Signs::Ed25519(pair) => Ok(pair.sign(base).as_ref().to_vec()),
            Signs::Ecdsa(pair) => {
                let signed = pair.sign(&SystemRandom::new(), base);
                signed
                    .map(|signature| signature.as_ref().to_vec())
                    .map_err(|_| KeyError::Unfit(self.algorithm))
            }
            Signs::Secret(key) => Ok(hmac::sign(key, base).as_ref().to_vec()),
        }
    }
}

fn secret(bytes: &[u8]) -> Result<hmac::Key, KeyError> {
    let long = bytes.len() >= SECRET_BYTES_MIN;
    long.then(|| hmac::Key::new(hmac::HMAC_SHA256, bytes)).ok_or(KeyError::ShortSecret)
}

/// The bytes of base64, with or without the lines of PEM around it.
fn decoded(text: &str) -> Result<Vec<u8>, KeyError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    BASE64_STANDARD.decode(lines.collect::<String>()).map_err(|_| KeyError::Encoding)
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifyingKey").field(&self.algorithm).finish()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.algorithm).finish()
    }
}
