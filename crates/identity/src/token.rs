//! A token: 96 bytes that say who holds it, for how long, and prove it with one keyed hash.
//!
//! | bytes | what |
//! |-------|------|
//! | 0     | version, 1 |
//! | 1     | kind of person |
//! | 2     | assurance |
//! | 3     | flags; bit 0: bound to a device |
//! | 4–7   | audience |
//! | 8–11  | expiry, Unix seconds |
//! | 12–15 | the person's number |
//! | 16–19 | the person's epoch |
//! | 20–23 | roles, one bit each |
//! | 24–31 | keyed hash of the device's fingerprint, or zeros |
//! | 32–47 | the person |
//! | 48–63 | the session, whose first 48 bits say when it began |
//! | 64–95 | BLAKE3 keyed hash of all that, under the key of the audience and the day the session began |
//!
//! Numbers are big-endian. The text form is base64url without padding, 128 characters.

use authz::{Claims, PersonKind, Roles};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clock::Timestamp;
use ids::Id;

use crate::session::Assurance;

/// Bytes of a token.
pub const TOKEN_BYTES: usize = 96;
/// Characters of a token's text form.
pub const TOKEN_CHARS: usize = 128;

const SIGNED_BYTES: usize = 64;
const VERSION: u8 = 1;
const BOUND: u8 = 1;

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub claims: Claims,
    pub assurance: Assurance,
    pub audience: Audience,
    pub expires_at: Timestamp,
    pub epoch: u32,
    /// Keyed hash of the device the token is bound to.
    pub device: Option<[u8; 8]>,
}

/// The service that tokens are for unless a sign-in names another: this one.
pub const OWN_AUDIENCE: &str = "holdfast";

/// For which service a token is: the first four bytes of the BLAKE3 hash of the service's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Audience(pub u32);

/// What a token's tag is made with.
#[derive(Clone, Copy)]
pub struct TagKey(pub(crate) [u8; 32]);

impl Audience {
    /// The audience that the service of this name is.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let [a, b, c, d, ..] = *blake3::hash(name.as_bytes()).as_bytes();
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

impl Token {
    /// The day, counted from 1970, under whose key the token is tagged.
    #[must_use]
    pub fn key_day(&self) -> u64 {
        key_day(self.claims.session)
    }

    /// The token's bytes, tagged.
    #[must_use]
    pub fn encode(&self, key: &TagKey) -> [u8; TOKEN_BYTES] {
        let mut bytes = self.untagged();
        let tag = blake3::keyed_hash(&key.0, &bytes[..SIGNED_BYTES]);
        bytes[SIGNED_BYTES..].copy_from_slice(tag.as_bytes());
        bytes
    }

    /// The token's bytes, with zeros where its tag belongs.
    #[must_use]
    pub fn untagged(&self) -> [u8; TOKEN_BYTES] {
        let mut bytes = [0; TOKEN_BYTES];
        let mut rest = bytes.as_mut_slice();
        let mut put = |part: &[u8]| {
            let (place, behind) = std::mem::take(&mut rest).split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = behind;
        };
        let flags = if self.device.is_some() { BOUND } else { 0 };
        put(&[VERSION, self.claims.kind.number(), self.assurance.number(), flags]);
        put(&self.audience.0.to_be_bytes());
        put(&u32::try_from(self.expires_at.seconds()).unwrap_or(u32::MAX).to_be_bytes());
        put(&self.claims.number.to_be_bytes());
        put(&self.epoch.to_be_bytes());
        put(&self.claims.roles.bits().to_be_bytes());
        put(&self.device.unwrap_or_default());
        put(&self.claims.person.to_bytes());
        put(&self.claims.session.to_bytes());
        bytes
    }

