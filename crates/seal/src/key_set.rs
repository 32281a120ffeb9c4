//! What a key file holds, and its text: JSON that people can read and must not edit.

use std::{borrow::Cow, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clock::{Clock, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::secret::Secret;

/// The only version of the text there is.
const VERSION: u32 = 1;
/// Generations kept at once; beyond it, old ones must be destroyed first.
pub(crate) const GENERATIONS_MAX: usize = 100;
/// Longer than any key file: 100 generations need about 16 KiB.
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1024;

const ABOUT: &str = "Secret keys of Holdfast. Keep a copy offline: without this file nothing that was \
sealed can be opened, and whoever reads it can open and sign everything. Do not edit it.";

/// A generation of the wrapping keys: 1 for the first, one more at each rotation, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(u32);

/// Every secret of one deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct KeySet {
    pub(crate) root: Secret,
    pub(crate) ed25519_seed: Secret,
    pub(crate) ml_dsa_44_seed: Secret,
    /// Oldest first; never empty.
    wrapping: Vec<WrappingKey>,
}

/// A key that wraps persons' keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct WrappingKey {
    pub(crate) generation: Generation,
    made_at: Timestamp,
    pub(crate) key: Secret,
}

/// Why a text is not a key file. It never repeats any of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    #[error("it ends too early: restore it from a copy")]
    Truncated,
    #[error("it is not a key file, or was damaged, at line {line}, column {column}: restore it from a copy")]
    Malformed { line: usize, column: usize },
    #[error("it has version {0}, and this release reads version {VERSION}: run the release that wrote it")]
    Version(u32),
    #[error("its check does not match its keys: it was edited or damaged; restore it from a copy")]
    Check,
    #[error("its wrapping keys are missing, out of order or too many: restore it from a copy")]
    Generations,
    #[error("it is longer than any key file: {TEXT_BYTES_MAX} bytes at most")]
    TooLong,
}

/// Says whether these bytes are the text of a key file, without keeping any of it.
pub fn check_key_text(text: &[u8]) -> Result<(), KeyTextError> {
    KeySet::from_text(text).map(drop)
}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text<'a, Keys> {
    version: u32,
    #[serde(borrow)]
    about: Cow<'a, str>,
    keys: Keys,
    #[serde(borrow)]
    check: Cow<'a, str>,
}

/// The part that every version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Generation {
    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl WrappingKey {
    pub(crate) fn new(generation: Generation, clock: &Clock) -> Self {
        Self { generation, made_at: clock.now(), key: Secret::random(clock) }
    }
}

impl KeySet {
    /// The keys of a first start.
    pub(crate) fn generate(clock: &Clock) -> Self {
        Self {
            root: Secret::random(clock),
            ed25519_seed: Secret::random(clock),
            ml_dsa_44_seed: Secret::random(clock),
            wrapping: vec![WrappingKey::new(Generation::new(1), clock)],
        }
    }

    /// The one that wraps.
    pub(crate) fn newest(&self) -> &WrappingKey {
        self.wrapping.last().expect("a key set is never without a wrapping key")
    }

    pub(crate) fn find(&self, generation: Generation) -> Option<&WrappingKey> {
        self.wrapping.iter().find(|key| key.generation == generation)
    }

    /// Every generation and when it was made, oldest first.
    pub(crate) fn generations(&self) -> Vec<(Generation, Timestamp)> {
        self.wrapping.iter().map(|key| (key.generation, key.made_at)).collect()
    }

    /// Adds a generation, if there is room for one.
    pub(crate) fn add_generation(&mut self, clock: &Clock) -> Option<Generation> {
        let next = Generation::new(self.newest().generation.number().checked_add(1)?);
        if self.wrapping.len() >= GENERATIONS_MAX {
            return None;
        }
        self.wrapping.push(WrappingKey::new(next, clock));
        Some(next)
    }

    /// Forgets a generation that is not the newest.
    pub(crate) fn remove(&mut self, generation: Generation) {
        let newest = self.newest().generation;
        self.wrapping.retain(|key| key.generation != generation || key.generation == newest);
    }

    pub(crate) fn to_text(&self) -> Zeroizing<Vec<u8>> {
        // Room for everything, because a vector that grows leaves copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(TEXT_BYTES_MAX));
        let file = Text { version: VERSION, about: ABOUT.into(), keys: self, check: self.check().into() };
        serde_json::to_writer_pretty(&mut *text, &file).expect("a key set has a text");
        text.push(b'\n');
        text
    }

