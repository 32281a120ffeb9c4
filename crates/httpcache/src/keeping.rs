//! What may be kept of an answer and for how long (RFC 9111, as a cache that many callers share).

use std::time::{Duration, UNIX_EPOCH};

use clock::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{
    CacheControl,
    cache_control::{SECONDS_MAX, seconds},
};

/// The field that names what an answer depends on, with spaces between.
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// Tags of one answer, and letters of one.
const TAGS_MAX: usize = 128;
const TAG_LENGTH_MAX: usize = 256;

/// For how long an answer is kept, and as what. No time is longer than 2^31 seconds (RFC 9111, section 1.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// How old it was when it came.
    pub age: Duration,
    pub fresh: Duration,
    /// After that, while it is asked for anew.
    pub stale_while_revalidate: Duration,
    /// And when it cannot be.
    pub stale_if_error: Duration,
}

/// May an answer be kept, and how? Only what says for how long is.
#[must_use]
pub fn keeping(
    request: &HeaderMap,
    status: StatusCode,
    answer: &HeaderMap,
    now: Timestamp,
) -> Option<Keeping> {
    let (asked, said) = (CacheControl::of(request), CacheControl::of(answer));
    let kinds = [200, 203, 204, 300, 301, 308, 404, 410];
    let forbidden = asked.no_store || said.no_store || said.no_cache || said.private;
    let personal = answer.contains_key(header::SET_COOKIE)
        || (request.contains_key(header::AUTHORIZATION)
            && !(said.public || said.must_revalidate || said.s_maxage_s.is_some()));
    let varies_on_all = vary(answer).is_none();
    if forbidden || personal || varies_on_all || !kinds.contains(&status.as_u16()) {
        return None;
    }
    let expires = || {
        let until = date(answer.get(header::EXPIRES)?)?;
        let made = answer.get(header::DATE).and_then(date).unwrap_or(now);
        Some(until.since(made).as_secs().min(SECONDS_MAX))
    };
    let fresh_s = said.s_maxage_s.or(said.max_age_s).or_else(expires)?;
    let age_s = answer.get(header::AGE).and_then(|age| seconds(age.to_str().ok()?.trim())).unwrap_or(0);
    let (age, fresh) = (Duration::from_secs(age_s), Duration::from_secs(fresh_s));
    let stale =
        |seconds: Option<u64>| Duration::from_secs(seconds.filter(|_| !said.must_revalidate).unwrap_or(0));
    let keeping = Keeping {
        age,
        fresh,
        stale_while_revalidate: stale(said.stale_while_revalidate_s),
        stale_if_error: stale(said.stale_if_error_s),
    };
    (age < fresh).then_some(keeping)
}

/// May nobody keep such an answer, whoever asks? Failures say nothing of that: they pass, and a request that is odd
/// enough is refused anywhere.
#[must_use]
pub fn is_kept_for_nobody(status: StatusCode, answer: &HeaderMap, now: Timestamp) -> bool {
    let is_told = status.is_success() || (status.is_redirection() && status != StatusCode::NOT_MODIFIED);
    is_told && keeping(&HeaderMap::new(), status, answer, now).is_none()
}

fn date(value: &HeaderValue) -> Option<Timestamp> {
    let moment = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(u64::try_from(since.as_millis()).ok()?))
}

