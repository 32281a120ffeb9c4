//! Answers as bytes: of direct routes straight from what they said, of handlers from their response's head.

use clock::Clock;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::{Version, date};
use crate::{Answer, Edge, REQUEST_ID, forward::Answered};
use front::{Asker, write_request_id};

/// What of a request decides how its answer is written.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    pub(super) version: Version,
    /// The caller asked for the head alone.
    pub(super) head_only: bool,
    /// The connection goes on after the answer.
    pub(super) persistent: bool,
    pub(super) asker: Asker,
}

impl Manner {
    pub(super) fn of(version: Version, method: &str, persistent: bool, asker: Asker) -> Self {
        Self { version, head_only: method == Method::HEAD, persistent, asker }
    }
}

/// How a caller tells an answer's body from what follows it (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// There is none, whatever the head says.
    Nothing,
    Exact(u64),
    Chunked,
    /// It ends with the connection: all that HTTP/1.0 has for a body of unknown length.
    ToTheEnd,
}

impl Extent {
    /// Of the body that goes with `status` and `fields` and has `exact` bytes, if that is known.
    pub(super) fn of(status: StatusCode, fields: &HeaderMap, exact: Option<u64>, manner: &Manner) -> Self {
        let bare = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        if manner.head_only || bare || status.is_informational() {
            return Self::Nothing;
        }
        let declared = || fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        match (exact.or_else(declared), manner.version) {
            (Some(bytes), _) => Self::Exact(bytes),
            (None, Version::Http11) => Self::Chunked,
            (None, Version::Http10) => Self::ToTheEnd,
        }
    }
}

/// Writes what a direct route said.
pub(super) fn write_answer(
    outbox: &mut Vec<u8>,
    answer: &Answer,
    request_id: Option<&[u8]>,
    manner: &Manner,
    edge: &Edge,
) {
    let clock = edge.clock();
    outbox.reserve(1024 + answer.body.len());
    write_status(outbox, answer.status);
    if answer.status != StatusCode::NO_CONTENT {
        write_length(outbox, u64::try_from(answer.body.len()).unwrap_or(u64::MAX));
        write_field(outbox, "content-type", answer.content_type.as_bytes());
    }
    outbox.extend_from_slice(b"x-request-id: ");
    write_request_id(outbox, request_id, clock);
    outbox.extend_from_slice(b"\r\n");
    edge.front().write_fields(outbox, answer, manner.asker);
    for (name, value) in &answer.fields {
        write_field(outbox, name.as_str(), value.as_bytes());
    }
    write_end(outbox, manner, clock, true);
    if !manner.head_only {
        outbox.extend_from_slice(&answer.body);
    }
}

/// Writes the head of a handler's response.
pub(super) fn write_head(
    outbox: &mut Vec<u8>,
    answered: &Answered,
    extent: Extent,
    manner: &Manner,
    clock: &Clock,
) {
    let Answered { response, lines, id, .. } = answered;
    let untold = extent == Extent::Nothing && response.status() != StatusCode::NO_CONTENT;
    write_status(outbox, response.status());
    match extent {
        Extent::Exact(bytes) => write_length(outbox, bytes),
        Extent::Chunked => outbox.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Extent::Nothing | Extent::ToTheEnd => {}
    }
    for (name, value) in response.headers() {
        // How the connection is used is not for handlers to say, except what length a body would have.
        let ours = [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE].contains(name);
        if !ours && (untold || *name != header::CONTENT_LENGTH) {
            write_field(outbox, name.as_str(), value.as_bytes());
        }
    }
    lines.parts(untold).iter().for_each(|part| outbox.extend_from_slice(part));
    if let Some(id) = id {
        write_field(outbox, REQUEST_ID.as_str(), id.as_str().as_bytes());
    }
    let is_dated = lines.is_dated() || response.headers().contains_key(header::DATE);
    write_end(outbox, manner, clock, !is_dated);
}

/// Writes the head of the answer after which a connection speaks `protocol`.
pub(super) fn write_switch<B>(
    outbox: &mut Vec<u8>,
    response: &Response<B>,
    protocol: &HeaderValue,
    clock: &Clock,
) {
    write_status(outbox, StatusCode::SWITCHING_PROTOCOLS);
    write_field(outbox, "connection", b"upgrade");
    write_field(outbox, "upgrade", protocol.as_bytes());
    let ours = [header::CONNECTION, header::UPGRADE, header::TRANSFER_ENCODING, header::CONTENT_LENGTH];
    for (name, value) in response.headers().iter().filter(|(name, _)| !ours.contains(name)) {
        write_field(outbox, name.as_str(), value.as_bytes());
    }
    let goes_on =
        Manner { version: Version::Http11, head_only: false, persistent: true, asker: Asker::default() };
    write_end(outbox, &goes_on, clock, !response.headers().contains_key(header::DATE));
}

