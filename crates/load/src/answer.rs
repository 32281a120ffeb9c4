//! Answers of HTTP/1.1 as bytes: where one ends, its status, and its body.

use http1::Chunks;
use memchr::memmem;

/// Bytes of a head, at most.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Bytes of a body that is kept; longer ones are read to their end and thrown away by nobody: they end the connection.
const BODY_BYTES_MAX: usize = 64 << 20;

/// What lies at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Not all of it is there.
    Partial,
    Whole {
        status: u16,
        /// Where the body lies, if it lies there in one piece.
        body: (usize, usize),
        /// The body, if it came in pieces.
        joined: Option<Vec<u8>>,
        used: usize,
        closes: bool,
    },
    /// No answer begins like this.
    Broken(&'static str),
}

impl Answer {
    /// Reads what the bytes begin with.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
            return if bytes.len() > HEAD_BYTES_MAX {
                Self::Broken("the head is too long")
            } else {
                Self::Partial
            };
        };
        let (head, body_at) = (&bytes[..end], end + 4);
        let Some(status) = status(head) else { return Self::Broken("there is no status") };
        if (100..200).contains(&status) && status != 101 {
            return match Self::read(&bytes[body_at..]) {
                Self::Whole { status, body, joined, used, closes } => Self::Whole {
                    status,
                    body: (body.0 + body_at, body.1 + body_at),
                    joined,
                    used: used + body_at,
                    closes,
                },
                other @ (Self::Partial | Self::Broken(_)) => other,
            };
        }
        let closes = field(head, b"connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
        if matches!(status, 101 | 204 | 304) {
            return Self::Whole { status, body: (body_at, body_at), joined: None, used: body_at, closes };
        }
        if let Some(length) = field(head, b"content-length") {
            return exact(bytes, body_at, length, status, closes);
        }
        match field(head, b"transfer-encoding") {
            Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => {
                chunked(bytes, body_at, status, closes)
            }
            _ => Self::Broken("nothing says where the body ends"),
        }
    }
}

fn exact(bytes: &[u8], at: usize, length: &[u8], status: u16, closes: bool) -> Answer {
    let length = std::str::from_utf8(length).ok().and_then(|length| length.parse::<usize>().ok());
    let Some(length) = length.filter(|length| *length <= BODY_BYTES_MAX) else {
        return Answer::Broken("the length is no number that is taken here");
    };
    if bytes.len() < at + length {
        return Answer::Partial;
    }
    Answer::Whole { status, body: (at, at + length), joined: None, used: at + length, closes }
}

fn chunked(bytes: &[u8], at: usize, status: u16, closes: bool) -> Answer {
    let (mut chunks, mut used, mut joined) = (Chunks::default(), at, Vec::new());
    while !chunks.is_done() {
        let Ok((read, data)) = chunks.read(&bytes[used..]) else {
            return Answer::Broken("the chunks are malformed");
        };
        if read == 0 {
            return if joined.len() > BODY_BYTES_MAX {
                Answer::Broken("the body is too long")
            } else {
                Answer::Partial
            };
        }
        used += read;
        joined.extend_from_slice(&bytes[used - data..used]);
    }
    Answer::Whole { status, body: (at, at), joined: Some(joined), used, closes }
}

fn status(head: &[u8]) -> Option<u16> {
    head.starts_with(b"HTTP/1.").then_some(())?;
    std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()
}

/// The value of a field, by its name in small letters.
fn field<'h>(head: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    let mut rest = head;
    while let Some(at) = memchr::memchr(b'\n', rest) {
        rest = &rest[at + 1..];
        let named = rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if named && rest.get(name.len()) == Some(&b':') {
            let value = &rest[name.len() + 1..];
            let end = memchr::memchr(b'\r', value).unwrap_or(value.len());
            return Some(value[..end].trim_ascii());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: &[u8]) -> Option<(u16, Vec<u8>, usize)> {
        match Answer::read(bytes) {
            Answer::Whole { status, body, joined, used, .. } => {
                Some((status, joined.unwrap_or_else(|| bytes[body.0..body.1].to_vec()), used))
            }
            Answer::Partial | Answer::Broken(_) => None,
        }
    }

    #[test]
    fn an_answer_is_whole_when_its_last_byte_is_there_and_not_before() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ] {
            for cut in 0..answer.len() {
                assert_eq!(Answer::read(&answer[..cut]), Answer::Partial, "{cut}");
            }
            let and_more = [answer, b"HTTP/1.1 404"].concat();
            assert_eq!(body(&and_more), Some((200, b"hello".to_vec(), answer.len())));
        }
    }

    #[test]
    fn answers_without_a_body_end_with_their_head() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        assert_eq!(body(bytes), Some((204, Vec::new(), bytes.len())));
        assert!(matches!(Answer::read(bytes), Answer::Whole { closes: true, .. }));
    }

    #[test]
    fn what_is_no_answer_is_told_apart_from_one_that_is_still_coming() {
        for bytes in [
            &b"SMTP ready\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        ] {
            assert!(matches!(Answer::read(bytes), Answer::Broken(_)));
        }
    }
}
