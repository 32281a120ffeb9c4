//! Where a request ends and whether another may follow it: decided from its fields alone (RFC 9112,
//! sections 3.2, 6 and 9).
//!
//! **Nothing here is lenient.** A request that we and a proxy before us might cut differently is refused:
//! what one of the two takes for a body, the other would answer as somebody else's request.

use httparse::Header;

use super::{Fault, check_authority};

/// The versions of HTTP that come in one request after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Http10,
    Http11,
}

/// How a request's body is told from what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// It has this many bytes; none without a body.
    Exact(u64),
    /// It comes in chunks, each with its own length.
    Chunked,
}

/// What a request's fields say about its place in the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing<'a> {
    pub length: Length,
    /// The caller may ask again on this connection.
    pub persistent: bool,
    /// The caller sends the body once they are told to.
    pub expects_continue: bool,
    /// What the caller calls the request, not looked at yet.
    pub request_id: Option<&'a [u8]>,
}

impl<'a> Framing<'a> {
    /// Reads the fields that matter, once over all of them.
    ///
    /// # Errors
    /// The first reason to refuse the request.
    pub fn of(version: Version, fields: &[Header<'a>]) -> Result<Self, Fault> {
        let mut framing = Self {
            length: Length::Exact(0),
            persistent: version == Version::Http11,
            expects_continue: false,
            request_id: None,
        };
        let (mut hosts, mut length, mut chunked) = (0_u32, None, false);
        for Header { name, value } in fields {
            // By length first, because almost every field is one that does not matter here.
            match name.len() {
                4 if name.eq_ignore_ascii_case("host") => {
                    hosts += 1;
                    // Whoever asks for what has no host names an empty one (RFC 9112, section 3.2).
                    if !value.is_empty() {
                        check_authority(value)?;
                    }
                }
                6 if name.eq_ignore_ascii_case("expect") => {
                    framing.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
                }
                10 if name.eq_ignore_ascii_case("connection") => {
                    framing.persistent = persists(framing.persistent, value);
                }
                12 if name.eq_ignore_ascii_case("x-request-id") => {
                    framing.request_id = framing.request_id.or(Some(value));
                }
                14 if name.eq_ignore_ascii_case("content-length") => {
                    let earlier = length.replace(number(value)?);
                    if earlier.is_some() {
                        return Err(Fault::Malformed("a request has one Content-Length"));
                    }
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                    let known = value.eq_ignore_ascii_case(b"chunked") && !chunked;
                    if !known || version == Version::Http10 {
                        let detail = "the only transfer encoding is chunked, once, in HTTP/1.1";
                        return Err(Fault::Malformed(detail));
                    }
                    chunked = true;
                }
                _ => {}
            }
        }
        if hosts > 1 || (hosts == 0 && version == Version::Http11) {
            return Err(Fault::Malformed("a request names its host, and once"));
        }
        framing.expects_continue &= version == Version::Http11;
        framing.length = match (length, chunked) {
            (Some(_), true) => return Err(Fault::AmbiguousLength),
            (None, true) => Length::Chunked,
            (length, false) => Length::Exact(length.unwrap_or(0)),
        };
        Ok(framing)
    }
}

/// Whether the connection persists, after one more `Connection` field. Once closing, always closing.
fn persists(persistent: bool, value: &[u8]) -> bool {
    let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let (mut close, mut keep) = (false, false);
    options.by_ref().for_each(|option| {
        close |= option.eq_ignore_ascii_case(b"close");
        keep |= option.eq_ignore_ascii_case(b"keep-alive");
    });
    (persistent || keep) && !close
}

/// Digits and nothing else: neither a sign, nor a list, nor spaces between.
fn number(value: &[u8]) -> Result<u64, Fault> {
    let malformed = Fault::Malformed("the Content-Length is not a number");
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(malformed);
    }
    std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).ok_or(malformed)
}
