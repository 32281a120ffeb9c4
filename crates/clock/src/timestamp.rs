//! A moment, as stored and as told: Unix milliseconds inside, RFC 3339 outside.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment in UTC, to the millisecond, from 1970 to 9999. Its text form is RFC 3339 with
/// milliseconds, like `2026-03-01T09:30:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// Bytes of the text form.
const TEXT_BYTES: usize = 24;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What was read is not a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time: write it in UTC as RFC 3339 has it, like 2026-03-01T09:30:00.000Z")]
pub struct TimestampError;

impl Timestamp {
    /// 1 January 1970.
    pub const EPOCH: Self = Self(0);
    /// The last moment that has a text form: the end of the year 9999.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The moment so many milliseconds after the epoch, or [`Timestamp::MAX`] if that comes first.
    #[must_use]
    pub const fn from_millis(unix_ms: u64) -> Self {
        if unix_ms < Self::MAX.0 { Self(unix_ms) } else { Self::MAX }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The text form.
    #[must_use]
    pub fn to_text(self) -> [u8; TEXT_BYTES] {
        let (day, in_day) = (self.0 / DAY_MS, self.0 % DAY_MS);
        let (year, month, day) = date(day);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |end: usize, digits: usize, mut number: u64| {
            for place in text[end - digits..end].iter_mut().rev() {
                *place = b"0123456789"[usize::try_from(number % 10).unwrap_or_default()];
                number /= 10;
            }
        };
        put(4, 4, year);
        put(7, 2, month);
        put(10, 2, day);
        put(13, 2, in_day / 3_600_000);
        put(16, 2, in_day / 60_000 % 60);
        put(19, 2, in_day / 1000 % 60);
        put(23, 3, in_day % 1000);
        text
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The moment `later` after this one.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(u64::try_from(later.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The moment `earlier` before this one, or the epoch.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(earlier.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; nothing if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Year, month and day of a day counted from 1970. The year is taken to begin in March, so that the day
/// that comes every fourth year is its last.
const fn date(day: u64) -> (u64, u64, u64) {
    // Days since 1 March of the year 0, and then within its 400 years, which all have the same length.
    let day = day + 719_468;
    let (era, in_era) = (day / 146_097, day % 146_097);
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let in_month = in_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (year + era * 400, month, in_month)
}

fn text(bytes: &[u8; TEXT_BYTES]) -> &str {
    std::str::from_utf8(bytes).expect("digits and punctuation are text")
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(text(&self.to_text()))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let moment = humantime::parse_rfc3339(text).map_err(|_| TimestampError)?;
        let since_epoch = moment.duration_since(std::time::UNIX_EPOCH).map_err(|_| TimestampError)?;
        u64::try_from(since_epoch.as_millis()).map(Self::from_millis).map_err(|_| TimestampError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text(&self.to_text()))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_written_as_others_write_it() {
        for day in 0..=Timestamp::MAX.millis() / DAY_MS {
            let at = Timestamp::from_millis(day * DAY_MS + 45_296_789);
            let moment = std::time::UNIX_EPOCH + Duration::from_millis(at.millis());
            assert_eq!(at.to_string(), humantime::format_rfc3339_millis(moment).to_string());
        }
    }

    #[test]
    fn a_moment_reads_back_from_its_text() {
        for ms in [0, 1, 1_772_357_400_000, Timestamp::MAX.millis()] {
            let moment = Timestamp::from_millis(ms);
            assert_eq!(moment.to_string().parse(), Ok(moment), "{moment}");
        }
    }

    #[test]
    fn a_moment_is_told_in_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_772_357_400_007).to_string(), "2026-03-01T09:30:00.007Z");
    }

    #[test]
    fn arithmetic_stays_within_the_years_that_can_be_told() {
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.minus(Duration::MAX), Timestamp::EPOCH);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::MAX), Duration::ZERO);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }
}
