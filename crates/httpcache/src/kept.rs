//! An answer that is kept: for whom it is, how old it has become, and how it is given to somebody who asks now.

use std::time::Duration;

use bytes::Bytes;
use edge::Content;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::{Coding, Keeping, has_it_already, range::Part};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// What an answer takes beside its body and its texts, and each of these beside its letters.
const ENTRY_BYTES: usize = 512;
const TEXT_BYTES: usize = 64;
/// Digests that a part of an answer does not share with the whole.
const WHOLE_DIGESTS: [&str; 2] = ["content-digest", "content-md5"];

/// An answer that is kept.
#[derive(Debug)]
pub struct Kept {
    /// What it varies on, as it was in the request it was made for.
    pub varies: Varies,
    pub status: StatusCode,
    pub fields: HeaderMap,
    pub body: Bytes,
    pub keeping: Keeping,
    pub tags: Vec<Box<str>>,
    pub made_ms: u64,
}

/// In what condition an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Fresh,
    /// It may be given while it is asked for anew.
    Stale,
    /// It may be given if it cannot be had anew.
    StaleOnError,
}

/// What of a request an answer varied on.
#[derive(Debug, PartialEq, Eq)]
pub struct Varies {
    /// The lines of each field, apart: a server may answer an empty field otherwise than none, which has no line.
    fields: Vec<(HeaderName, Vec<Box<[u8]>>)>,
    /// The answer is coded as we would have coded it for such a request, or not at all: whoever wishes for the same
    /// coding in other words can read it too.
    by_coding: bool,
}

impl Varies {
    /// Of the request that an answer was made for.
    pub fn of(names: &[HeaderName], request: &HeaderMap, answer: &HeaderMap) -> Self {
        let coded = answer.get(header::CONTENT_ENCODING);
        let ours = Coding::of(request).map(|coding| coding.name().as_bytes());
        let by_coding = coded.is_none() || coded.map(HeaderValue::as_bytes) == ours;
        let fields = names.iter().map(|name| (name.clone(), lines_of(request, name, by_coding))).collect();
        Self { fields, by_coding }
    }

    fn are_so_in(&self, request: &HeaderMap) -> bool {
        self.fields.iter().all(|(name, lines)| lines_of(request, name, self.by_coding) == *lines)
    }
}

/// The lines of a field as far as they can make a difference.
fn lines_of(request: &HeaderMap, name: &HeaderName, by_coding: bool) -> Vec<Box<[u8]>> {
    if *name == header::ACCEPT_ENCODING && by_coding {
        // Browsers write the same wish in many ways.
        return Coding::of(request).map(|coding| coding.name().as_bytes().into()).into_iter().collect();
    }
    request.get_all(name).iter().map(|line| line.as_bytes().into()).collect()
}

