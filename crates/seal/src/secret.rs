//! Thirty-two secret bytes that are wiped when dropped, and their text form in the key file.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clock::Clock;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize, Zeroizing};

/// Characters of 32 bytes in base64url without padding.
const TEXT_LEN: usize = 43;

/// Thirty-two secret bytes. In the key file they are base64url without padding (RFC 4648, section 5).
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// New ones, from the clock's randomness.
    pub(crate) fn random(clock: &Clock) -> Self {
        Self(Zeroizing::new(clock.random()))
    }

    pub(crate) const fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new([0; TEXT_LEN]);
        URL_SAFE_NO_PAD
            .encode_slice(self.bytes(), text.as_mut_slice())
            .map_err(|_| serde::ser::Error::custom("32 bytes are 43 characters"))?;
        let text = std::str::from_utf8(text.as_slice()).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText)
    }
}

/// Decodes straight from the text that was read, so that no copy of a secret is left behind.
struct FromText;

impl de::Visitor<'_> for FromText {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("32 bytes as base64url without padding")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        let mut bytes = Zeroizing::new([0; 32]);
        // The message never repeats the text: it is a secret, even when it is wrong.
        let wrong = || E::custom("not 32 bytes of base64url");
        if text.len() != TEXT_LEN {
            return Err(wrong());
        }
        let length = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()).map_err(|_| wrong())?;
        if length != bytes.len() {
            bytes.zeroize();
            return Err(wrong());
        }
        Ok(Secret(bytes))
    }
}
