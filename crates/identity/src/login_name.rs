//! The name that a person signs in with.

use std::{fmt, str::FromStr};

use seal::Keys;
use serde::Deserialize;
use store::ErasableKey;

/// A sign-in name: 3 to 128 ASCII letters, digits and `. _ - @ +`. Letters are folded to lower case, so
/// that nobody can take a name that looks like another's.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct LoginName(String);

/// What was given is no sign-in name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a userId is 3 to 128 characters: letters a to z, digits, and . _ - @ +")]
pub struct LoginNameError;

impl LoginName {
    /// The name, folded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name's blind index: a keyed hash that finds a person without the name being stored.
    #[must_use]
    pub fn blind_index(&self, keys: &Keys) -> ErasableKey {
        let key = keys.derive("identity login name", b"");
        ErasableKey(*blake3::keyed_hash(key.as_bytes(), self.0.as_bytes()).as_bytes())
    }
}

impl FromStr for LoginName {
    type Err = LoginNameError;

    fn from_str(text: &str) -> Result<Self, LoginNameError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte);
        let valid = (3..=128).contains(&text.len()) && text.bytes().all(fits);
        valid.then(|| Self(text.to_ascii_lowercase())).ok_or(LoginNameError)
    }
}

impl TryFrom<String> for LoginName {
    type Error = LoginNameError;

    fn try_from(text: String) -> Result<Self, LoginNameError> {
        text.parse()
    }
}

/// A name is personal: it must not come into a log by way of a debug print.
impl fmt::Debug for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginName(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(text.parse::<LoginName>().ok().as_ref().map(LoginName::as_str), expected);
    }

    #[test]
    fn letters_are_folded() {
        check("Ada.Lovelace@example.org", Some("ada.lovelace@example.org"));
    }

    #[test]
    fn too_short_a_name_is_refused() {
        check("ab", None);
    }

    #[test]
    fn spaces_and_letters_of_other_alphabets_are_refused() {
        check("ada lovelace", None);
        check("аda", None);
    }

    #[test]
    fn the_longest_name_has_128_characters() {
        check(&"a".repeat(128), Some(&"a".repeat(128)));
        check(&"a".repeat(129), None);
    }
}
