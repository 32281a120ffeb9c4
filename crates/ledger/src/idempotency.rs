//! Doing a request once, however often it is sent (the Idempotency-Key header field of the IETF HTTPAPI
//! draft).

use std::time::Duration;

use authz::By;
use clock::Timestamp;
use sha2::{Digest, Sha256};
use store::{Snapshot, StoreError, table};

/// How long a key is remembered.
pub const KEY_LIFE: Duration = Duration::from_hours(24);

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 255;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

table! {
    /// What was answered to a request with a key. It is not replayed: a key matters for a day.
    pub(crate) struct Answered in "idempotency", Operational {
        key {
            /// The day it came, so that a day's keys lie together and go together.
            pub(crate) day: u64,
            pub(crate) key: [u8; 16],
        }
        pub(crate) body: [u8; 16],
        pub(crate) entry: u64,
        pub(crate) done: Vec<u8>,
        pub(crate) at: Timestamp,
    }
}

/// One request that must not be done twice: the same caller, route and key are the same request, and must
/// come with the same body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    /// Halves of SHA-256 hashes: callers can only collide with themselves, and every byte here is a byte of
    /// a random key on disk.
    pub(crate) key: [u8; 16],
    pub(crate) body: [u8; 16],
}

impl Once {
    /// The request `by` sends to `route` ("POST /api/v1/persons") with this key and body.
    #[must_use]
    pub fn new(by: &By, route: &str, key: &str, body: &[u8]) -> Self {
        let mut hash = Sha256::new_with_prefix(b"holdfast/idempotency/v1\n");
        for part in [caller(by).as_str(), route, key] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self { key: half(hash.finalize().into()), body: half(Sha256::digest(body).into()) }
    }

    /// Where its answer would be kept: today, or yesterday, as far as those days have keys.
    pub(crate) fn places(self, at: Timestamp, first_day: u64) -> impl Iterator<Item = (u64, [u8; 16])> {
        let today = day(at);
        let days = [today, today.saturating_sub(1)].into_iter().filter(move |day| *day >= first_day);
        days.map(move |day| (day, self.key))
    }

    pub(crate) fn answered(&self, at: Timestamp, entry: u64, done: Vec<u8>) -> Answered {
        Answered { day: day(at), key: self.key, body: self.body, entry, done, at }
    }
}

/// The same person in whatever session: a request is sent again after signing in again, too.
fn caller(by: &By) -> String {
    by.person().map_or_else(|| by.to_string(), |person| format!("person/{person}"))
}

fn half(hash: [u8; 32]) -> [u8; 16] {
    hash.first_chunk().copied().expect("a hash has 32 bytes")
}

impl Answered {
    /// Is the key still remembered?
    pub(crate) fn holds(&self, at: Timestamp) -> bool {
        at < self.at.plus(KEY_LIFE)
    }
}

/// The day of a moment, counted from 1970.
pub(crate) fn day(at: Timestamp) -> u64 {
    at.millis() / DAY_MS
}

/// The first day that has keys; later than any if none has.
pub(crate) fn first_day(snapshot: &Snapshot<'_>) -> Result<u64, StoreError> {
    let first = snapshot.rows::<Answered>("ORDER BY day, key LIMIT 1", &[])?;
    Ok(first.first().map_or(u64::MAX, |answered| answered.day))
}

/// The first day whose keys are still remembered at `at`.
pub(crate) fn first_day_kept(at: Timestamp) -> u64 {
    day(at).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use authz::Person;
    use ids::Id;

    use super::*;

    #[test]
    fn another_caller_route_or_key_is_another_request() {
        let once = |route, key| Once::new(&By::Anonymous, route, key, b"");
        assert_eq!(once("POST /a", "k"), once("POST /a", "k"));
        assert_ne!(once("POST /a", "k").key, once("POST /b", "k").key);
        assert_ne!(once("POST /a", "k").key, once("POST /a", "l").key);
        assert_ne!(once("POST /a", "k").key, once("POST /", "ak").key);
        assert_ne!(Once::new(&By::Service("x".into()), "POST /a", "k", b"").key, once("POST /a", "k").key);
    }

    #[test]
    fn the_same_person_in_another_session_sends_the_same_request() {
        let once = |by: &str, key| Once::new(&by.parse().expect("an actor"), "POST /a", key, b"");
        let id = |number: u8| Id::<Person>::new(1, [number; 10]);
        let by = |person: u8, session: u8| format!("person/{}/citizen/0/1/{}", id(person), id(session));
        assert_eq!(once(&by(1, 2), "k"), once(&by(1, 3), "k"));
        assert_ne!(once(&by(1, 2), "k").key, once(&by(2, 2), "k").key);
    }

    #[test]
    fn a_key_is_remembered_for_a_day_across_midnight() {
        let once = Once::new(&By::Anonymous, "POST /a", "k", b"");
        let noon = Timestamp::from_millis(DAY_MS * 100 + DAY_MS / 2);
        let answered = once.answered(noon, 0, vec![]);
        let just_before = noon.plus(KEY_LIFE).minus(Duration::from_millis(1));
        assert!(answered.holds(just_before));
        assert!(once.places(just_before, 0).any(|place| place == (answered.day, answered.key)));
        assert_eq!(once.places(just_before, u64::MAX).count(), 0);
        assert!(!answered.holds(noon.plus(KEY_LIFE)));
        assert!(first_day_kept(just_before) <= answered.day);
    }
}