/// The fields of a request that an answer depends on, in small letters; nothing if it depends on more than those.
#[must_use]
pub fn vary(answer: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for value in answer.get_all(header::VARY) {
        for name in value.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name = HeaderName::from_bytes(name.as_bytes()).ok().filter(|_| name != "*")?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Some(names)
}

/// What an answer depends on, by name: whoever changes one of these drops it.
#[must_use]
pub fn tags(answer: &HeaderMap) -> Vec<Box<str>> {
    let values = answer.get_all(SURROGATE_KEY).iter().filter_map(|value| value.to_str().ok());
    let tags = values.flat_map(str::split_ascii_whitespace).filter(|tag| tag.len() <= TAG_LENGTH_MAX);
    tags.take(TAGS_MAX).map(Into::into).collect()
}

/// Has the caller what would be sent (RFC 9110, section 13)?
#[must_use]
pub fn has_it_already(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    if request.contains_key(header::IF_NONE_MATCH) {
        let Some(tag) = answer.get(header::ETAG).and_then(text) else { return false };
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(text);
        let known: Vec<_> =
            known.flat_map(|value| value.split(',').map(opaque).collect::<Vec<_>>()).collect();
        return known.iter().any(|known| known == "*" || *known == opaque(&tag));
    }
    let changed = answer.get(header::LAST_MODIFIED).and_then(date);
    let seen = request.get(header::IF_MODIFIED_SINCE).and_then(date);
    matches!((changed, seen), (Some(changed), Some(seen)) if changed <= seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::fields;
    use proptest::prelude::*;

    fn kept(request: &[(&'static str, &str)], answer: &[(&'static str, &str)]) -> Option<u64> {
        let now = Timestamp::from_millis(1_772_357_400_000);
        let keeping = keeping(&fields(request), StatusCode::OK, &fields(answer), now)?;
        Some((keeping.fresh - keeping.age).as_secs())
    }

    #[test]
    fn what_says_for_how_long_is_kept_for_so_long() {
        assert_eq!(kept(&[], &[("cache-control", "max-age=60")]), Some(60));
        assert_eq!(kept(&[], &[("cache-control", "max-age=60, s-maxage=5")]), Some(5));
        assert_eq!(kept(&[], &[("cache-control", "max-age=60"), ("age", "50")]), Some(10));
        let expires =
            [("date", "Sun, 01 Mar 2026 09:30:00 GMT"), ("expires", "Sun, 01 Mar 2026 09:31:00 GMT")];
        assert_eq!(kept(&[], &expires), Some(60));
        assert_eq!(kept(&[], &[]), None);
        assert_eq!(kept(&[], &[("cache-control", "max-age=60"), ("age", "60")]), None);
        assert_eq!(kept(&[], &[("cache-control", "max-age=soon")]), None);
    }

    #[test]
    fn no_time_is_longer_than_the_longest() {
        let ages = |max_age: &str, age: &str| {
            let control = format!("max-age={max_age}");
            kept(&[], &[("cache-control", &control), ("age", age)])
        };
        assert_eq!(ages("18446744073709551615", "18446744073709551614"), None);
        assert_eq!(ages("99999999999999999999", "1"), Some(SECONDS_MAX - 1));
        assert_eq!(ages("9", "99999999999999999999"), None);
        let expires =
            [("date", "Sun, 01 Mar 2026 09:30:00 GMT"), ("expires", "Fri, 31 Dec 9999 23:59:59 GMT")];
        assert_eq!(kept(&[], &expires), Some(SECONDS_MAX));
    }

    #[test]
    fn what_is_for_one_caller_is_not_kept_for_others() {
        for control in [
            "no-store, max-age=60",
            "private, max-age=60",
            "no-cache, max-age=60",
            "max-age=60, private=\"x\"",
        ] {
            assert_eq!(kept(&[], &[("cache-control", control)]), None, "{control}");
        }
        assert_eq!(kept(&[], &[("cache-control", "max-age=60"), ("set-cookie", "a=b")]), None);
        assert_eq!(kept(&[], &[("cache-control", "max-age=60"), ("vary", "accept, *")]), None);
        let signed_in = [("authorization", "Bearer x")];
        assert_eq!(kept(&signed_in, &[("cache-control", "max-age=60")]), None);
        assert_eq!(kept(&signed_in, &[("cache-control", "public, max-age=60")]), Some(60));
        assert_eq!(kept(&[("cache-control", "no-store")], &[("cache-control", "max-age=60")]), None);
    }

    #[test]
    fn only_what_an_answer_says_to_everybody_keeps_it_from_everybody() {
        let now = Timestamp::EPOCH;
        for (status, answer, expected) in [
            (200, &[("cache-control", "max-age=60")][..], false),
            (200, &[("cache-control", "no-store")], true),
            (200, &[("cache-control", "private, max-age=60")], true),
            (200, &[("cache-control", "max-age=60"), ("vary", "*")], true),
            (200, &[("cache-control", "max-age=60"), ("set-cookie", "a=b")], true),
            (200, &[], true),
            (302, &[], true),
            (304, &[], false),
            (403, &[("cache-control", "no-store")], false),
            (404, &[], false),
            (406, &[], false),
            (412, &[], false),
            (503, &[], false),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(is_kept_for_nobody(status, &fields(answer), now), expected, "{status} {answer:?}");
        }
    }

    #[test]
    fn a_caller_who_has_it_is_not_sent_it_again() {
        let has = |request: &[(&'static str, &str)], answer: &[(&'static str, &str)]| {
            has_it_already(&fields(request), &fields(answer))
        };
        assert!(has(&[("if-none-match", "\"b\", W/\"a\"")], &[("etag", "\"a\"")]));
        assert!(!has(&[("if-none-match", "\"b\"")], &[("etag", "\"a\"")]));
        let date = "Sun, 01 Mar 2026 09:30:00 GMT";
        assert!(has(&[("if-modified-since", date)], &[("last-modified", date)]));
        assert!(!has(&[("if-modified-since", date), ("if-none-match", "\"b\"")], &[("last-modified", date)]));
    }

    #[test]
    fn tags_are_read_apart() {
        let answer = fields(&[("surrogate-key", "calendar/7  doctor/3"), ("cache-control", "max-age=1")]);
        assert_eq!(tags(&answer), ["calendar/7".into(), "doctor/3".into()]);
    }

    proptest! {
        #[test]
        fn any_control_is_read_without_a_panic(control in "[ -~]{0,80}", vary_on in "[ -~]{0,40}") {
            let answer = [("cache-control", control.as_str()), ("vary", vary_on.as_str())];
            let kept = kept(&[], &answer);
            prop_assert!(kept.is_none() || !control.to_ascii_lowercase().split(',').any(|part| part.trim() == "no-store"));
        }
    }
}
