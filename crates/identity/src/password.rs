//! Which passwords may be chosen: the rules of NIST SP 800-63B-4, section 3.1.1.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::login_name::LoginName;

/// The fewest characters, for a password that is the only factor.
pub const PASSWORD_CHARS_MIN: usize = 15;
/// The most characters. Longer ones are refused, never cut.
pub const PASSWORD_CHARS_MAX: usize = 256;

/// How hard to guess it must be, from 0 to 4: at 3, some hundred million tries do not find it.
const SCORE_MIN: zxcvbn::Score = zxcvbn::Score::Three;
/// The estimate looks at so many characters; more of them only make a password harder to guess.
const SCORED_CHARS_MAX: usize = 100;

/// A password as typed. Wiped when dropped, and shown to no log.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Password(Zeroizing<String>);

/// Why a password may not be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("a password has at least {PASSWORD_CHARS_MIN} characters; several words make a good one")]
    TooShort,
    #[error("a password has at most {PASSWORD_CHARS_MAX} characters")]
    TooLong,
    #[error("this password is too easy to guess: {0}")]
    Guessable(String),
}

impl Password {
    /// The bytes to hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Too long to be anybody's password: not worth hashing.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.0.chars().count() > PASSWORD_CHARS_MAX
    }

    /// May it be chosen by the person of this name? No rule asks for kinds of characters; length and a
    /// blocklist (common passwords, names, words, dates, keyboard walks) decide.
    ///
    /// # Errors
    /// The rule that it breaks, and what would help.
    pub fn check_choice(&self, name: &LoginName) -> Result<(), PasswordError> {
        let chars = self.0.chars().count();
        if chars < PASSWORD_CHARS_MIN {
            return Err(PasswordError::TooShort);
        }
        if chars > PASSWORD_CHARS_MAX {
            return Err(PasswordError::TooLong);
        }
        let scored: Zeroizing<String> = Zeroizing::new(self.0.chars().take(SCORED_CHARS_MAX).collect());
        let own_words: Vec<_> =
            name.as_str().split(['.', '_', '-', '@', '+']).chain([name.as_str()]).collect();
        let estimate = zxcvbn::zxcvbn(&scored, &own_words);
        if estimate.score() >= SCORE_MIN && !is_made_of(&scored, &own_words) {
            return Ok(());
        }
        let advice = estimate.feedback().and_then(|feedback| feedback.warning());
        Err(PasswordError::Guessable(advice.map_or_else(
            || "choose several unrelated words".to_owned(),
            |advice| advice.to_string().trim_end_matches('.').to_lowercase(),
        )))
    }
}

/// Is little left of a password without the words of its person's name? However often they are said, they
/// are the first that a guesser tries.
fn is_made_of(password: &str, own_words: &[&str]) -> bool {
    let mut rest = Zeroizing::new(password.to_lowercase());
    // The whole name, which is last, goes first.
    for word in own_words.iter().rev().filter(|word| word.len() >= 3) {
        rest = Zeroizing::new(rest.replace(word, ""));
    }
    rest.len() < password.len() && zxcvbn::zxcvbn(&rest, own_words).score() < SCORE_MIN
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(password: &str, acceptable: bool) {
        let name = "ada.lovelace".parse().expect("it is a name");
        let checked = Password::from(password.to_owned()).check_choice(&name);
        assert_eq!(checked.is_ok(), acceptable, "{checked:?}");
    }

    #[test]
    fn several_words_are_a_good_password() {
        check("kelp holds fast in winter storms", true);
    }

    #[test]
    fn no_kinds_of_characters_are_asked_for() {
        check("ruderalvegetation am bahndamm", true);
    }

    #[test]
    fn fourteen_characters_are_too_few() {
        check("qm3!vZ0#pL7?xK", false);
    }

    #[test]
    fn a_common_password_made_longer_is_refused() {
        check("passwordpassword1", false);
    }

    #[test]
    fn ones_own_name_is_refused() {
        check("ada.lovelace.ada.lovelace", false);
        check("Lovelace Lovelace Ada 1815", false);
        check("lovelace kelp holds fast in winter storms", true);
    }

    #[test]
    fn very_long_ones_are_refused_and_not_cut() {
        check(&"kelp holds fast ".repeat(17), false);
    }
}
