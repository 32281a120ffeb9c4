//! Why a caller's bytes are no request that this server answers, and what the caller is told.

use problem::Problem;

/// What is wrong with a request. Where the next one would begin can no longer be known, so each of these
/// ends its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It breaks the grammar of HTTP/1.1 (RFC 9112), or a rule that keeps two readers of one grammar.
    Malformed(&'static str),
    /// It has two ways of telling its length (RFC 9112, section 6.3).
    AmbiguousLength,
    /// Its line and header section have more bytes or fields than are taken.
    HeaderTooLarge,
    /// Its header section did not arrive in time.
    TooSlow,
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(detail) => Self::bad_request("edge/malformed-request", detail),
            Fault::AmbiguousLength => {
                let detail = "a request has a Content-Length or a Transfer-Encoding, not both";
                Self::bad_request("edge/ambiguous-length", detail)
            }
            Fault::HeaderTooLarge => {
                let detail = "the header section has more bytes or fields than this server takes";
                Self::header_fields_too_large("edge/header-too-large", detail)
            }
            Fault::TooSlow => {
                let detail = "the header section did not arrive in time";
                Self::request_timeout("edge/request-too-slow", detail)
            }
        }
    }
}
