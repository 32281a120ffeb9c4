//! The name of a request, by which a caller, the log and the next service mean the same one.

use std::cell::RefCell;

use clock::Clock;
use http::{HeaderName, HeaderValue};

/// The header field that carries it, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest name that is taken over from a caller, in characters.
const LENGTH_MAX: usize = 64;
/// A name of ours: 16 hexadecimal digits for the thread's series, a hyphen, 8 for the number in it.
const LENGTH: usize = 25;

/// The name of one request: the caller's if it is sane, otherwise ours. Handlers find it among the
/// request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The name to answer to: `theirs` if it is sane.
    pub fn of(theirs: Option<&[u8]>, clock: &Clock) -> Self {
        let theirs = theirs.filter(|name| is_sane(name)).and_then(|name| HeaderValue::from_bytes(name).ok());
        Self(theirs.unwrap_or_else(|| {
            let name = SERIES.with_borrow_mut(|series| series.next(clock));
            HeaderValue::from_bytes(&name).expect("hexadecimal digits are visible")
        }))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub fn into_value(self) -> HeaderValue {
        self.0
    }
}

/// Writes the name to answer to: `theirs` if it is sane.
pub fn write_request_id(out: &mut Vec<u8>, theirs: Option<&[u8]>, clock: &Clock) {
    match theirs.filter(|name| is_sane(name)) {
        Some(name) => out.extend_from_slice(name),
        None => SERIES.with_borrow_mut(|series| out.extend_from_slice(&series.next(clock))),
    }
}

/// It will stand in logs and go on to others, so it may hold nothing that means anything to them.
fn is_sane(name: &[u8]) -> bool {
    let letters = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=LENGTH_MAX).contains(&name.len()) && name.iter().all(letters)
}

/// The names this thread gives: told apart from all other series by 64 random bits, and within it by
/// counting. They are not secrets, so one throw of the dice serves four billion of them.
struct Series {
    prefix: Option<[u8; 16]>,
    next: u32,
}

thread_local! {
    static SERIES: RefCell<Series> = const { RefCell::new(Series { prefix: None, next: 0 }) };
}

impl Series {
    fn next(&mut self, clock: &Clock) -> [u8; LENGTH] {
        let prefix = *self.prefix.get_or_insert_with(|| digits(u64::from_be_bytes(clock.random())));
        let mut name = [b'-'; LENGTH];
        name[..16].copy_from_slice(&prefix);
        name[17..].copy_from_slice(&digits(u64::from(self.next))[8..]);
        self.next = self.next.wrapping_add(1);
        if self.next == 0 {
            self.prefix = None;
        }
        name
    }
}

fn digits(number: u64) -> [u8; 16] {
    let mut text = [0; 16];
    for (pair, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[track_caller]
    fn check(theirs: &'static str, kept: bool) {
        assert_eq!(
            RequestId::of(Some(theirs.as_bytes()), &Clock::System).as_str() == theirs,
            kept,
            "{theirs}"
        );
    }

    #[test]
    fn a_sane_name_is_taken_over() {
        check("3f2a-b.C_9", true);
    }

    #[test]
    fn a_name_that_could_forge_a_log_line_is_not() {
        check("a b", false);
        check("{\"level\":1}", false);
        check("", false);
        check("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false);
    }

    #[test]
    fn our_names_never_repeat() {
        let name = |_| RequestId::of(None, &Clock::System).as_str().to_owned();
        let names: HashSet<_> = (0..1000).map(name).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() == LENGTH), "{names:?}");
    }
}
