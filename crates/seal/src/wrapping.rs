//! How a person's key is stored: wrapped under one generation of the wrapping keys.

use authz::Person;
use clock::Clock;
use ids::Id;
use zeroize::Zeroizing;

use crate::{
    aead::{self, NONCE_LEN, TAG_LEN},
    key_set::{Generation, WrappingKey},
    person_key::PersonKey,
    secret::Secret,
};

const VERSION: u8 = 1;
const LABEL: &str = "holdfast wrapped person key";
/// Version and generation.
const HEADER_LEN: usize = 5;
const WRAPPED_LEN: usize = HEADER_LEN + NONCE_LEN + 32 + TAG_LEN;

/// Why a wrapped key was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    #[error("not a wrapped key: {0} bytes, and a wrapped key has {WRAPPED_LEN}")]
    Length(usize),
    #[error("a key wrapped in format {0}, which this release does not know: it was written by a newer one")]
    UnknownFormat(u8),
    #[error("there is no wrapping key of generation {0}: it was destroyed, or this key file is out of date")]
    NoSuchGeneration(Generation),
    #[error("a wrapped key was altered, or belongs to another person")]
    Refused,
}

/// Format 1: `0x01 || generation (32 bits, big-endian) || nonce (12) || ciphertext (32) || tag (16)`,
/// AES-256-GCM; version, generation and person are bound.
pub(crate) fn wrap(under: &WrappingKey, person: Id<Person>, key: &PersonKey, clock: &Clock) -> Vec<u8> {
    let mut header = [VERSION; HEADER_LEN];
    header[1..].copy_from_slice(&under.generation.number().to_be_bytes());
    aead::seal(under.key.bytes(), clock.random(), &bound(&header, person), &header, key.bytes())
}

/// Opens what [`wrap`] made, with the generation that `find` knows.
pub(crate) fn unwrap<'a>(
    find: impl FnOnce(Generation) -> Option<&'a WrappingKey>,
    person: Id<Person>,
    wrapped: &[u8],
) -> Result<PersonKey, UnwrapError> {
    let generation = wrapped_under(wrapped)?;
    let under = find(generation).ok_or(UnwrapError::NoSuchGeneration(generation))?;
    let (header, rest) = wrapped.split_at(HEADER_LEN);
    let bytes = aead::open(under.key.bytes(), &bound(header, person), rest).ok_or(UnwrapError::Refused)?;
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(bytes.get(..32).ok_or(UnwrapError::Refused)?);
    Ok(PersonKey::from_secret(Secret::from_bytes(key)))
}

/// The generation under which a key was wrapped, as its clear header says: so a job finds what is still to
/// be wrapped anew before an old generation is destroyed.
pub fn wrapped_under(wrapped: &[u8]) -> Result<Generation, UnwrapError> {
    let wrapped: &[u8; WRAPPED_LEN] = wrapped.try_into().map_err(|_| UnwrapError::Length(wrapped.len()))?;
    let [version, a, b, c, d, ..] = *wrapped;
    if version != VERSION {
        return Err(UnwrapError::UnknownFormat(version));
    }
    Ok(Generation::new(u32::from_be_bytes([a, b, c, d])))
}

fn bound(header: &[u8], person: Id<Person>) -> Vec<u8> {
    aead::associated(LABEL, &[header, &person.to_bytes()])
}

#[cfg(test)]
mod tests {
    use clock::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn wrapping(clock: &Clock, generation: u32) -> WrappingKey {
        WrappingKey::new(Generation::new(generation), clock)
    }

    fn person(number: u8) -> Id<Person> {
        Id::new(1, [number; 10])
    }

    #[test]
    fn a_key_comes_back_for_its_person_only() {
        let clock = Clock::manual(Timestamp::EPOCH, 1);
        let (under, key) = (wrapping(&clock, 3), PersonKey::generate(&clock));
        let wrapped = wrap(&under, person(1), &key, &clock);
        assert_eq!(wrapped_under(&wrapped), Ok(Generation::new(3)));
        assert_eq!(unwrap(|_| Some(&under), person(1), &wrapped).unwrap().bytes(), key.bytes());
        assert_eq!(unwrap(|_| Some(&under), person(2), &wrapped).err(), Some(UnwrapError::Refused));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let clock = Clock::manual(Timestamp::EPOCH, 1);
        let under = wrapping(&clock, 3);
        let wrapped = wrap(&under, person(1), &PersonKey::generate(&clock), &clock);
        for bit in 0..wrapped.len() * 8 {
            let mut altered = wrapped.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(unwrap(|_| Some(&under), person(1), &altered).is_err(), "bit {bit}");
        }
        for length in 0..wrapped.len() {
            assert!(unwrap(|_| Some(&under), person(1), &wrapped[..length]).is_err(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_calmly(
            bytes in prop_oneof![any::<Vec<u8>>(), prop::collection::vec(0_u8..2, WRAPPED_LEN)],
        ) {
            let under = wrapping(&Clock::manual(Timestamp::EPOCH, 1), 1);
            prop_assert!(unwrap(|_| Some(&under), person(1), &bytes).is_err());
        }
    }
}
