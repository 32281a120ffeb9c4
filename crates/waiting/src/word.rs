//! What an operator or a service says about a room, in one number that nodes share.

use serde::{Deserialize, Serialize};

/// Why there is nothing left to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nothing is left of what they wait for.
    SoldOut,
    /// The time for it is over.
    Ended,
    /// It will not take place.
    Cancelled,
    /// It is put off to a later time.
    Postponed,
}

/// The last word about a room; 0 as a number for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Word {
    pub closed: Option<Reason>,
    /// Opened by hand, whatever time the settings say.
    pub opened: bool,
    /// People let in in 1,000 seconds, instead of what the settings say.
    pub rate_milli: Option<u32>,
}

const OPENED: u64 = 1 << 8;
const RATED: u64 = 1 << 9;

impl Word {
    /// As one number.
    #[must_use]
    pub fn pack(self) -> u64 {
        let reason = match self.closed {
            None => 0,
            Some(Reason::SoldOut) => 1,
            Some(Reason::Ended) => 2,
            Some(Reason::Cancelled) => 3,
            Some(Reason::Postponed) => 4,
        };
        let rate = self.rate_milli.map_or(0, |rate| RATED | u64::from(rate) << 32);
        reason | if self.opened { OPENED } else { 0 } | rate
    }

    /// From such a number.
    #[must_use]
    pub fn unpack(packed: u64) -> Self {
        let closed = match packed & 0xFF {
            1 => Some(Reason::SoldOut),
            2 => Some(Reason::Ended),
            3 => Some(Reason::Cancelled),
            4 => Some(Reason::Postponed),
            _ => None,
        };
        let rate = u32::try_from(packed >> 32).unwrap_or_default();
        Self { closed, opened: packed & OPENED != 0, rate_milli: (packed & RATED != 0).then_some(rate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one_number_and_none_is_nought() {
        let reasons = [
            None,
            Some(Reason::SoldOut),
            Some(Reason::Ended),
            Some(Reason::Cancelled),
            Some(Reason::Postponed),
        ];
        for closed in reasons {
            for opened in [false, true] {
                for rate_milli in [None, Some(0), Some(u32::MAX)] {
                    let word = Word { closed, opened, rate_milli };
                    assert_eq!(Word::unpack(word.pack()), word);
                }
            }
        }
        assert_eq!(Word::default().pack(), 0);
    }
}
