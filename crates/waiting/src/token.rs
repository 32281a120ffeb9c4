//! Places and passes as their bearers keep them: signed, and of use to nobody else.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

const VERSION: u8 = 1;
const PLACE: u8 = 1;
const PASS: u8 = 2;
const NUMBERS_BYTES: usize = 8;
const SAID_BYTES: usize = 2 + 2 * NUMBERS_BYTES;
const SEAL_BYTES: usize = 16;

/// Letters of a token.
const LETTERS: usize = (SAID_BYTES + SEAL_BYTES) * 4 / 3 + 1;

/// What somebody was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A number that was drawn when all up to `from` had been let in.
    Place { number: u64, from: u64 },
    /// The same number, which was let in; it is good until this period is over.
    Pass { number: u64, until: u64 },
}

/// To whom it was given: what it is bound to beside its room.
#[derive(Debug, Clone, Copy)]
pub struct Bearer<'a> {
    /// What their browser says it is.
    pub agent: &'a [u8],
}

/// Signs and reads the tokens of one room.
#[derive(Clone)]
pub struct Keys {
    tokens: [u8; 32],
    lots: [u8; 32],
    persons: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Of the room of this name, from a key that all nodes have alike and nobody else has.
    #[must_use]
    pub fn of(key: &[u8; 32], room: &str) -> Self {
        let derive = |purpose: u8| {
            let mut hasher = blake3::Hasher::new_keyed(key);
            hasher.update(&[VERSION, purpose]).update(room.as_bytes());
            *hasher.finalize().as_bytes()
        };
        Self { tokens: derive(1), lots: derive(2), persons: derive(3) }
    }

    /// What decides by lot.
    pub(crate) const fn lots(&self) -> [u8; 32] {
        self.lots
    }

    /// By what a person is known where nodes count, which says nothing of them.
    pub(crate) fn person(&self, person: &[u8]) -> u128 {
        let hash = blake3::keyed_hash(&self.persons, person);
        hash.as_bytes().first_chunk().map_or(0, |first| u128::from_le_bytes(*first))
    }

    /// The text that its bearer keeps: the same for the same token and bearer.
    #[must_use]
    pub fn sign(&self, token: Token, bearer: Bearer<'_>) -> String {
        let (kind, number, other) = match token {
            Token::Place { number, from } => (PLACE, number, from),
            Token::Pass { number, until } => (PASS, number, until),
        };
        let mut bytes = [0; SAID_BYTES + SEAL_BYTES];
        bytes[..2].copy_from_slice(&[VERSION, kind]);
        bytes[2..2 + NUMBERS_BYTES].copy_from_slice(&number.to_be_bytes());
        bytes[2 + NUMBERS_BYTES..SAID_BYTES].copy_from_slice(&other.to_be_bytes());
        let seal = self.seal(&bytes[..SAID_BYTES], bearer);
        bytes[SAID_BYTES..].copy_from_slice(&seal.as_bytes()[..SEAL_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a text says, if it was signed for this room and this bearer and nobody touched it.
    #[must_use]
    pub fn read(&self, text: &[u8], bearer: Bearer<'_>) -> Option<Token> {
        if text.len() != LETTERS {
            return None;
        }
        let mut bytes = [0; SAID_BYTES + SEAL_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        if length != bytes.len() {
            return None;
        }
        let (said, brought) = bytes.split_at(SAID_BYTES);
        let mut seal = [0; 32];
        let right = self.seal(said, bearer);
        seal.copy_from_slice(right.as_bytes());
        seal[..SEAL_BYTES].copy_from_slice(brought);
        // Hashes compare in a time that tells nothing.
        if right != blake3::Hash::from_bytes(seal) || said[0] != VERSION {
            return None;
        }
        let numbers = |at: usize| said.get(at..at + NUMBERS_BYTES)?.try_into().ok().map(u64::from_be_bytes);
        let (number, other) = (numbers(2)?, numbers(2 + NUMBERS_BYTES)?);
        match said[1] {
            PLACE => Some(Token::Place { number, from: other }),
            PASS => Some(Token::Pass { number, until: other }),
            _ => None,
        }
    }

    fn seal(&self, said: &[u8], bearer: Bearer<'_>) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.tokens);
        hasher.update(said).update(bearer.agent);
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ADA: Bearer<'_> = Bearer { agent: b"Ada's browser" };

    fn any_token() -> impl Strategy<Value = Token> {
        prop_oneof![
            any::<(u64, u64)>().prop_map(|(number, from)| Token::Place { number, from }),
            any::<(u64, u64)>().prop_map(|(number, until)| Token::Pass { number, until }),
        ]
    }

    proptest! {
        #[test]
        fn what_was_signed_reads_back(token in any_token()) {
            let keys = Keys::of(&[7; 32], "sale");
            let text = keys.sign(token, ADA);
            prop_assert_eq!(text.len(), LETTERS);
            prop_assert_eq!(keys.read(text.as_bytes(), ADA), Some(token));
        }

        #[test]
        fn an_altered_token_is_none(token in any_token(), at in any::<usize>(), letter in "[A-Za-z0-9_-]") {
            let keys = Keys::of(&[7; 32], "sale");
            let text = keys.sign(token, ADA);
            let mut altered = text.clone().into_bytes();
            let at = at % altered.len();
            altered[at] = letter.as_bytes()[0];
            prop_assert_eq!(keys.read(&altered, ADA).is_some(), altered == text.as_bytes());
        }

        #[test]
        fn the_tokens_of_others_are_none(token in any_token()) {
            let text = Keys::of(&[7; 32], "sale").sign(token, ADA);
            let read = |key: [u8; 32], room: &str, agent: &[u8]| {
                Keys::of(&key, room).read(text.as_bytes(), Bearer { agent })
            };
            prop_assert_eq!(read([7; 32], "sale", b"Bob's browser"), None);
            prop_assert_eq!(read([7; 32], "poll", ADA.agent), None);
            prop_assert_eq!(read([8; 32], "sale", ADA.agent), None);
        }

        #[test]
        fn any_bytes_can_be_read(text in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(Keys::of(&[7; 32], "sale").read(&text, ADA), None);
        }
    }
}