    pub(crate) fn from_text(text: &[u8]) -> Result<Self, KeyTextError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(KeyTextError::TooLong);
        }
        let Version { version } = serde_json::from_slice(text).map_err(|error| place_of(&error))?;
        if version != VERSION {
            return Err(KeyTextError::Version(version));
        }
        let file: Text<'_, Self> = serde_json::from_slice(text).map_err(|error| place_of(&error))?;
        let wrapping = &file.keys.wrapping;
        let in_order = wrapping.is_sorted_by(|one, next| one.generation < next.generation);
        if wrapping.is_empty() || wrapping.len() > GENERATIONS_MAX || !in_order {
            return Err(KeyTextError::Generations);
        }
        if file.keys.check() != file.check {
            return Err(KeyTextError::Check);
        }
        Ok(file.keys)
    }

    /// 128 bits of BLAKE3 over every key, so that a changed character is an error and not another key.
    fn check(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("holdfast 2026 seal key file check v1");
        for secret in [&self.root, &self.ed25519_seed, &self.ml_dsa_44_seed] {
            hasher.update(secret.bytes());
        }
        for wrapping in &self.wrapping {
            hasher.update(&wrapping.generation.number().to_be_bytes());
            hasher.update(&wrapping.made_at.millis().to_be_bytes());
            hasher.update(wrapping.key.bytes());
        }
        let mut check = [0; 16];
        hasher.finalize_xof().fill(&mut check);
        hasher.zeroize();
        URL_SAFE_NO_PAD.encode(check)
    }
}

/// Where, but not what: the parser's own message may quote a secret.
fn place_of(error: &serde_json::Error) -> KeyTextError {
    if error.is_eof() {
        return KeyTextError::Truncated;
    }
    KeyTextError::Malformed { line: error.line(), column: error.column() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> Vec<u8> {
        let clock = Clock::manual(Timestamp::EPOCH, 1);
        let mut set = KeySet::generate(&clock);
        set.add_generation(&clock);
        set.to_text().to_vec()
    }

    #[test]
    fn a_key_set_reads_back_from_its_text() {
        let set = KeySet::from_text(&text()).unwrap();
        assert_eq!(*set.to_text(), text());
        assert_eq!(set.newest().generation, Generation::new(2));
    }

    #[test]
    fn a_cut_text_says_that_it_was_cut() {
        let text = text();
        let whole = text.len() - 1; // Without the last newline it is still whole.
        for length in 0..whole {
            let error = check_key_text(&text[..length]).unwrap_err();
            assert_eq!(error, KeyTextError::Truncated, "{length} bytes");
        }
        assert_eq!(check_key_text(&text[..whole]), Ok(()));
    }

    #[test]
    fn a_changed_character_of_a_key_is_noticed() {
        let text = String::from_utf8(text()).unwrap();
        let keys_begin = text.find("\"keys\"").unwrap();
        for (at, old) in text.char_indices().filter(|(at, old)| *at > keys_begin && old.is_alphanumeric()) {
            let mut altered = text.clone();
            altered.replace_range(at..=at, if old == 'A' { "B" } else { "A" });
            assert!(check_key_text(altered.as_bytes()).is_err(), "{altered}");
        }
    }

    #[test]
    fn a_newer_file_says_which_release_to_run() {
        assert_eq!(check_key_text(br#"{"version": 2, "more": []}"#), Err(KeyTextError::Version(2)));
    }

    #[test]
    fn errors_and_debug_repeat_no_secret() {
        let error = check_key_text(br#"{"version": "hunter2"}"#).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        let set = KeySet::generate(&Clock::manual(Timestamp::EPOCH, 1));
        let root = URL_SAFE_NO_PAD.encode(set.root.bytes());
        assert!(String::from_utf8(set.to_text().to_vec()).unwrap().contains(&root));
        assert!(!format!("{set:?}").contains(&root));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_calmly(bytes: Vec<u8>) {
            prop_assert!(check_key_text(&bytes).is_err());
        }

        #[test]
        fn a_damaged_text_is_refused_calmly(at in 0_usize..900, byte: u8) {
            let mut text = text();
            let at = at % text.len();
            text[at] = byte;
            let _ = check_key_text(&text);
        }
    }
}
