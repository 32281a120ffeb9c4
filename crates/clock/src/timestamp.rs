//! A moment, as stored and as told: Unix milliseconds inside, RFC 3339 outside.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment in UTC, to the millisecond, from 1970 to 9999. Its text form is RFC 3339 with
/// milliseconds, like `2026-03-01T09:30:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

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

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = std::time::UNIX_EPOCH + Duration::from_millis(self.0);
        humantime::format_rfc3339_millis(moment).fmt(f)
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
        serializer.collect_str(self)
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
