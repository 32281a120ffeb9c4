//! Refusals from below the router, written out byte by byte: hyper's own have no body, and before there
//! is a request there is nothing else that could speak.

use clock::Clock;
use http::{HeaderMap, StatusCode};
use memchr::memmem;
use problem::Problem;

use crate::request_id::RequestId;

/// hyper's refusal of a request it cannot parse is the last thing in a buffer, and is no longer than this.
const BARE_BYTES_MAX: usize = 200;
const BARE_FIELDS: &[u8] = b"\r\nconnection: close\r\ncontent-length: 0\r\n";

/// A refusal that ends the connection.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) bytes: Vec<u8>,
}

/// If `buffer` ends in a bare refusal of hyper's: the same bytes with a problem document in its place.
pub(super) fn instead_of(buffer: &[u8], clock: &Clock) -> Option<Refusal> {
    if !buffer.ends_with(b"\r\n\r\n") {
        return None;
    }
    let window = buffer.len().saturating_sub(BARE_BYTES_MAX);
    let begin = window + memmem::rfind(&buffer[window..], b"HTTP/1.1 4")?;
    let bare = &buffer[begin..];
    // Whatever a handler said has a request id: only hyper's own words are without.
    if memmem::find(bare, BARE_FIELDS).is_none() || memmem::find(bare, b"x-request-id").is_some() {
        return None;
    }
    let refusal = match &bare[9..12] {
        b"431" => header_too_large(clock),
        _ => malformed(clock),
    };
    Some(Refusal { status: refusal.status, bytes: [&buffer[..begin], &refusal.bytes].concat() })
}

/// For a caller whose header section took too long.
pub(super) fn too_slow(clock: &Clock) -> Refusal {
    let problem =
        Problem::request_timeout("edge/request-too-slow", "the header section did not arrive in time");
    written(&problem, "Request Timeout", "", clock)
}

/// For a caller who comes while as many as we can serve are already here.
pub(crate) fn too_many_connections(clock: &Clock) -> Vec<u8> {
    let wait = std::time::Duration::from_secs(1);
    let problem = Problem::unavailable(
        "edge/too-many-connections",
        "as many connections are open as this server takes",
        wait,
    );
    written(&problem, "Service Unavailable", "retry-after: 1\r\n", clock).bytes
}

fn header_too_large(clock: &Clock) -> Refusal {
    let problem = Problem::header_fields_too_large(
        "edge/header-too-large",
        "the header section has more bytes or fields than this server takes",
    );
    written(&problem, "Request Header Fields Too Large", "", clock)
}

fn malformed(clock: &Clock) -> Refusal {
    let problem = Problem::bad_request("edge/malformed-request", "this is not an HTTP request");
    written(&problem, "Bad Request", "", clock)
}

fn written(problem: &Problem, reason: &str, fields: &str, clock: &Clock) -> Refusal {
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let document = problem.to_json();
    let id = RequestId::of(&HeaderMap::new(), clock);
    let head = format!(
        "HTTP/1.1 {code} {reason}\r\nconnection: close\r\ncontent-type: application/problem+json\r\n\
         content-length: {length}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
         x-request-id: {id}\r\n{fields}\r\n",
        code = status.as_str(),
        length = document.len(),
        id = id.as_str(),
    );
    Refusal { status, bytes: [head.as_bytes(), &document].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
                        content-length: 0\r\ndate: Sat, 21 Nov 2026 01:46:13 GMT\r\n\r\n";

    #[test]
    fn a_bare_refusal_becomes_a_problem_document_and_what_was_before_it_stays() {
        let before = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        let buffer = format!("{before}{BARE}");
        let refusal = instead_of(buffer.as_bytes(), &Clock::System).expect("it is bare");
        let text = String::from_utf8(refusal.bytes).expect("it is text");
        assert!(text.starts_with(before), "{text}");
        assert!(text.contains("/problems/edge/header-too-large"), "{text}");
        assert_eq!(refusal.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }

    #[test]
    fn the_words_of_a_handler_are_left_alone() {
        let theirs = BARE.replace("date: ", "x-request-id: 1\r\ndate: ");
        assert!(instead_of(theirs.as_bytes(), &Clock::System).is_none());
        let fine = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        assert!(instead_of(fine.as_bytes(), &Clock::System).is_none());
    }
}
