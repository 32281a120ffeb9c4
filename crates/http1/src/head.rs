//! A request's line and header section, as they stand in the bytes that were read.

use std::mem::MaybeUninit;

use httparse::{Error, Header, Status};

use super::{Fault, Framing, Target, framing::Version};

/// Fields for which there is room without an allocation.
const FIELDS: usize = 100;

/// How much of a header section is taken.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    pub bytes_max: usize,
    pub fields_max: usize,
}

/// A request up to its body. It borrows the bytes it stands in.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub form: Target<'a>,
    pub version: Version,
    pub fields: &'a [Header<'a>],
    pub framing: Framing<'a>,
    /// Bytes up to the body, with empty lines before the request.
    pub bytes: usize,
}

/// Reads the head that `bytes` begin with and shows it to `look`; nothing if there is more of it to come.
///
/// What it finds does not depend on how the bytes arrived: more of them never change an answer.
///
/// # Errors
/// The first reason to refuse the request.
pub fn read_head<T>(
    bytes: &[u8],
    limits: HeadLimits,
    look: impl FnOnce(&Head<'_>) -> T,
) -> Result<Option<T>, Fault> {
    let window = &bytes[..bytes.len().min(limits.bytes_max)];
    let complete = if limits.fields_max <= FIELDS {
        let mut room = [const { MaybeUninit::uninit() }; FIELDS];
        parse(window, &mut room[..limits.fields_max], look)?
    } else {
        parse(window, &mut vec![MaybeUninit::uninit(); limits.fields_max], look)?
    };
    if complete.is_none() && window.len() == limits.bytes_max {
        return Err(Fault::HeaderTooLarge);
    }
    Ok(complete)
}

fn parse<'b, T>(
    bytes: &'b [u8],
    room: &mut [MaybeUninit<Header<'b>>],
    look: impl FnOnce(&Head<'_>) -> T,
) -> Result<Option<T>, Fault> {
    let mut request = httparse::Request::new(&mut []);
    let end = match request.parse_with_uninit_headers(bytes, room) {
        Ok(Status::Complete(end)) => end,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    // The parser takes a lone LF for the end of a line. A proxy before us may not.
    if memchr::memchr_iter(b'\n', &bytes[..end]).any(|at| at == 0 || bytes[at - 1] != b'\r') {
        return Err(Fault::Malformed("a line ends with CR and LF"));
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Fault::Malformed("this is not an HTTP request"));
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let fields = &*request.headers;
    let framing = Framing::of(version, fields)?;
    let form = Target::of(method, target)?;
    Ok(Some(look(&Head { method, target, form, version, fields, framing, bytes: end })))
}

fn fault(error: Error) -> Fault {
    match error {
        Error::TooManyHeaders => Fault::HeaderTooLarge,
        Error::HeaderName => Fault::Malformed("a field's name has letters that no name has"),
        Error::HeaderValue => Fault::Malformed("a field's value has letters that no value has"),
        Error::NewLine | Error::Status | Error::Token => Fault::Malformed("this is not an HTTP request"),
        Error::Version => Fault::Malformed("this server speaks HTTP/1.0, HTTP/1.1 and HTTP/2"),
    }
}

#[cfg(test)]
mod tests;
