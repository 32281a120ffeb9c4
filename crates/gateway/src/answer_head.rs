//! The head of an upstream's answer, read as strictly as requests are: an answer that two readers could cut
//! differently may carry an answer for somebody else.

use std::mem::MaybeUninit;

use edge::Lines;
use http::{HeaderMap, HeaderValue, StatusCode};
use httparse::{Header, Status};

use crate::fields::{WEBSOCKET, is_of_the_hop, named_by_connection};

/// Bytes of an answer's line and header section.
pub(crate) const HEAD_BYTES_MAX: usize = 64 << 10;
const FIELDS_MAX: usize = 100;

/// How an answer's body is told from what follows it (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// There is none, whatever the head says.
    Nothing,
    Exact(u64),
    Chunked,
    ToTheEnd,
}

/// What was asked decides how an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// With `HEAD`: there is no body.
    pub head_only: bool,
    /// For a change of protocol.
    pub upgrade: bool,
}

/// An answer up to its body, without what was said for the connection alone.
#[derive(Debug)]
pub struct AnswerHead {
    pub status: StatusCode,
    /// From HTTP/1, as they came.
    pub lines: Lines,
    /// From HTTP/2.
    pub fields: HeaderMap,
    pub extent: Extent,
    /// The upstream takes another request on this connection.
    pub persistent: bool,
    /// It says when to come again (`Retry-After`).
    pub says_when: bool,
    /// The protocol that it agrees to speak.
    pub protocol: Option<HeaderValue>,
    /// Bytes up to the body.
    pub bytes: usize,
}

/// Reads the head that `bytes` begin with; nothing if there is more of it to come.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read_answer_head(bytes: &[u8], asked: Asked) -> Result<Option<AnswerHead>, &'static str> {
    let window = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        window,
        &mut room,
    );
    let end = match parsed {
        Ok(Status::Complete(end)) => end,
        Ok(Status::Partial) if window.len() == HEAD_BYTES_MAX => {
            return Err("its header section is too large");
        }
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err("its header section has too many fields"),
        Err(_) => return Err("it is not an HTTP answer"),
    };
    if memchr::memchr_iter(b'\n', &bytes[..end]).any(|at| at == 0 || bytes[at - 1] != b'\r') {
        return Err("a line of it does not end with CR and LF");
    }
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.filter(|status| status.as_u16() < 600).ok_or("its status is none")?;
    let framing = Framing::of(response.version == Some(1), response.headers)?;
    let extent = framing.extent(status, asked)?;
    let switches = status == StatusCode::SWITCHING_PROTOCOLS;
    let protocol = switches.then_some(HeaderValue::from_static(WEBSOCKET));
    let lines = lines(response.headers, end, framing.names_fields);
    let Framing { persistent, says_when, .. } = framing;
    let fields = HeaderMap::new();
    Ok(Some(AnswerHead { status, lines, fields, extent, persistent, says_when, protocol, bytes: end }))
}

/// What the fields say about the answer's place in the connection.
struct Framing {
    length: Option<u64>,
    chunked: bool,
    persistent: bool,
    /// `Upgrade` names what may be changed to and nothing else; nothing if it is absent.
    agrees: Option<bool>,
    says_when: bool,
    /// `Connection` names fields that are for this connection alone.
    names_fields: bool,
}

impl AnswerHead {
    /// Whoever sent it is there, and holds the caller back: a full waiting room, a limit, an overload.
    pub(crate) fn holds_back(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE && self.says_when
    }
}

impl Framing {
    fn of(is_http11: bool, fields: &[Header<'_>]) -> Result<Self, &'static str> {
        let mut framing = Self {
            length: None,
            chunked: false,
            persistent: is_http11,
            agrees: None,
            says_when: false,
            names_fields: false,
        };
        for Header { name, value } in fields {
            match name.len() {
                7 if name.eq_ignore_ascii_case("upgrade") => {
                    let agrees = value.eq_ignore_ascii_case(WEBSOCKET.as_bytes());
                    framing.agrees = Some(agrees && framing.agrees.is_none());
                }
                10 if name.eq_ignore_ascii_case("connection") => framing.connection(value),
                11 if name.eq_ignore_ascii_case("retry-after") => framing.says_when = true,
                14 if name.eq_ignore_ascii_case("content-length") => {
                    let earlier = framing.length.replace(number(value)?);
                    if earlier.is_some() {
                        return Err("it has two lengths");
                    }
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                    if framing.chunked || !is_http11 || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err("its transfer encoding is not `chunked`, once, in HTTP/1.1");
                    }
                    framing.chunked = true;
                }
                _ => {}
            }
        }
        if framing.chunked && framing.length.is_some() {
            return Err("it has both a Content-Length and a Transfer-Encoding");
        }
        Ok(framing)
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.persistent = false;
            } else if !option.eq_ignore_ascii_case(b"keep-alive") {
                self.names_fields = true;
            }
        }
    }

    fn extent(&self, status: StatusCode, asked: Asked) -> Result<Extent, &'static str> {
        if status == StatusCode::SWITCHING_PROTOCOLS && !(asked.upgrade && self.agrees == Some(true)) {
            return Err("it changes the protocol to one that nobody asked for");
        }
        let bare = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        if asked.head_only || bare || status.is_informational() {
            return Ok(Extent::Nothing);
        }
        Ok(match (self.length, self.chunked) {
            (_, true) => Extent::Chunked,
            (Some(length), false) => Extent::Exact(length),
            (None, false) => Extent::ToTheEnd,
        })
    }
}

