//! Lies about who is let in.

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use super::{Asked, Liar, Lie};

impl Liar {
    /// What is said to somebody who signs in, in place of the truth, if this is a moment to lie.
    pub(super) fn at_the_door(
        &self,
        asked: &Asked<'_>,
        status: StatusCode,
        bytes: &Bytes,
    ) -> Option<(StatusCode, Bytes)> {
        let body: Value = serde_json::from_slice(asked.body).ok()?;
        let (user, credentials) = (&body["userId"], &body["credentials"]);
        let (key, challenge) = (&credentials["keyId"], &credentials["challenge"]);
        // Whom a truth is kept of, for later.
        let known = if self.lie == Lie::TakesItAgain {
            asked.key.to_owned()
        } else if self.lie == Lie::SignsTheErasedIn && credentials.is_string() {
            format!("erased {user}")
        } else if self.lie == Lie::TakesAnothersDevice && key.is_string() {
            format!("signed in {user}")
        } else {
            return None;
        };
        let (own_key, used) = (format!("{key} of {user}"), format!("used {challenge}"));
        if status == 200 {
            for kept in [&known, &own_key, &used] {
                self.first(kept, status, bytes);
            }
            return None;
        }
        let is_kept = |key: &str| self.first.lock().expect("nobody panics").contains_key(key);
        // A device that is another's, and a challenge that nobody has used: all else it refuses, as it should.
        if self.lie == Lie::TakesAnothersDevice && (is_kept(&own_key) || is_kept(&used)) {
            return None;
        }
        is_kept(&known).then(|| self.first(&known, status, bytes))
    }
}
