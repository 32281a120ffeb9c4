//! Is this an attack? Decided by hand, or once a second from how many requests had to be turned away.

use serde::{Deserialize, Serialize};

/// Who decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttackMode {
    Off,
    On,
    /// It is when, for some seconds, half of what comes has to be turned away, and is over when that has been little
    /// for a minute.
    #[default]
    Auto,
}

/// Requests turned away in a second, at least, for it to be an attack; and as a part of all.
const MANY: u64 = 500;
const PART: u64 = 2;
/// So many seconds in a row.
const BEGINS_AFTER: u32 = 5;

/// It is over when so few were turned away in a second, for so many seconds in a row.
const FEW: u64 = 100;
const ENDS_AFTER: u32 = 60;

/// What was seen lately.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Alarm {
    raised: bool,
    /// Seconds in a row that speak for a change.
    row: u32,
}

impl Alarm {
    pub(crate) const fn is_raised(&self) -> bool {
        self.raised
    }

    /// Another second: so many requests came, and so many of them were turned away. Is it an attack now?
    pub(crate) fn second(&mut self, came: u64, turned_away: u64) -> bool {
        let many = turned_away >= MANY && turned_away * PART >= came;
        let (speaks, enough) =
            if self.raised { (turned_away < FEW, ENDS_AFTER) } else { (many, BEGINS_AFTER) };
        self.row = if speaks { self.row + 1 } else { 0 };
        if self.row >= enough {
            *self = Self { raised: !self.raised, row: 0 };
        }
        self.raised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(alarm: &mut Alarm, seconds: u32, came: u64, turned_away: u64) -> bool {
        (0..seconds).fold(false, |_, _| alarm.second(came, turned_away))
    }

    #[test]
    fn a_flood_of_some_seconds_is_an_attack_until_a_minute_is_quiet() {
        let mut alarm = Alarm::default();
        assert!(!after(&mut alarm, 4, 10_000, 9_000));
        assert!(after(&mut alarm, 1, 10_000, 9_000));
        assert!(after(&mut alarm, 59, 1_000, 50));
        assert!(after(&mut alarm, 1, 1_000, 600), "it goes on");
        assert!(after(&mut alarm, 59, 1_000, 50));
        assert!(!after(&mut alarm, 1, 1_000, 50));
    }

    #[test]
    fn a_busy_day_is_none() {
        let mut alarm = Alarm::default();
        assert!(!after(&mut alarm, 100, 100_000, 2_000), "a small part is turned away");
        assert!(!after(&mut alarm, 100, 400, 400), "few are");
        let broken = (0..100).any(|second| alarm.second(1_000, if second % 5 == 4 { 0 } else { 900 }));
        assert!(!broken, "never long enough");
    }
}