/// All fields but those that are for this connection alone, `bytes` of them at most.
fn lines(read: &[Header<'_>], bytes: usize, names_fields: bool) -> Lines {
    let mut lines = Lines::with_capacity(bytes);
    for Header { name, value } in read {
        if is_of_the_hop(name) || (names_fields && named_by_connection(read, name)) {
            continue;
        }
        lines.push(name, value);
    }
    lines
}

/// Digits and nothing else.
fn number(value: &[u8]) -> Result<u64, &'static str> {
    let digits = value.iter().all(u8::is_ascii_digit) && !value.is_empty();
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or("its Content-Length is not a number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;
    use proptest::prelude::*;

    const GET: Asked = Asked { head_only: false, upgrade: false };

    fn read(text: &str) -> Result<Option<AnswerHead>, &'static str> {
        read_answer_head(text.as_bytes(), GET)
    }

    #[track_caller]
    fn refused(fields: &str) {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
        assert!(read(&text).is_err(), "{fields}");
    }

    #[track_caller]
    fn extent(text: &str, asked: Asked) -> Extent {
        read_answer_head(text.as_bytes(), asked).expect("it is an answer").expect("it is whole").extent
    }

    #[test]
    fn the_shapes_that_smuggle_are_refused() {
        refused("content-length: 1\r\ncontent-length: 1");
        refused("content-length: 1, 1");
        refused("content-length: +1");
        refused("content-length: 1\r\ntransfer-encoding: chunked");
        refused("transfer-encoding: chunked\r\ntransfer-encoding: chunked");
        refused("transfer-encoding: gzip, chunked");
        refused("transfer-encoding: xchunked");
        refused("content-length : 1");
        refused("a: b\r\n c: folded");
        refused("a: b\nc: d");
        refused("a: b\0");
        assert!(read("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(read("HTTP/2 200 OK\r\n\r\n").is_err());
        assert!(read("ICY 200 OK\r\n\r\n").is_err());
        assert!(read("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n").is_err());
    }

    #[test]
    fn an_answer_ends_as_the_standard_says() {
        let head = Asked { head_only: true, upgrade: false };
        assert_eq!(extent("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", GET), Extent::Exact(5));
        assert_eq!(extent("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", head), Extent::Nothing);
        assert_eq!(extent("HTTP/1.1 204 None\r\ncontent-length: 5\r\n\r\n", GET), Extent::Nothing);
        assert_eq!(extent("HTTP/1.1 304 Same\r\ncontent-length: 5\r\n\r\n", GET), Extent::Nothing);
        assert_eq!(extent("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", GET), Extent::Chunked);
        assert_eq!(extent("HTTP/1.1 200 OK\r\n\r\n", GET), Extent::ToTheEnd);
    }

    #[test]
    fn what_is_for_the_connection_alone_is_not_passed_on() {
        let text = "HTTP/1.1 200 OK\r\nconnection: close, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nx-end: 2\r\n\
                    proxy-connection: close\r\ncontent-length: 0\r\n\r\n";
        let head = read(text).expect("it is an answer").expect("it is whole");
        assert!(!head.persistent);
        let mut fields = HeaderMap::new();
        head.lines.gather(&mut fields);
        let names: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-end", "content-length"]);
    }

    #[test]
    fn who_may_keep_an_answer_is_not_taken_away_by_naming_it() {
        let text = "HTTP/1.1 200 OK\r\nconnection: Cache-Control, vary, set-cookie, age, expires\r\ncache-control: no-store\r\n\
                    vary: a\r\nset-cookie: b=c\r\nage: 1\r\nexpires: 0\r\n\r\n";
        let head = read(text).expect("it is an answer").expect("it is whole");
        let mut fields = HeaderMap::new();
        head.lines.gather(&mut fields);
        let names: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["cache-control", "vary", "set-cookie", "age", "expires"]);
    }

    #[test]
    fn a_change_of_protocol_is_told_when_it_was_asked_for() {
        let text = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        let asked = Asked { head_only: false, upgrade: true };
        let head = read_answer_head(text.as_bytes(), asked).expect("it is an answer").expect("it is whole");
        assert_eq!(head.protocol, Some(HeaderValue::from_static("websocket")));
        for other in ["h2c", "websocket, h2c", "websocket\r\nupgrade: h2c", "h2c\r\nupgrade: websocket"] {
            let text = format!("HTTP/1.1 101 Switching Protocols\r\nupgrade: {other}\r\n\r\n");
            assert!(read_answer_head(text.as_bytes(), asked).is_err(), "{other}");
        }
    }

    #[test]
    fn a_header_section_without_end_is_refused() {
        let text = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(HEAD_BYTES_MAX));
        assert!(read(&text).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _read = read_answer_head(&bytes, GET);
            let _read = read_answer_head(&[b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes].concat(), GET);
        }

        #[test]
        fn more_bytes_never_change_what_a_head_was_found_to_be(cut in 0_usize..80, more in "[ -~\r\n]{0,40}") {
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\n{more}");
            let whole = read(&text).expect("it is an answer").expect("it is whole");
            let cut = read(&text[..cut.min(text.len())]).expect("it may become one");
            prop_assert!(cut.is_none_or(|cut| cut.bytes == whole.bytes && cut.lines == whole.lines));
        }
    }
}