fn write_status(outbox: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        return outbox.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    outbox.extend_from_slice(b"HTTP/1.1 ");
    outbox.extend_from_slice(status.as_str().as_bytes());
    outbox.extend_from_slice(b" ");
    outbox.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    outbox.extend_from_slice(b"\r\n");
}

fn write_length(outbox: &mut Vec<u8>, bytes: u64) {
    outbox.extend_from_slice(b"content-length: ");
    write_number(outbox, bytes);
    outbox.extend_from_slice(b"\r\n");
}

fn write_field(outbox: &mut Vec<u8>, name: &str, value: &[u8]) {
    outbox.extend_from_slice(name.as_bytes());
    outbox.extend_from_slice(b": ");
    outbox.extend_from_slice(value);
    outbox.extend_from_slice(b"\r\n");
}

fn write_end(outbox: &mut Vec<u8>, manner: &Manner, clock: &Clock, dated: bool) {
    if dated {
        outbox.extend_from_slice(b"date: ");
        outbox.extend_from_slice(&date(clock));
        outbox.extend_from_slice(b"\r\n");
    }
    match (manner.persistent, manner.version) {
        (true, Version::Http11) => {}
        (true, Version::Http10) => outbox.extend_from_slice(b"connection: keep-alive\r\n"),
        (false, _) => outbox.extend_from_slice(b"connection: close\r\n"),
    }
    outbox.extend_from_slice(b"\r\n");
}

/// In decimal, without the machinery of formatting.
fn write_number(outbox: &mut Vec<u8>, number: u64) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut begin) = (number, digits.len());
    while begin == digits.len() || rest > 0 {
        begin -= 1;
        digits[begin] = b"0123456789"[usize::try_from(rest % 10).unwrap_or_default()];
        rest /= 10;
    }
    outbox.extend_from_slice(&digits[begin..]);
}

/// The length of a chunk, before its data.
pub(super) fn write_chunk_size(outbox: &mut Vec<u8>, bytes: usize) {
    outbox.extend_from_slice(format!("{bytes:x}\r\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Content;

    fn manner(version: Version, method: &str) -> Manner {
        Manner::of(version, method, true, Asker::default())
    }

    fn extent(version: Version, method: &str, status: StatusCode, exact: Option<u64>) -> Extent {
        Extent::of(status, &HeaderMap::new(), exact, &manner(version, method))
    }

    #[test]
    fn a_body_ends_as_the_caller_can_tell() {
        use Version::{Http10, Http11};
        assert_eq!(extent(Http11, "GET", StatusCode::OK, Some(3)), Extent::Exact(3));
        assert_eq!(extent(Http11, "GET", StatusCode::OK, None), Extent::Chunked);
        assert_eq!(extent(Http10, "GET", StatusCode::OK, None), Extent::ToTheEnd);
        assert_eq!(extent(Http11, "HEAD", StatusCode::OK, Some(3)), Extent::Nothing);
        assert_eq!(extent(Http11, "GET", StatusCode::NO_CONTENT, Some(0)), Extent::Nothing);
        assert_eq!(extent(Http11, "GET", StatusCode::NOT_MODIFIED, None), Extent::Nothing);
    }

    #[track_caller]
    fn check(answered: &Answered, extent: Extent, method: &str, has: &str, lacks: &str) {
        let mut outbox = Vec::new();
        write_head(&mut outbox, answered, extent, &manner(Version::Http11, method), &Clock::System);
        let text = String::from_utf8(outbox).expect("text");
        assert!(text.contains(has) && !text.contains(lacks), "{text}");
    }

    #[test]
    fn a_handler_does_not_decide_how_its_body_is_told() {
        let mut answered = Answered::ours(Response::new(Content::empty()));
        for (name, value) in [("transfer-encoding", "gzip"), ("content-length", "9"), ("x-a", "b")] {
            answered.response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        check(&answered, Extent::Exact(3), "GET", "content-length: 3\r\n", "content-length: 9");
        check(&answered, Extent::Chunked, "GET", "transfer-encoding: chunked\r\n", "gzip");
        check(&answered, Extent::Chunked, "GET", "x-a: b\r\n", "content-length");
        check(&answered, Extent::Nothing, "HEAD", "content-length: 9\r\n", "chunked");
        *answered.response.status_mut() = StatusCode::NO_CONTENT;
        check(&answered, Extent::Nothing, "GET", "204 No Content\r\n", "content-length");
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 4096, u64::MAX] {
            let mut text = Vec::new();
            write_number(&mut text, number);
            assert_eq!(text, number.to_string().into_bytes());
        }
    }
}
