//! Refusals as pages: a person whose browser asks for a page gets one, and programs get the problem document.

use std::{fmt::Write, sync::LazyLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, header};
use problem::Problem;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{Answer, Fields, html::escaped};

const STYLE: &str = include_str!("person/page.css");

/// Nothing is loaded, and of what stands in the page only our style counts.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// What of a problem document a person reads.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    status: u16,
    detail: String,
}

/// Does whoever sends these fields want a page rather than a document (RFC 9110, section 12.5.1)? Browsers do, where
/// people look at what comes.
#[must_use]
pub fn wants_page(fields: Fields<'_>) -> bool {
    let Some(accept) = fields.get(&header::ACCEPT) else { return false };
    let weight = |wanted: &[&str]| {
        let ranges = accept.split(|byte| *byte == b',');
        ranges.filter_map(|range| weight_of(range, wanted)).max().unwrap_or_default()
    };
    let page = weight(&["text/html", "application/xhtml+xml"]);
    page > 0 && page > weight(&["application/problem+json", "application/json"])
}

/// How much a range that is one of these is wanted, in thousandths.
fn weight_of(range: &[u8], wanted: &[&str]) -> Option<u16> {
    let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let kind = parts.next()?;
    if !wanted.iter().any(|wanted| kind.eq_ignore_ascii_case(wanted.as_bytes())) {
        return None;
    }
    let quality = parts.find_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")));
    Some(quality.map_or(1000, thousandths))
}

/// A weight, which has at most three digits behind its point; nothing else is wanted.
fn thousandths(text: &[u8]) -> u16 {
    let digits = match text {
        [b'1', ..] => return 1000,
        [b'0', b'.', digits @ ..] => digits,
        _ => return 0,
    };
    let digit =
        |at: usize| digits.get(at).filter(|digit| digit.is_ascii_digit()).map_or(0, |digit| digit - b'0');
    u16::from(digit(0)) * 100 + u16::from(digit(1)) * 10 + u16::from(digit(2))
}

/// A refusal as a page; any other answer as it is.
#[must_use]
pub fn as_page(answer: Answer) -> Answer {
    if answer.content_type != "application/problem+json" {
        return answer;
    }
    let Ok(document) = serde_json::from_slice::<Document>(&answer.body) else { return answer };
    let wait = answer.fields.iter().find(|(name, _)| *name == header::RETRY_AFTER);
    let wait = wait.and_then(|(_, value)| value.to_str().ok()?.parse().ok());
    let body = page(&document, wait).into_bytes().into();
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    Answer { content_type, body, ..answer }.with_field(header::CONTENT_SECURITY_POLICY, POLICY.clone())
}

/// The page of a problem.
#[must_use]
pub fn page_of(problem: &Problem) -> Answer {
    let answer = Answer::refusing(problem);
    as_page(match problem.retry_after() {
        Some(wait) => answer.with_field(header::RETRY_AFTER, crate::front::seconds(wait)),
        None => answer,
    })
}

fn page(document: &Document, wait_s: Option<u64>) -> String {
    let Document { kind, status, detail } = document;
    let heading = heading(*status);
    let mut main = String::new();
    // Writing to a string does not fail.
    let _written = writeln!(main, "<h1>{heading}</h1>\n<p>{}.</p>", escaped(&begun_large(detail)));
    if let Some(wait_s) = wait_s {
        let seconds = if wait_s == 1 { "second" } else { "seconds" };
        let _written =
            writeln!(main, "<p class=\"wait\">Please wait {wait_s} {seconds} before you try again.</p>");
    }
    let _written = writeln!(main, "<p><a href=\"\">Try again</a></p>");
    let code = escaped(kind.strip_prefix(problem::TYPE_PREFIX).unwrap_or(kind));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{heading}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{main}<p class=\"code\">{status} · {code}</p>\n</main>\n</body>\n</html>\n"
    )
}

/// What it comes to for whoever looks at the page.
const fn heading(status: u16) -> &'static str {
    match status {
        401 => "You have to sign in",
        403 => "This is not open to you",
        404 => "There is nothing here",
        429 => "That was too much at once",
        500 => "Something went wrong on our side",
        502..=504 => "This does not work at the moment",
        _ => "This could not be done",
    }
}

fn begun_large(detail: &str) -> String {
    let mut letters = detail.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

    fn wants(accept: &[u8]) -> bool {
        let value = HeaderValue::from_bytes(accept).expect("a value");
        wants_page(Fields::from(&HeaderMap::from_iter([(header::ACCEPT, value)])))
    }

    #[test]
    fn browsers_want_a_page_and_programs_do_not() {
        assert!(
            wants(BROWSER.as_bytes()) && wants(b"Text/HTML") && wants(b"application/json;q=0.5, text/html")
        );
        for accept in
            ["*/*", "application/json", "application/json, text/html", "text/html;q=0", "text/html;q=x"]
        {
            assert!(!wants(accept.as_bytes()), "{accept}");
        }
        assert!(!wants_page(Fields::read(&[])));
    }

    #[test]
    fn a_page_says_what_the_document_says_and_how_long_to_wait() {
        let detail = "no server that could answer this is well; try <again> later";
        let problem = Problem::unavailable("gateway/nobody-well", detail, Duration::from_millis(1500));
        let page = page_of(&problem);
        let text = String::from_utf8_lossy(&page.body).into_owned();
        assert_eq!(
            (page.status.as_u16(), page.content_type.as_bytes()),
            (503, b"text/html; charset=utf-8".as_slice())
        );
        for said in
            ["No server that could", "try &lt;again&gt; later.", "wait 2 seconds", "gateway/nobody-well"]
        {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!page.stored, "it is about this moment");
    }

    #[test]
    fn what_is_no_refusal_stays_as_it_is() {
        let answer = as_page(Answer::json(b"{}".as_slice()));
        assert_eq!(
            (answer.content_type.as_bytes(), &*answer.body),
            (b"application/json".as_slice(), b"{}".as_slice())
        );
    }

    proptest! {
        #[test]
        fn any_field_is_read_calmly(accept in proptest::collection::vec(0x20_u8..=0xff, 0..60)) {
            prop_assume!(!accept.contains(&0x7f));
            let _wanted = wants(&accept);
        }

        #[test]
        fn a_weight_is_read_as_it_is_written(weight in 0_u16..=999) {
            prop_assert_eq!(thousandths(format!("0.{weight:03}").as_bytes()), weight);
        }
    }
}
