//! What a caller may learn of a failure: problem documents as RFC 9457 has them.
//!
//! Each crate's error enums map to a [`Problem`] once, exhaustively. The `type` of every problem has a
//! heading in docs/problems.md, which a test holds.

mod http;

pub use http::Code;

use std::{error::Error, fmt::Display, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};

/// The path under which each problem type is explained; `type` is this and the problem's code.
pub const TYPE_PREFIX: &str = "/problems/";

/// A failure as told to a caller: what happened and what to do about it, and no more.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone, PartialEq)]
struct Parts {
    status: u16,
    code: &'static str,
    detail: String,
    retry_after: Option<Duration>,
    challenge: Option<&'static str>,
    allow: Option<&'static str>,
    members: Map<String, Value>,
}

/// One constructor for each status a route may refuse with.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $status:literal;)+) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(code: &'static str, detail: impl Display) -> Self {
            Self::new($status, code, detail)
        })+
    };
}

impl Problem {
    refusals! {
        /// 400: what was sent cannot be read.
        bad_request = 400;
        /// 403: the caller is known and may not.
        forbidden = 403;
        /// 404: there is no such thing, or the caller may not know of it.
        not_found = 404;
        /// 408: the request took too long to arrive.
        request_timeout = 408;
        /// 409: it cannot be done as things stand.
        conflict = 409;
        /// 413: the body is larger than the route takes.
        content_too_large = 413;
        /// 415: the body is of a kind the route does not read.
        unsupported_media_type = 415;
        /// 422: it was read, and breaks a rule.
        unprocessable = 422;
        /// 431: the header section is larger than the server takes.
        header_fields_too_large = 431;
        /// 502: the server behind this one gave an answer that cannot be passed on, or none.
        bad_gateway = 502;
        /// 504: the server behind this one took too long.
        gateway_timeout = 504;
    }

    fn new(status: u16, code: &'static str, detail: impl Display) -> Self {
        Self(Box::new(Parts {
            status,
            code,
            detail: detail.to_string(),
            retry_after: None,
            challenge: None,
            allow: None,
            members: Map::new(),
        }))
    }

    /// 401: the caller must say who they are; `challenge` is the `WWW-Authenticate` field (RFC 9110).
    #[must_use]
    pub fn unauthorized(code: &'static str, detail: impl Display, challenge: &'static str) -> Self {
        let mut problem = Self::new(401, code, detail);
        problem.0.challenge = Some(challenge);
        problem
    }

    /// 405: the path is served, with other methods: `allow` lists them.
    #[must_use]
    pub fn method_not_allowed(code: &'static str, detail: impl Display, allow: Option<&'static str>) -> Self {
        let mut problem = Self::new(405, code, detail);
        problem.0.allow = allow;
        problem
    }

    /// 429: the caller goes too fast and may try again after `wait`.
    #[must_use]
    pub fn too_many_requests(code: &'static str, detail: impl Display, wait: Duration) -> Self {
        let mut problem = Self::new(429, code, detail);
        problem.0.retry_after = Some(wait);
        problem
    }

    /// 503: the server cannot do it now, and did not; try again after `wait`.
    #[must_use]
    pub fn unavailable(code: &'static str, detail: impl Display, wait: Duration) -> Self {
        let mut problem = Self::new(503, code, detail);
        problem.0.retry_after = Some(wait);
        problem
    }

    /// 500: something is wrong with the server. The log learns the whole chain of causes, the caller nothing.
    #[must_use]
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        tracing::error!(code = "internal", cause = chain(cause), "a request failed for a reason of ours");
        Self::new(500, "internal", "the server failed; it is not your request that is wrong")
    }

    /// Adds an extension member (RFC 9457, section 3.2).
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(member.to_owned(), value.into());
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// What kind of problem it is: the heading in docs/problems.md.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What happened this time, in words.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// How long to wait before trying again, where that helps.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The document, as `application/problem+json`.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let Parts { status, code, detail, members, .. } = &*self.0;
        let document = Document {
            kind: format!("{TYPE_PREFIX}{code}"),
            title: title(code),
            status: *status,
            detail,
            members,
        };
        serde_json::to_vec(&document).expect("strings, numbers and JSON values have a JSON form")
    }
}

/// The members in the order in which a person reads them.
#[derive(Serialize)]
struct Document<'p> {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: &'p str,
    #[serde(flatten)]
    members: &'p Map<String, Value>,
}

/// "identity/password-too-short" is titled "Password too short".
fn title(code: &str) -> String {
    let words = code.rsplit('/').next().unwrap_or(code).replace('-', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Every cause of an error, outermost first, on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_has_the_members_of_rfc_9457() {
        let problem = Problem::conflict("clinic/slot-taken", "slot 7 is taken").with("slot", 7);
        let document: Value = serde_json::from_slice(&problem.to_json()).expect("it is JSON");
        let expected = serde_json::json!({
            "type": "/problems/clinic/slot-taken", "title": "Slot taken", "status": 409,
            "detail": "slot 7 is taken", "slot": 7,
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn an_internal_failure_tells_the_caller_nothing_of_its_cause() {
        let cause = std::io::Error::other("password of the database is hunter2");
        let document = String::from_utf8(Problem::internal(&cause).to_json()).expect("JSON is UTF-8");
        assert!(!document.contains("hunter2"), "{document}");
    }
}
