//! What an upstream is told of who asks and how, in the fields that say so.

use std::{borrow::Cow, fmt::Write as _, net::IpAddr};

use arrayvec::ArrayString;
use edge::{Content, Passing};
use http::{HeaderMap, HeaderName, Request, Version, header};
use http1::check_authority;

use crate::fields::{Bearings, FORWARDED_HOST, FORWARDED_PROTO};

/// What this gateway is called in `Via`.
const PSEUDONYM: &str = "holdfast";

/// Letters of the longest address, of version 6 with one of version 4 in it.
const ADDRESS_LENGTH_MAX: usize = 45;

/// Who asks, as far as we know it (RFC 9110, section 7.6.3, and RFC 7239).
pub(crate) fn write_forwarding(
    head: &mut Vec<u8>,
    request: &Request<Content>,
    passing: &Passing,
    bearings: Bearings<'_>,
) {
    let fields = request.headers();
    let (scheme, host) = believed(fields, bearings);
    let address = passing.client;
    let mut room = ArrayString::<ADDRESS_LENGTH_MAX>::new();
    let peer = written(address, &mut room);
    let mut put = |parts: &[&str]| parts.iter().for_each(|part| head.extend_from_slice(part.as_bytes()));
    // For whom it was sent, behind proxies that are trusted too: nobody has to find that out again.
    put(&["x-forwarded-for: ", peer, "\r\n"]);
    put(&["x-forwarded-proto: ", scheme, "\r\n"]);
    put(&["x-forwarded-host: ", host, "\r\n"]);
    // An address of version 6 has letters that only a quoted text may have.
    let (open, close) = if matches!(address, Some(IpAddr::V6(_))) { ("\"[", "]\"") } else { ("", "") };
    put(&[
        "forwarded: for=",
        open,
        peer,
        close,
        ";host=\"",
        &quotable(host),
        "\";proto=",
        scheme,
        "\r\nvia: ",
    ]);
    let before = fields.get_all(header::VIA).iter().filter_map(|value| value.to_str().ok());
    before.for_each(|via| put(&[via, ", "]));
    put(&[if request.version() == Version::HTTP_2 { "2 " } else { "1.1 " }, PSEUDONYM, "\r\n"]);
    put(&[edge::REQUEST_ID.as_str(), ": ", passing.id.as_str(), "\r\n"]);
}

/// The scheme and the host that the caller used: as whoever is before us says, if they are believed, and else as we see it.
fn believed<'a>(fields: &'a HeaderMap, bearings: Bearings<'a>) -> (&'a str, &'a str) {
    let Bearings { scheme, host, trusts_forwarded, .. } = bearings;
    if !trusts_forwarded {
        return (scheme, host);
    }
    let told = said(fields, &FORWARDED_PROTO);
    let scheme = told
        .and_then(|told| ["http", "https"].into_iter().find(|known| told.eq_ignore_ascii_case(known)))
        .unwrap_or(scheme);
    let told = said(fields, &FORWARDED_HOST).filter(|host| check_authority(host.as_bytes()).is_ok());
    (scheme, told.unwrap_or(host))
}

/// What whoever is before us says in a field themselves: the last of it, where they add to what they were told.
fn said<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let last = fields.get_all(name).iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next().map(str::trim_ascii)
}

/// As it stands in a quoted text (RFC 9110, section 5.6.4). A host that was looked at has nothing to escape; what is between
/// quotes does not rely on that.
fn quotable(text: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'"', b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// An address as text. Those of version 4 without the machinery of formatting, which costs as much as the rest of a head.
fn written(address: Option<IpAddr>, room: &mut ArrayString<ADDRESS_LENGTH_MAX>) -> &str {
    // The room is as long as the longest of them.
    let _written = match address {
        None => return "unknown",
        Some(IpAddr::V4(address)) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    room.push('.');
                }
                let digits = [octet / 100, octet / 10 % 10, octet % 10];
                let begin = digits.iter().position(|digit| *digit > 0).unwrap_or(2);
                digits[begin..].iter().for_each(|digit| room.push(char::from(b'0' + digit)));
            }
            Ok(())
        }
        Some(IpAddr::V6(address)) => write!(room, "{address}"),
    };
    room
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is told behind a proxy, or to a stranger, who says this.
    fn told(trusts_forwarded: bool, fields: &[(&str, &str)]) -> String {
        told_of("10.1.1.1:8080", trusts_forwarded, fields)
    }

    fn told_of(host: &str, trusts_forwarded: bool, fields: &[(&str, &str)]) -> String {
        let mut request = Request::get("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Content::empty()).expect("it is a request");
        let id = edge::RequestId::of(None, &clock::Clock::System);
        let passing = Passing { client: Some([192, 0, 2, 1].into()), id, seat: None };
        let bearings = Bearings { scheme: "http", host, trusts_forwarded, upgrade: false, trailers: false };
        let mut head = Vec::new();
        write_forwarding(&mut head, &request, &passing, bearings);
        String::from_utf8(head).expect("text")
    }

    #[track_caller]
    fn check(told: &str, proto: &str, host: &str) {
        for line in [
            format!("x-forwarded-proto: {proto}\r\n"),
            format!("x-forwarded-host: {host}\r\n"),
            format!("forwarded: for=192.0.2.1;host=\"{host}\";proto={proto}\r\n"),
        ] {
            assert_eq!(told.matches(&line).count(), 1, "{line} in {told}");
        }
    }

    #[test]
    fn what_is_believed_is_said_in_every_field() {
        let said = [("x-forwarded-proto", "https"), ("x-forwarded-host", "shop.example")];
        check(&told(true, &said), "https", "shop.example");
        check(&told(false, &said), "http", "10.1.1.1:8080");
        check(&told(true, &said[..1]), "https", "10.1.1.1:8080");
        check(&told(true, &[]), "http", "10.1.1.1:8080");
    }

    #[test]
    fn a_connection_takes_nothing_of_it_away() {
        let said = [
            ("connection", "x-forwarded-proto, x-forwarded-host, forwarded"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example"),
        ];
        check(&told(true, &said), "https", "shop.example");
    }

    #[test]
    fn of_many_the_last_is_from_who_is_believed_and_it_has_to_make_sense() {
        let said =
            [("x-forwarded-proto", "https, HTTPS"), ("x-forwarded-host", "evil.example, shop.example")];
        check(&told(true, &said), "https", "shop.example");
        let said = [("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a\";proto=https;by=\"b")];
        check(&told(true, &said), "http", "10.1.1.1:8080");
    }

    #[test]
    fn a_quoted_text_ends_where_it_should() {
        let host = "a:1\", for=10.0.0.1;host=\"b\\";
        let head = told_of(host, false, &[]);
        assert!(head.contains(";host=\"a:1\\\", for=10.0.0.1;host=\\\"b\\\\\";proto="), "{head}");
    }

    proptest! {
        #[test]
        fn an_address_is_written_as_everybody_writes_it(four in any::<[u8; 4]>(), six in any::<[u8; 16]>()) {
            for address in [IpAddr::from(four), IpAddr::from(six)] {
                let mut room = ArrayString::new();
                prop_assert_eq!(written(Some(address), &mut room), address.to_string());
            }
        }
    }
}
