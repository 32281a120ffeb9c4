//! Typed, time-ordered identifiers: what every row, session and person is called.
//!
//! An [`Id`] is a UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then randomness.
//! Ids made one after the other sort one after the other, so a database appends to its index instead of
//! scattering writes over it.

use std::{fmt, hash, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An identifier of one kind of thing: an `Id<Session>` never fits where an `Id<Person>` belongs.
///
/// Its text form is the lower-case hyphenated UUID of RFC 9562, 36 characters.
pub struct Id<Kind>(u128, PhantomData<fn() -> Kind>);

/// Bytes of the text form.
const TEXT_BYTES: usize = 36;

/// What was read is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: write it as 36 characters, like 019a5f3c-7e21-7cc3-98c4-dc0c0c07398f")]
pub struct IdError;

impl<Kind> Id<Kind> {
    /// A new identifier for something that began at `unix_ms`, told apart by 80 random bits
    /// (of which 74 are used: six hold the version and the variant).
    #[must_use]
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        let uuid = uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid();
        Self(uuid.as_u128(), PhantomData)
    }

    /// The identifier whose 16 big-endian bytes these are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes), PhantomData)
    }

    /// Big-endian, so that bytes sort as the identifiers do.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The identifier as a number.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The text form.
    #[must_use]
    pub fn to_text(self) -> [u8; TEXT_BYTES] {
        let mut text = [0; TEXT_BYTES];
        uuid::Uuid::from_u128(self.0).hyphenated().encode_lower(&mut text);
        text
    }

    /// Unix milliseconds at which the identifier was made.
    #[must_use]
    pub fn unix_ms(self) -> u64 {
        u64::try_from(self.0 >> 80).expect("128 bits less 80 are 48")
    }
}

impl<Kind> fmt::Display for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
    }
}

impl<Kind> fmt::Debug for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<Kind> FromStr for Id<Kind> {
    type Err = IdError;

    /// Reads the one form that [`Id`] writes, so that no two texts name the same thing.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let canonical = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        let uuid = uuid::Uuid::try_parse(text).ok().filter(|_| canonical).ok_or(IdError)?;
        Ok(Self(uuid.as_u128(), PhantomData))
    }
}

// Written out, because a derive would ask the same of `Kind`, which is only a name.
impl<Kind> Clone for Id<Kind> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<Kind> Copy for Id<Kind> {}
impl<Kind> PartialEq for Id<Kind> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<Kind> Eq for Id<Kind> {}
impl<Kind> PartialOrd for Id<Kind> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<Kind> Ord for Id<Kind> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<Kind> hash::Hash for Id<Kind> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<Kind> Serialize for Id<Kind> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = uuid::Uuid::encode_buffer();
        serializer.serialize_str(uuid::Uuid::from_u128(self.0).hyphenated().encode_lower(&mut buffer))
    }
}

impl<'de, Kind> Deserialize<'de> for Id<Kind> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing;

    #[test]
    fn an_id_reads_back_from_its_text_and_its_bytes() {
        let id = Id::<Thing>::new(1_700_000_000_123, [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_text(), id.to_string().as_bytes());
        assert_eq!(Id::from_bytes(id.to_bytes()), id);
        assert_eq!(id.unix_ms(), 1_700_000_000_123);
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        assert!(Id::<Thing>::new(1, [255; 10]) < Id::new(2, [0; 10]));
        assert!(Id::<Thing>::new(1, [255; 10]).to_bytes() < Id::<Thing>::new(2, [0; 10]).to_bytes());
    }

    #[test]
    fn another_spelling_of_an_id_is_refused() {
        let id = Id::<Thing>::new(0xabcdef, [0xab; 10]).to_string();
        for text in [id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}"), String::new()] {
            assert_eq!(text.parse::<Id<Thing>>(), Err(IdError), "{text}");
        }
    }
}
