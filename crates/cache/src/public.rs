//! Answers that anybody may keep: browsers, and caches in between (RFC 9110, 9111, 5861).

use std::fmt::Write;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, WARNING},
};

use crate::entry::{Found, How};

/// By these, caches in between drop what they keep when it changes.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// How long an answer may be kept, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// By whoever asked.
    pub max_age_s: u32,
    /// By caches in between, which surrogate keys reach.
    pub shared_max_age_s: u32,
    /// How long after that a cache serves it while it asks again.
    pub stale_while_revalidate_s: u32,
}

impl Keep {
    /// It may be kept, and whether it is still the same is asked each time.
    pub const ASK_EACH_TIME: Self = Self { max_age_s: 0, shared_max_age_s: 0, stale_while_revalidate_s: 0 };

    fn field(self) -> HeaderValue {
        if self == Self::ASK_EACH_TIME {
            return HeaderValue::from_static("no-cache");
        }
        let Self { max_age_s, shared_max_age_s, stale_while_revalidate_s } = self;
        let text = format!(
            "public, max-age={max_age_s}, s-maxage={shared_max_age_s}, \
             stale-while-revalidate={stale_while_revalidate_s}"
        );
        HeaderValue::try_from(text).expect("words and digits")
    }
}

/// The answer to `asked`: the whole of it, or 304 if the caller has it already. `keys` are surrogate keys,
/// words without spaces; others are left out.
#[must_use]
pub fn public(
    asked: &HeaderMap,
    kind: &'static str,
    body: Bytes,
    keep: Keep,
    keys: &[&str],
) -> Response<Bytes> {
    let tag = entity_tag(&body);
    let known = asked.get_all(IF_NONE_MATCH).iter().any(|known| names(known.as_bytes(), tag.as_bytes()));
    let mut response = Response::new(if known { Bytes::new() } else { body });
    let headers = response.headers_mut();
    headers.insert(ETAG, tag);
    headers.insert(CACHE_CONTROL, keep.field());
    let words: Vec<_> =
        keys.iter().copied().filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic())).collect();
    if let Ok(keys) = HeaderValue::try_from(words.join(" "))
        && !keys.is_empty()
    {
        headers.insert(SURROGATE_KEY, keys);
    }
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

/// Says how old an answer is, and if it could not be read anew, that too.
pub fn tell_age<V>(found: &Found<V>, headers: &mut HeaderMap) {
    headers.insert(AGE, HeaderValue::from(found.age.as_secs()));
    let warning = match found.how {
        How::Fresh => return,
        How::Stale => "110 - \"Response is Stale\"",
        How::StaleOnError => "111 - \"Revalidation Failed\"",
    };
    headers.insert(WARNING, HeaderValue::from_static(warning));
}

/// The answer, which says how old it is if it is not as it was read just now.
#[must_use]
pub fn told_if_old<V, B>(found: &Found<V>, mut answer: Response<B>) -> Response<B> {
    if found.how != How::Fresh {
        tell_age(found, answer.headers_mut());
    }
    answer
}

/// A strong one: other bytes have another.
fn entity_tag(body: &[u8]) -> HeaderValue {
    let mut text = String::from("\"");
    for byte in &blake3::hash(body).as_bytes()[..16] {
        write!(text, "{byte:02x}").expect("a string takes all text");
    }
    text.push('"');
    HeaderValue::try_from(text).expect("hexadecimal digits in quotes")
}

/// Does a field `If-None-Match` name this tag? Compared weakly, as RFC 9110 has it (13.1.2).
fn names(field: &[u8], tag: &[u8]) -> bool {
    let mut rest = field.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        rest = rest.trim_ascii_start();
        let opaque = rest.strip_prefix(b"W/").unwrap_or(rest);
        let Some(end) = opaque.iter().skip(1).position(|byte| *byte == b'"') else { return false };
        let (named, after) = opaque.split_at(end + 2);
        if named == tag {
            return true;
        }
        let Some(after) = after.trim_ascii_start().strip_prefix(b",") else { return false };
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const KEEP: Keep = Keep { max_age_s: 60, shared_max_age_s: 300, stale_while_revalidate_s: 600 };

    fn answer(if_none_match: Option<&str>) -> Response<Bytes> {
        let mut asked = HeaderMap::new();
        if let Some(known) = if_none_match {
            asked.insert(IF_NONE_MATCH, HeaderValue::from_str(known).expect("a field"));
        }
        public(&asked, "text/plain", Bytes::from_static(b"kelp"), KEEP, &["kelp", "two words", "sea"])
    }

    fn tag() -> String {
        answer(None).headers()[ETAG].to_str().expect("text").to_owned()
    }

    #[track_caller]
    fn check(if_none_match: &str, expected: u16) {
        assert_eq!(answer(Some(if_none_match)).status(), expected, "{if_none_match}");
    }

    #[test]
    fn an_answer_says_how_long_it_may_be_kept_and_by_what_it_is_dropped() {
        let answer = answer(None);
        let headers = answer.headers();
        assert_eq!(headers[CACHE_CONTROL], "public, max-age=60, s-maxage=300, stale-while-revalidate=600");
        assert_eq!(headers[SURROGATE_KEY], "kelp sea");
        assert_eq!(&answer.body()[..], b"kelp");
    }

    #[test]
    fn who_has_it_already_is_not_sent_it_again() {
        check(&tag(), 304);
        assert!(answer(Some(&tag())).body().is_empty());
        check("*", 304);
    }

    #[test]
    fn it_is_found_among_others_and_when_weak() {
        check(&format!("\"a,b\" , W/{}", tag()), 304);
    }

    #[test]
    fn other_tags_and_nonsense_match_nothing() {
        for field in ["\"other\"", "kelp", "\"", "", ",", "W/", "\"a\" \"b\""] {
            check(field, 200);
        }
        check(tag().trim_matches('"'), 200);
    }

    #[test]
    fn what_could_not_be_read_anew_says_so() {
        let mut headers = HeaderMap::new();
        let found = Found { value: Some(().into()), age: Duration::from_secs(90), how: How::StaleOnError };
        tell_age(&found, &mut headers);
        assert_eq!(
            (&headers[AGE], &headers[WARNING]),
            (&HeaderValue::from(90), &HeaderValue::from_static("111 - \"Revalidation Failed\""))
        );
    }
}
