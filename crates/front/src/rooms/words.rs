//! What those who wait are told, in words.

use waiting::{Reason, Standing};

/// How long something takes, as people say it: a promise to the second would be broken.
pub(super) fn about(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..15 => "a few seconds".to_owned(),
        15..50 => "less than a minute".to_owned(),
        50..90 => "about a minute".to_owned(),
        90..3300 => format!("about {} minutes", (seconds + 30) / 60),
        3300..5400 => "about an hour".to_owned(),
        5400..82_800 => format!("about {} hours", (seconds + 1800) / 3600),
        _ => "more than a day".to_owned(),
    }
}

/// What somebody who waits may expect.
pub(super) fn expectation(standing: &Standing) -> String {
    match (standing.opens_in_ms, standing.place, standing.wait_ms) {
        (Some(opens), ..) if opens >= 1000 => format!("It opens in {}.", about(opens)),
        (Some(_), ..) | (None, None, _) => "It opens at any moment.".to_owned(),
        (None, Some(1), Some(_)) => "You are next.".to_owned(),
        (None, Some(_), Some(wait)) => format!("Your turn comes in {}.", about(wait)),
        (None, Some(_), None) => "Nobody is let in at the moment. Your place is kept.".to_owned(),
    }
}

/// Why there is nothing to wait for.
pub(super) const fn ending(reason: Reason) -> &'static str {
    match reason {
        Reason::SoldOut => "Nothing is left. We are sorry.",
        Reason::Ended => "The time for this is over.",
        Reason::Cancelled => "This will not take place.",
        Reason::Postponed => "This was put off to a later time.",
    }
}

/// A number with its thousands apart, which a screen reader still takes for one.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_say_them() {
        for (seconds, words) in [
            (3, "a few seconds"),
            (40, "less than a minute"),
            (60, "about a minute"),
            (90, "about 2 minutes"),
            (3000, "about 50 minutes"),
            (3600, "about an hour"),
            (7200, "about 2 hours"),
            (90_000, "more than a day"),
        ] {
            assert_eq!(about(seconds * 1000), words);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