    /// What the bytes say, before anybody has looked at the tag.
    #[must_use]
    pub fn decode(bytes: &[u8; TOKEN_BYTES]) -> Option<Self> {
        let [version, kind, assurance, flags] = part(bytes, 0);
        if version != VERSION || flags & !BOUND != 0 {
            return None;
        }
        let device: [u8; 8] = part(bytes, 24);
        // A token has one form: what is bound to nothing names nothing.
        if flags & BOUND == 0 && device != [0; 8] {
            return None;
        }
        let expiry = u64::from(u32::from_be_bytes(part(bytes, 8)));
        Some(Self {
            claims: Claims {
                person: Id::from_bytes(part(bytes, 32)),
                number: u32::from_be_bytes(part(bytes, 12)),
                kind: PersonKind::from_number(kind)?,
                roles: Roles::from_bits(u32::from_be_bytes(part(bytes, 20)))?,
                session: Id::from_bytes(part(bytes, 48)),
            },
            assurance: Assurance::from_number(assurance)?,
            audience: Audience(u32::from_be_bytes(part(bytes, 4))),
            expires_at: Timestamp::from_millis(expiry * 1000),
            epoch: u32::from_be_bytes(part(bytes, 16)),
            device: (flags & BOUND != 0).then_some(device),
        })
    }
}

/// The day under whose key a token for this session is tagged.
#[must_use]
pub(crate) fn key_day(session: Id<authz::Session>) -> u64 {
    session.unix_ms() / (24 * 60 * 60 * 1000)
}

/// Was the token tagged with this key? Takes the same time whatever differs.
#[must_use]
pub(crate) fn tag_holds(bytes: &[u8; TOKEN_BYTES], key: &TagKey) -> bool {
    let tag: [u8; 32] = part(bytes, SIGNED_BYTES);
    // The hash's own comparison takes constant time.
    blake3::keyed_hash(&key.0, &bytes[..SIGNED_BYTES]) == blake3::Hash::from_bytes(tag)
}

/// The text form of a token.
#[must_use]
pub(crate) fn to_text(bytes: &[u8; TOKEN_BYTES]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a token in text form.
#[must_use]
pub(crate) fn from_text(text: impl AsRef<[u8]>) -> Option<[u8; TOKEN_BYTES]> {
    let mut bytes = [0; TOKEN_BYTES];
    let written = URL_SAFE_NO_PAD.decode_slice(text.as_ref(), &mut bytes).ok()?;
    (text.as_ref().len() == TOKEN_CHARS && written == TOKEN_BYTES).then_some(bytes)
}

fn part<const N: usize>(bytes: &[u8; TOKEN_BYTES], from: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[from..from + N]);
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            claims: Claims {
                person: Id::new(1, [1; 10]),
                number: 77,
                kind: PersonKind::Government,
                roles: [authz::Role::Auditor].into_iter().collect(),
                session: Id::new(1_772_357_400_000, [2; 10]),
            },
            assurance: Assurance::DeviceKey,
            audience: Audience::named("clinic"),
            expires_at: Timestamp::from_millis(1_772_400_600_000),
            epoch: 5,
            device: Some([9; 8]),
        }
    }

    #[test]
    fn a_token_reads_back_from_its_bytes_and_its_text() {
        for token in [token(), Token { device: None, ..token() }] {
            let bytes = token.encode(&TagKey([3; 32]));
            assert_eq!(Token::decode(&bytes), Some(token));
            assert_eq!(from_text(to_text(&bytes)), Some(bytes));
            assert_eq!(to_text(&bytes).len(), TOKEN_CHARS);
        }
    }

    #[test]
    fn every_flipped_bit_breaks_the_tag() {
        let key = TagKey([3; 32]);
        let bytes = token().encode(&key);
        assert!(tag_holds(&bytes, &key));
        assert!(!tag_holds(&bytes, &TagKey([4; 32])));
        for bit in 0..TOKEN_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!tag_holds(&flipped, &key), "bit {bit}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_and_no_text_make_the_reader_panic(bytes: [u8; TOKEN_BYTES], text: String) {
            if let Some(token) = Token::decode(&bytes) {
                let again = token.encode(&TagKey([0; 32]));
                proptest::prop_assert_eq!(&again[4..24], &bytes[4..24]);
            }
            let _ = from_text(&text);
        }
    }
}
