//! What a device signs to sign in: a challenge that the server need not remember until it is used.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clock::{Clock, Timestamp};
use seal::Keys;
use serde::{Deserialize, Serialize};
use store::table;
use subtle::ConstantTimeEq;

/// How long a challenge may be signed.
pub const CHALLENGE_LIFE: Duration = Duration::from_secs(60);

const VERSION: u8 = 1;
const BYTES: usize = 1 + 8 + 16 + 16;

table! {
    /// A challenge that was signed and must not be again, until it expires.
    pub struct UsedChallenge in "used_challenges", Replayed {
        key { pub expires_at: Timestamp, pub nonce: [u8; 16] }
    }
}

/// A challenge of ours: when it ends, and a number used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Challenge {
    pub expires_at: Timestamp,
    pub nonce: [u8; 16],
}

impl Challenge {
    /// A new one, which ends a minute from now: by the clock, or by the newest entry of the ledger where the clock was set back
    /// behind it, for a sign-in is dated by whichever is later.
    #[must_use]
    pub fn new(clock: &Clock, newest: Timestamp) -> Self {
        let now = clock.now().max(newest);
        Self { expires_at: now.plus(CHALLENGE_LIFE), nonce: clock.random() }
    }

    /// Its text: base64url of version, end, number and a keyed hash, so that only we can have made it.
    #[must_use]
    pub fn to_text(self, keys: &Keys) -> String {
        let mut bytes = [VERSION; BYTES];
        bytes[1..9].copy_from_slice(&self.expires_at.millis().to_be_bytes());
        bytes[9..25].copy_from_slice(&self.nonce);
        let tag = tag(keys, &bytes[..25]);
        bytes[25..].copy_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The challenge that a text stands for, if we made it.
    #[must_use]
    pub fn from_text(text: &str, keys: &Keys) -> Option<Self> {
        let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let ours = bool::from(tag(keys, &bytes[..25]).ct_eq(&bytes[25..]));
        let expiry = u64::from_be_bytes(bytes[1..9].try_into().ok()?);
        let nonce = bytes[9..25].try_into().ok()?;
        (ours && bytes[0] == VERSION).then_some(Self { expires_at: Timestamp::from_millis(expiry), nonce })
    }
}

fn tag(keys: &Keys, bytes: &[u8]) -> [u8; 16] {
    let key = keys.derive("identity challenge", b"");
    let hash = blake3::keyed_hash(key.as_bytes(), bytes);
    hash.as_bytes().first_chunk().copied().expect("a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (tempfile::TempDir, Keys) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let keys = Keys::open(folder.path(), &Clock::System).expect("a key file is made");
        (folder, keys)
    }

    #[test]
    fn a_challenge_can_be_used_though_the_clock_was_set_back() {
        let (now, ahead) = (Timestamp::from_millis(1_000_000), Timestamp::from_millis(4_600_000));
        let clock = Clock::manual(now, 7);
        assert_eq!(Challenge::new(&clock, Timestamp::EPOCH).expires_at, now.plus(CHALLENGE_LIFE));
        assert_eq!(Challenge::new(&clock, ahead).expires_at, ahead.plus(CHALLENGE_LIFE));
    }

    #[test]
    fn only_our_challenges_are_taken_for_ours() {
        let (_folder, keys) = keys();
        let challenge = Challenge::new(&Clock::System, Timestamp::EPOCH);
        let text = challenge.to_text(&keys);
        assert_eq!(Challenge::from_text(&text, &keys), Some(challenge));
        for place in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("it is still ASCII");
            assert_eq!(Challenge::from_text(&forged, &keys), None, "character {place}");
        }
    }
}
