//! The key of one person's data: destroying it is what erasing the person means.

use std::fmt;

use authz::Person;
use clock::Clock;
use ids::Id;
use zeroize::Zeroizing;

use crate::{
    aead::{self, NONCE_LEN, TAG_LEN},
    secret::Secret,
};

/// The first byte of what [`PersonKey::seal`] makes.
const VERSION: u8 = 1;
const LABEL: &str = "holdfast sealed field";

/// A 256-bit key that seals one person's data. It is stored only wrapped ([`crate::Keys::wrap`]), lives in
/// memory while it is used, is wiped when dropped, and shows nothing in `Debug`.
#[derive(Clone)]
pub struct PersonKey(Secret);

/// Why sealed bytes were not opened. It never says what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("not sealed data: {0} bytes are too few")]
    TooShort(usize),
    #[error("sealed in format {0}, which this release does not know: it was written by a newer one")]
    UnknownFormat(u8),
    #[error("sealed data was altered, or sealed by another key, for another person, service or field")]
    Refused,
}

impl PersonKey {
    /// A new key, from the clock's randomness.
    #[must_use]
    pub fn generate(clock: &Clock) -> Self {
        Self(Secret::random(clock))
    }

    pub(crate) const fn from_secret(secret: Secret) -> Self {
        Self(secret)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    /// Seals `plaintext` so that it opens only with this key and for the same person, service and field.
    ///
    /// Format 1: `0x01 || nonce (12 bytes) || ciphertext || tag (16 bytes)`, AES-256-GCM with a random
    /// nonce from `clock`; 29 bytes longer than the plaintext. One key should seal fewer than 2^32 times
    /// (NIST SP 800-38D, section 8.3): a person has far fewer fields.
    ///
    /// # Panics
    ///
    /// If the plaintext is longer than AES-GCM allows, 64 GiB.
    #[must_use]
    pub fn seal(
        &self,
        service: &str,
        field: &str,
        person: Id<Person>,
        plaintext: &[u8],
        clock: &Clock,
    ) -> Vec<u8> {
        aead::seal(self.bytes(), clock.random(), &place(service, field, person), &[VERSION], plaintext)
    }

    /// Opens what [`PersonKey::seal`] made with the same service, field and person. The plaintext is wiped
    /// when dropped.
    pub fn open(
        &self,
        service: &str,
        field: &str,
        person: Id<Person>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (version, rest) = sealed.split_first().ok_or(OpenError::TooShort(0))?;
        if *version != VERSION {
            return Err(OpenError::UnknownFormat(*version));
        }
        if rest.len() < NONCE_LEN + TAG_LEN {
            return Err(OpenError::TooShort(sealed.len()));
        }
        aead::open(self.bytes(), &place(service, field, person), rest).ok_or(OpenError::Refused)
    }
}

/// Where sealed data belongs; it opens nowhere else.
fn place(service: &str, field: &str, person: Id<Person>) -> Vec<u8> {
    aead::associated(LABEL, &[&[VERSION], service.as_bytes(), field.as_bytes(), &person.to_bytes()])
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use clock::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn clock() -> Clock {
        Clock::manual(Timestamp::EPOCH, 1)
    }

    fn person(number: u8) -> Id<Person> {
        Id::new(1, [number; 10])
    }

    #[test]
    fn each_thing_it_was_sealed_with_matters() {
        let key = PersonKey::generate(&clock());
        let sealed = key.seal("identity", "email", person(1), b"ada@example.org", &clock());
        let open = |key: &PersonKey, service, field, of| key.open(service, field, person(of), &sealed).err();
        assert_eq!(open(&key, "identity", "email", 1), None);
        assert_eq!(open(&key, "clinic", "email", 1), Some(OpenError::Refused));
        assert_eq!(open(&key, "identity", "name", 1), Some(OpenError::Refused));
        assert_eq!(open(&key, "identity", "email", 2), Some(OpenError::Refused));
        assert_eq!(open(&key, "identitye", "mail", 1), Some(OpenError::Refused));
        let other = PersonKey::generate(&Clock::manual(Timestamp::EPOCH, 2));
        assert_eq!(open(&other, "identity", "email", 1), Some(OpenError::Refused));
    }

    #[test]
    fn the_same_words_never_look_the_same() {
        let (key, clock) = (PersonKey::generate(&clock()), clock());
        let seal = || key.seal("identity", "email", person(1), b"ada", &clock);
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_newer_format_says_so() {
        let error = PersonKey::generate(&clock()).open("a", "b", person(1), &[2; 60]).err();
        assert_eq!(error, Some(OpenError::UnknownFormat(2)));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", PersonKey::generate(&clock())), "PersonKey(..)");
    }

    proptest! {
        #[test]
        fn anything_opens_as_it_was_sealed(plaintext: Vec<u8>, service: String, field: String) {
            let key = PersonKey::generate(&clock());
            let sealed = key.seal(&service, &field, person(1), &plaintext, &clock());
            prop_assert_eq!(sealed.len(), plaintext.len() + 29);
            prop_assert_eq!(&*key.open(&service, &field, person(1), &sealed).unwrap(), &plaintext);
        }

        #[test]
        fn every_flipped_bit_and_every_cut_is_noticed(plaintext in prop::collection::vec(any::<u8>(), 0..40)) {
            let key = PersonKey::generate(&clock());
            let sealed = key.seal("s", "f", person(1), &plaintext, &clock());
            for bit in 0..sealed.len() * 8 {
                let mut altered = sealed.clone();
                altered[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(key.open("s", "f", person(1), &altered).is_err());
            }
            for length in 0..sealed.len() {
                prop_assert!(key.open("s", "f", person(1), &sealed[..length]).is_err());
            }
        }

        #[test]
        fn arbitrary_bytes_are_refused_calmly(mut bytes: Vec<u8>, version in 0_u8..3) {
            let key = PersonKey::generate(&clock());
            prop_assert!(key.open("s", "f", person(1), &bytes).is_err());
            bytes.insert(0, version);
            prop_assert!(key.open("s", "f", person(1), &bytes).is_err());
        }
    }
}
