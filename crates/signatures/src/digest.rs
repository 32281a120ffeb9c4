//! A body's digest in its head (`Content-Digest`, RFC 9530): made, and compared while the body comes.

use std::fmt;

use aws_lc_rs::digest::{self, Context, SHA256, SHA512};
use sfv::{Dictionary, ItemSerializer, ListEntry, Parser};

/// A digest that cannot be compared with anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    #[error("Content-Digest is not as RFC 9530 has it")]
    Malformed,
    #[error("Content-Digest has neither sha-256 nor sha-512")]
    Unknown,
}

/// A body on its way, compared with what was said of it.
pub struct Digesting {
    context: Context,
    said: Vec<u8>,
}

impl Digesting {
    /// By the values of `Content-Digest`, of which the strongest that is known counts.
    ///
    /// # Errors
    /// When there is none of them.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, DigestError> {
        let whole = values.into_iter().collect::<Vec<_>>().join(b", ".as_slice());
        let said: Dictionary = Parser::new(&whole).parse().map_err(|_| DigestError::Malformed)?;
        for (name, algorithm) in [("sha-512", &SHA512), ("sha-256", &SHA256)] {
            let Some(entry) = said.get(name) else { continue };
            let ListEntry::Item(item) = entry else { return Err(DigestError::Malformed) };
            let bytes = item.bare_item.as_byte_sequence().ok_or(DigestError::Malformed)?;
            return Ok(Self { context: Context::new(algorithm), said: bytes.to_vec() });
        }
        Err(DigestError::Unknown)
    }

    /// A piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        self.context.update(piece);
    }

    /// Now that all has come: is it what was said?
    #[must_use]
    pub fn holds(&self) -> bool {
        self.context.clone().finish().as_ref() == self.said
    }
}

impl fmt::Debug for Digesting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digesting")
    }
}

/// The field `Content-Digest` of a body.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    let digest = digest::digest(&SHA256, body);
    format!("sha-256={}", ItemSerializer::new().bare_item(digest.as_ref()).finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BODY: &[u8] = b"{\"hello\": \"world\"}";
    /// Of RFC 9421, appendix B.2.
    const SAID: &[u8] =
        b"sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

    #[track_caller]
    fn holds(said: &[u8], body: &[u8]) -> bool {
        let mut digesting = Digesting::of([said]).expect("a digest");
        body.chunks(5).for_each(|piece| digesting.update(piece));
        digesting.holds()
    }

    #[test]
    fn a_body_is_compared_with_what_was_said_of_it() {
        assert!(holds(SAID, BODY) && !holds(SAID, b"{\"hello\": \"World\"}"));
        let both = [content_digest(BODY).as_bytes(), b", ", SAID].concat();
        assert!(holds(&both, BODY));
    }

    #[test]
    fn what_cannot_be_compared_is_told_from_what_is_no_digest() {
        for (said, error) in [
            ("md5=:abcd:", DigestError::Unknown),
            ("", DigestError::Unknown),
            ("sha-256=abcd", DigestError::Malformed),
            ("sha-256=(1)", DigestError::Malformed),
            ("?", DigestError::Malformed),
        ] {
            assert_eq!(Digesting::of([said.as_bytes()]).err(), Some(error), "{said}");
        }
    }

    proptest! {
        #[test]
        fn a_digest_of_ours_holds_for_its_body_alone(body: Vec<u8>, other: Vec<u8>) {
            let said = content_digest(&body);
            prop_assert!(holds(said.as_bytes(), &body));
            prop_assert_eq!(holds(said.as_bytes(), &other), body == other);
        }
    }
}
