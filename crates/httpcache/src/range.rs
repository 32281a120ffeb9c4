//! Which part of an answer is asked for (RFC 9110, section 14).

use std::ops::Range;

use http::{HeaderMap, header};

/// What is given of an answer that is there whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Bytes(Range<usize>),
    /// It has no such part.
    Nothing,
}

impl Part {
    /// Of an answer of so many bytes: one range of them. Of several ranges, as of what cannot be read, the whole comes,
    /// which is always allowed (section 14.2).
    pub(crate) fn of(request: &HeaderMap, answer: &HeaderMap, bytes: usize) -> Self {
        // A part of compressed bytes fits no other coding of the same text, nor the same coding done again.
        if answer.contains_key(header::CONTENT_ENCODING) || !is_of_the_same(request, answer) {
            return Self::Whole;
        }
        let mut ranges = request.get_all(header::RANGE).iter();
        let only = ranges.next().filter(|_| ranges.next().is_none());
        only.and_then(|range| read(range.to_str().ok()?, bytes)).unwrap_or(Self::Whole)
    }
}

/// Would the part go with those that the caller has (section 13.1.5)? A moment never says so for certain.
fn is_of_the_same(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let Some(condition) = request.get(header::IF_RANGE) else { return true };
    condition.as_bytes().starts_with(b"\"") && answer.get(header::ETAG) == Some(condition)
}

fn read(range: &str, bytes: usize) -> Option<Part> {
    let (unit, span) = range.split_once('=')?;
    let (first, last) = span.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || bytes == 0 {
        return None;
    }
    let span = match (first, last) {
        ("", last) => bytes.saturating_sub(position(last)?)..bytes,
        (first, "") => position(first)?..bytes,
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            first..(first <= last).then(|| last.saturating_add(1).min(bytes))?
        }
    };
    Some(if span.is_empty() { Part::Nothing } else { Part::Bytes(span) })
}

/// A number of bytes; one that is too large to be one is beyond all of them.
fn position(digits: &str) -> Option<usize> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

/// How many bytes an answer has of which this is a part, if that is said.
pub fn whole_bytes(part: &HeaderMap) -> Option<usize> {
    let range = part.get(header::CONTENT_RANGE)?.to_str().ok()?;
    position(range.trim().strip_prefix("bytes ")?.rsplit_once('/')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::fields;
    use proptest::prelude::*;

    #[track_caller]
    fn check(range: &str, expected: &Part) {
        assert_eq!(Part::of(&fields(&[("range", range)]), &HeaderMap::new(), 10), *expected, "{range}");
    }

    #[test]
    fn one_range_is_cut_to_what_there_is() {
        check("bytes=0-3", &Part::Bytes(0..4));
        check("Bytes=4-4", &Part::Bytes(4..5));
        check("bytes=4-", &Part::Bytes(4..10));
        check("bytes=4-99999999999999999999999", &Part::Bytes(4..10));
        check("bytes=-3", &Part::Bytes(7..10));
        check("bytes=-30", &Part::Bytes(0..10));
    }

    #[test]
    fn what_lies_behind_the_end_is_not_there() {
        check("bytes=10-", &Part::Nothing);
        check("bytes=99999999999999999999999-", &Part::Nothing);
        check("bytes=-0", &Part::Nothing);
    }

    #[test]
    fn what_is_no_single_range_gives_the_whole() {
        for range in
            ["bytes=0-1,3-4", "bytes=3-2", "bytes=", "bytes=-", "bytes=a-b", "lines=0-1", "0-1", "bytes=+1-2"]
        {
            check(range, &Part::Whole);
        }
        let twice = fields(&[("range", "bytes=0-1"), ("range", "bytes=3-4")]);
        assert_eq!(Part::of(&twice, &HeaderMap::new(), 10), Part::Whole);
        assert_eq!(Part::of(&fields(&[("range", "bytes=0-")]), &HeaderMap::new(), 0), Part::Whole);
    }

    #[test]
    fn a_part_goes_only_with_parts_of_the_same_bytes() {
        let part = |if_range: &str, answer: &[(&'static str, &str)]| {
            Part::of(&fields(&[("range", "bytes=0-0"), ("if-range", if_range)]), &fields(answer), 10)
        };
        assert_eq!(part("\"a\"", &[("etag", "\"a\"")]), Part::Bytes(0..1));
        assert_eq!(part("\"b\"", &[("etag", "\"a\"")]), Part::Whole);
        assert_eq!(part("W/\"a\"", &[("etag", "W/\"a\"")]), Part::Whole);
        let date = "Sun, 01 Mar 2026 09:30:00 GMT";
        assert_eq!(part(date, &[("last-modified", date)]), Part::Whole);
        let coded = fields(&[("content-encoding", "br")]);
        assert_eq!(Part::of(&fields(&[("range", "bytes=0-0")]), &coded, 10), Part::Whole);
    }

    #[test]
    fn a_part_says_how_large_the_whole_is() {
        let whole = |range: &str| whole_bytes(&fields(&[("content-range", range)]));
        assert_eq!(whole("bytes 0-3/1234"), Some(1234));
        assert_eq!((whole("bytes 0-3/*"), whole("lines 0-3/9"), whole("bytes 0-3")), (None, None, None));
    }

    proptest! {
        #[test]
        fn any_range_lies_within_the_answer(range in "bytes=[0-9,-]{0,8}|[ -~]{0,20}", bytes in 0_usize..50) {
            match Part::of(&fields(&[("range", &range)]), &HeaderMap::new(), bytes) {
                Part::Bytes(span) => prop_assert!(span.start < span.end && span.end <= bytes),
                Part::Whole | Part::Nothing => {}
            }
        }
    }
}
