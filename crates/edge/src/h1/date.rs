//! The `Date` field (RFC 9110, section 6.6.1), written once a sweep and copied into each answer.

use std::{
    cell::Cell,
    time::{Duration, UNIX_EPOCH},
};

use clock::{Clock, Timestamp};

/// Characters of a date.
const LENGTH: usize = 29;

thread_local! {
    static DATE: Cell<Option<[u8; LENGTH]>> = const { Cell::new(None) };
}

/// What this thread's answers are dated from now on.
pub(crate) fn set_date(now: Timestamp) {
    DATE.set(Some(written(now)));
}

/// The date to answer with; at most a sweep old, which is a second.
pub(super) fn date(clock: &Clock) -> [u8; LENGTH] {
    DATE.get().unwrap_or_else(|| written(clock.now()))
}

fn written(now: Timestamp) -> [u8; LENGTH] {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now.seconds()));
    let mut date = [b' '; LENGTH];
    date.iter_mut().zip(text.bytes()).for_each(|(place, letter)| *place = letter);
    date
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_http_has_it() {
        set_date(Timestamp::from_millis(784_111_777_999));
        assert_eq!(&date(&Clock::System), b"Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