impl Kept {
    /// About what it takes of memory.
    pub fn bytes(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| name.as_str().len() + value.len() + TEXT_BYTES);
        let lines = |lines: &[Box<[u8]>]| lines.iter().map(|line| line.len() + TEXT_BYTES).sum::<usize>();
        let varied = self.varies.fields.iter();
        let varies = varied.map(|(name, said)| name.as_str().len() + TEXT_BYTES + lines(said));
        let tags = self.tags.iter().map(|tag| tag.len() + TEXT_BYTES);
        ENTRY_BYTES + self.body.len() + fields.chain(varies).chain(tags).sum::<usize>()
    }

    pub(crate) fn is_for(&self, request: &HeaderMap) -> bool {
        self.varies.are_so_in(request)
    }

    fn age(&self, now_ms: u64) -> Duration {
        self.keeping.age + Duration::from_millis(now_ms.saturating_sub(self.made_ms))
    }

    /// How good it still is; nothing if it is too old for anybody.
    pub(crate) fn condition(&self, now_ms: u64) -> Option<Condition> {
        let Keeping { fresh, stale_while_revalidate, stale_if_error, .. } = self.keeping;
        let late = self.age(now_ms).checked_sub(fresh);
        match late {
            None => Some(Condition::Fresh),
            Some(late) if late < stale_while_revalidate => Some(Condition::Stale),
            Some(late) if late < stale_if_error => Some(Condition::StaleOnError),
            Some(_) => None,
        }
    }

    /// Was it made at this moment, or later?
    pub fn is_made_since(&self, moment_ms: u64) -> bool {
        self.made_ms >= moment_ms
    }

    /// As it is given to somebody who asks now.
    pub fn answer(&self, method: &Method, request: &HeaderMap, now_ms: u64) -> Response<Content> {
        let mut response = Response::new(Content::empty());
        *response.headers_mut() = self.fields.clone();
        let fields = response.headers_mut();
        fields.insert(header::AGE, HeaderValue::from(self.age(now_ms).as_secs()));
        fields.insert(CACHE_STATUS, HeaderValue::from_static("holdfast; hit"));
        *response.status_mut() = self.status;
        if has_it_already(request, &self.fields) && self.status == StatusCode::OK {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else if *method == Method::HEAD {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        } else if self.status == StatusCode::OK {
            self.give(Part::of(request, &self.fields, self.body.len()), &mut response);
        } else {
            self.give(Part::Whole, &mut response);
        }
        response
    }

    fn give(&self, part: Part, response: &mut Response<Content>) {
        let bytes = self.body.len();
        let within = |range: String| HeaderValue::try_from(range).expect("digits and signs are letters");
        match part {
            Part::Whole => *response.body_mut() = Content::from(self.body.clone()),
            Part::Bytes(span) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let fields = response.headers_mut();
                let range = format!("bytes {}-{}/{bytes}", span.start, span.end - 1);
                fields.insert(header::CONTENT_RANGE, within(range));
                // They are of what is sent, which was all of it (RFC 9530, section 2).
                WHOLE_DIGESTS.iter().for_each(|digest| drop(fields.remove(*digest)));
                *response.body_mut() = Content::from(self.body.slice(span));
            }
            Part::Nothing => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                // Without what is said of the answer itself: nobody is to keep this one for as long.
                let range = within(format!("bytes */{bytes}"));
                *response.headers_mut() = HeaderMap::from_iter([(header::CONTENT_RANGE, range)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache_control::SECONDS_MAX;
    use http_body_util::BodyExt;

    fn kept(fields: &[(HeaderName, &'static str)]) -> Kept {
        let second = Duration::from_secs;
        let zero = second(0);
        let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        Kept {
            varies: Varies::of(&[], &HeaderMap::new(), &HeaderMap::new()),
            status: StatusCode::OK,
            fields: fields.collect(),
            body: Bytes::from_static(b"kelp holds"),
            keeping: Keeping {
                age: zero,
                fresh: second(10),
                stale_while_revalidate: zero,
                stale_if_error: zero,
            },
            tags: Vec::new(),
            made_ms: 0,
        }
    }

    #[test]
    fn the_oldest_answer_that_lives_longest_only_grows_older() {
        let longest = Duration::from_secs(SECONDS_MAX);
        let mut kept = kept(&[]);
        kept.keeping = Keeping {
            age: longest,
            fresh: longest,
            stale_while_revalidate: longest,
            stale_if_error: longest,
        };
        assert_eq!(kept.condition(1), Some(Condition::Stale));
        assert_eq!(kept.condition(u64::MAX), None);
        let age = kept.answer(&Method::GET, &HeaderMap::new(), u64::MAX).headers()[header::AGE].clone();
        assert!(age.to_str().is_ok_and(|age| age.parse::<u64>().is_ok()), "{age:?}");
    }

    #[tokio::test]
    async fn a_part_of_what_is_kept_is_given_to_who_wants_a_part() {
        let kept = kept(&[(header::ETAG, "\"e\""), (HeaderName::from_static("content-digest"), "d")]);
        for (range, status, content_range, body) in [
            ("bytes=5-", 206, "bytes 5-9/10", "holds"),
            ("bytes=10-", 416, "bytes */10", ""),
            ("bytes=0-1,3-4", 200, "", "kelp holds"),
        ] {
            let asked = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(range))]);
            let answer = kept.answer(&Method::GET, &asked, 0);
            let said =
                answer.headers().get(header::CONTENT_RANGE).map_or("", |said| said.to_str().expect("text"));
            assert_eq!((answer.status().as_u16(), said), (status, content_range), "{range}");
            assert_eq!(answer.headers().contains_key("content-digest"), status == 200, "{range}");
            assert_eq!(answer.into_body().collect().await.expect("it is whole").to_bytes(), body, "{range}");
            // `HEAD` has no parts.
            assert_eq!(kept.answer(&Method::HEAD, &asked, 0).status(), StatusCode::OK);
        }
    }

    /// Is what was asked for with one wish for codings, and came in this coding, for whoever has the other wish?
    #[track_caller]
    fn check_coding(asked: &str, came: &str, other: &str, is_for_them: bool) {
        let wish = |wish: &str| {
            HeaderMap::from_iter(
                HeaderValue::from_str(wish)
                    .ok()
                    .filter(|wish| !wish.is_empty())
                    .map(|wish| (header::ACCEPT_ENCODING, wish)),
            )
        };
        let coded = HeaderValue::from_str(came).ok().filter(|coded| !coded.is_empty());
        let answer = HeaderMap::from_iter(coded.map(|coded| (header::CONTENT_ENCODING, coded)));
        let varies = Varies::of(&[header::ACCEPT_ENCODING], &wish(asked), &answer);
        assert_eq!(varies.are_so_in(&wish(other)), is_for_them, "{asked:?} gave {came:?}, now {other:?}");
    }

    /// Is what was made for a request with these lines of a field for whoever says those?
    fn is_shared(asked: &[&'static str], other: &[&'static str]) -> bool {
        let request = |lines: &[&'static str]| {
            let line = |line: &&'static str| (header::ACCEPT_LANGUAGE, HeaderValue::from_static(line));
            lines.iter().map(line).collect::<HeaderMap>()
        };
        let varies = Varies::of(&[header::ACCEPT_LANGUAGE], &request(asked), &HeaderMap::new());
        varies.are_so_in(&request(other))
    }

    #[test]
    fn a_field_that_is_empty_is_not_one_that_is_absent() {
        assert!(!is_shared(&[""], &[]) && !is_shared(&[], &[""]));
        assert!(is_shared(&[""], &[""]) && is_shared(&[], &[]));
    }

    #[test]
    fn lines_that_came_apart_are_not_one_line() {
        assert!(!is_shared(&["de", "en"], &["de, en"]) && !is_shared(&["de", "en"], &["en", "de"]));
        assert!(is_shared(&["de", "en"], &["de", "en"]));
    }

    #[test]
    fn nobody_is_given_a_coding_that_they_may_not_read() {
        check_coding("deflate", "deflate", "", false);
        check_coding("gzip, br", "gzip", "br", false);
        check_coding("x-gzip", "gzip", "", false);
        check_coding("gzip, br", "br", "br;q=1.0, gzip", true);
        check_coding("gzip", "gzip", "gzip;q=0.9", true);
        check_coding("gzip", "", "gzip;q=0.9", true);
        check_coding("deflate", "", "", true);
    }
}
