//! Which header fields are for one connection alone, and what a request is told on its way.

use std::borrow::Cow;

use edge::{Content, Passing};
use http::{HeaderMap, HeaderName, Method, Request, Uri, Version, header, uri::PathAndQuery};
use http_body::Body as _;
use httparse::Header;

use crate::forwarding::write_forwarding;

/// The only protocol that a connection may be changed to. Through any other, another HTTP above all, requests would go past
/// all that is decided here.
pub(crate) const WEBSOCKET: &str = "websocket";

pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What a proxy before us may tell of how it was asked, where it is believed. Answers may depend on it.
pub(crate) const BELIEVED: [HeaderName; 4] = [
    FORWARDED_PROTO,
    FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
];

/// Other names by which servers are told who asks, for what and how, beside all that begin with `X-Forwarded`; and what
/// scripts take for the proxy that they are to use (httpoxy, CVE-2016-5385).
const CLAIMS: [&str; 10] = [
    "cf-connecting-ip",
    "forwarded",
    "front-end-https",
    "proxy",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// What is for whoever asks or answers in the end, so that `Connection` does not take it away (RFC 9110, section 7.6.1):
/// how long a body is and how it is read, who asks whom, and who may keep and see the answer.
const END_TO_END: [&str; 12] = [
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expires",
    "host",
    "set-cookie",
    "vary",
];

/// What the server behind is told of each request in words of ours, or in ours where the caller says nothing.
const TOLD_ANEW: [HeaderName; 4] =
    [header::VIA, edge::REQUEST_ID, edge::REQUEST_TIMEOUT_MS, HeaderName::from_static("traceparent")];

/// Is a field of this name for one connection alone (RFC 9110, section 7.6.1)?
pub(crate) fn is_of_the_hop(name: &str) -> bool {
    // By length first, because almost every field is none of these.
    let known = match name.len() {
        2 => "te",
        7 if name.as_bytes()[0].eq_ignore_ascii_case(&b't') => "trailer",
        7 => "upgrade",
        10 if name.as_bytes()[0].eq_ignore_ascii_case(&b'c') => "connection",
        10 => "keep-alive",
        14 => "http2-settings",
        16 => "proxy-connection",
        17 => "transfer-encoding",
        _ => return false,
    };
    name.eq_ignore_ascii_case(known)
}

/// May a server take a field of this name for another one? Many make the same variable of `X_Forwarded_For` as of
/// `X-Forwarded-For`, so that a stranger could say what only we say.
fn is_doubtful(name: &str) -> bool {
    name.contains('_')
}

/// Does this field say what only we say, or what nobody should be told by strangers?
fn is_claim(name: &HeaderName, trusts_forwarded: bool) -> bool {
    let claims = name.as_str().starts_with("x-forwarded") || CLAIMS.contains(&name.as_str());
    claims && !(trusts_forwarded && BELIEVED.contains(name))
}

fn is_end_to_end(name: &str) -> bool {
    END_TO_END.iter().any(|kept| name.eq_ignore_ascii_case(kept))
}

/// Does a `Connection` field take this one away?
pub(crate) fn named_by_connection(fields: &[Header<'_>], name: &str) -> bool {
    if is_end_to_end(name) {
        return false;
    }
    let options = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("connection"));
    options
        .flat_map(|field| field.value.split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}

/// How a request's body is told to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    Nothing,
    Exact(u64),
    Chunked,
}

impl Telling {
    pub(crate) fn of(request: &Request<Content>) -> Self {
        let body = request.body();
        match body.size_hint().exact() {
            Some(0) => Self::Nothing,
            _ if body.is_end_stream() => Self::Nothing,
            Some(bytes) => Self::Exact(bytes),
            None => Self::Chunked,
        }
    }
}

/// What of this gateway stands in the head of a request that is passed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bearings<'a> {
    /// How callers speak to us.
    pub(crate) scheme: &'static str,
    /// The host that was asked for.
    pub(crate) host: &'a str,
    /// Who is before us tells how callers speak to them, and is believed.
    pub(crate) trusts_forwarded: bool,
    /// The caller asks to change to WebSocket.
    pub(crate) upgrade: bool,
    /// The caller takes trailers, and the upstream can send them.
    pub(crate) trailers: bool,
}

/// The head of a request, as it goes to an upstream.
pub(crate) fn request_head(
    request: &Request<Content>,
    passing: &Passing,
    telling: Telling,
    bearings: Bearings<'_>,
) -> Vec<u8> {
    let mut head = Vec::with_capacity(1024);
    head.extend_from_slice(request.method().as_str().as_bytes());
    head.push(b' ');
    let asterisk = *request.method() == Method::OPTIONS && request.uri().path() == "*";
    let target = if asterisk { Cow::Borrowed("*") } else { target(request.uri()) };
    head.extend_from_slice(target.as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    head.extend_from_slice(bearings.host.as_bytes());
    head.extend_from_slice(b"\r\n");
    write_fields(&mut head, request.headers(), bearings.trusts_forwarded);
    write_forwarding(&mut head, request, passing, bearings);
    match telling {
        Telling::Exact(bytes) => write_display(&mut head, "content-length: ", bytes),
        Telling::Chunked => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Telling::Nothing if [Method::POST, Method::PUT, Method::PATCH].contains(request.method()) => {
            head.extend_from_slice(b"content-length: 0\r\n");
        }
        Telling::Nothing => {}
    }
    if bearings.trailers {
        write_field(&mut head, "te", b"trailers");
    }
    if bearings.upgrade {
        write_field(&mut head, "connection", b"upgrade");
        write_field(&mut head, "upgrade", WEBSOCKET.as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// What is asked for, as an origin server is told: with a slash where a whole URI has no path (RFC 9112, section 3.2.1).
pub(crate) fn target(uri: &Uri) -> Cow<'_, str> {
    match uri.path_and_query().map_or("/", PathAndQuery::as_str) {
        query if query.starts_with('?') => Cow::Owned(format!("/{query}")),
        target => Cow::Borrowed(target),
    }
}

/// The fields of a request that an answer depends on, beside where it lies; nothing if it depends on what callers do not say
/// themselves, so that what two of them say does not tell what is for which.
pub(crate) fn varies_on(answer: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = httpcache::vary(answer)?;
    names.retain(|name| *name != header::HOST && !BELIEVED.contains(name));
    let of_callers = |name: &HeaderName| !is_claim(name, true) && !TOLD_ANEW.contains(name);
    names.iter().all(of_callers).then_some(names)
}

/// The caller's own fields, but those that are for their connection alone or that we write ourselves.
fn write_fields(head: &mut Vec<u8>, fields: &HeaderMap, trusts_forwarded: bool) {
    let named = names_fields(fields);
    let mut cookies = Vec::new();
    for (name, value) in fields {
        let ours = [header::HOST, header::CONTENT_LENGTH, header::EXPECT, header::VIA, edge::REQUEST_ID];
        let told = [FORWARDED_PROTO, FORWARDED_HOST];
        if is_of_the_hop(name.as_str())
            || is_doubtful(name.as_str())
            || ours.contains(name)
            || told.contains(name)
            || is_claim(name, trusts_forwarded)
            || (named && !is_end_to_end(name.as_str()) && is_named(fields, name))
        {
            continue;
        }
        if *name == header::COOKIE {
            // HTTP/2 may send each apart; in HTTP/1 there is one field (RFC 9113, section 8.2.3).
            if !cookies.is_empty() {
                cookies.extend_from_slice(b"; ");
            }
            cookies.extend_from_slice(value.as_bytes());
            continue;
        }
        write_field(head, name.as_str(), value.as_bytes());
    }
    if !cookies.is_empty() {
        write_field(head, "cookie", &cookies);
    }
}

/// Does `Connection` say more than how long it lasts?
fn names_fields(fields: &HeaderMap) -> bool {
    let options = fields.get_all(header::CONNECTION).iter();
    options.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).any(|option| {
        let option = option.trim_ascii();
        !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive")
    })
}

/// Takes away what `Connection` names and no upstream is told, so that nothing is decided by what nobody behind us sees.
pub(crate) fn take_named(fields: &mut HeaderMap) {
    if !fields.contains_key(header::CONNECTION) || !names_fields(fields) {
        return;
    }
    let stays = |name: &HeaderName| {
        let name = name.as_str();
        is_of_the_hop(name)
            || is_end_to_end(name)
            || [FORWARDED_PROTO, FORWARDED_HOST].iter().any(|told| told == name)
    };
    let named: Vec<_> =
        fields.keys().filter(|name| !stays(name) && is_named(fields, name)).cloned().collect();
    named.iter().for_each(|name| drop(fields.remove(name)));
}

fn is_named(fields: &HeaderMap, name: &HeaderName) -> bool {
    let options = fields.get_all(header::CONNECTION).iter();
    options
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// Does a caller ask to change to WebSocket, and to nothing else (RFC 9110, section 7.8)?
pub(crate) fn asks_for_upgrade(request: &Request<Content>, telling: Telling) -> bool {
    let mut protocols = request.headers().get_all(header::UPGRADE).iter();
    let Some(protocol) = protocols.next() else { return false };
    protocols.next().is_none()
        && protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes())
        && request.version() == Version::HTTP_11
        && telling == Telling::Nothing
        && is_named(request.headers(), &header::UPGRADE)
}

/// Does the caller take fields behind the body (RFC 9110, section 10.1.4)?
pub(crate) fn takes_trailers(fields: &HeaderMap) -> bool {
    let codings = fields.get_all(header::TE).iter();
    codings
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Does a path have segments that another server may resolve to somewhere else?
pub(crate) fn is_ambiguous(path: &str) -> bool {
    // Nearly every path is done with at the first look.
    let doubtful = |pair: &[u8]| matches!(pair, b"/." | [b'%' | b'\\', _] | [_, b'%' | b'\\']);
    if !path.as_bytes().windows(2).any(doubtful) {
        return false;
    }
    let plain = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    plain.split(['/', '\\']).any(|segment| {
        // Some servers take parameters of a segment away before they resolve it.
        let segment = segment.split(';').next().unwrap_or_default();
        segment == "." || segment == ".."
    })
}

/// A path as routes are found by: letters that are written with percent signs without need are what they stand for, and
/// slashes in a row are one, so that no route is reached past another.
pub(crate) fn as_routed(path: &str) -> Cow<'_, str> {
    let is_other = |pair: &[u8]| matches!(pair, b"//" | [b'%', _] | [_, b'%']);
    if !path.as_bytes().windows(2).any(is_other) {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let code = rest.get(1..3).filter(|_| first == '%').and_then(|code| u8::from_str_radix(code, 16).ok());
        let needless =
            code.map(char::from).filter(|letter| letter.is_ascii_alphanumeric() || "-._~".contains(*letter));
        let letter = needless.unwrap_or(first);
        if letter != '/' || !out.ends_with('/') {
            out.push(letter);
        }
        rest = &rest[if needless.is_some() { 3 } else { first.len_utf8() }..];
    }
    Cow::Owned(out)
}

fn write_field(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

fn write_display(head: &mut Vec<u8>, name: &str, value: u64) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(value.to_string().as_bytes());
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BEARINGS: Bearings<'_> = Bearings {
        scheme: "https",
        host: "town.example",
        trusts_forwarded: false,
        upgrade: false,
        trailers: false,
    };

    fn head(fields: &[(&str, &str)], bearings: Bearings<'_>) -> String {
        let mut request = Request::get("http://town.example/a?b=c");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Content::empty()).expect("it is a request");
        let client = Some("2001:db8::7".parse().expect("an address"));
        let passing = Passing { client, id: edge::RequestId::of(None, &clock::Clock::System), seat: None };
        String::from_utf8(request_head(&request, &passing, Telling::Nothing, bearings)).expect("text")
    }

    #[test]
    fn the_upstream_learns_who_asked_and_how() {
        let head = head(&[("accept", "*/*"), ("via", "1.0 before")], BEARINGS);
        for line in [
            "GET /a?b=c HTTP/1.1",
            "host: town.example",
            "accept: */*",
            "x-forwarded-for: 2001:db8::7",
            "x-forwarded-proto: https",
            "x-forwarded-host: town.example",
            "forwarded: for=\"[2001:db8::7]\";host=\"town.example\";proto=https",
            "via: 1.0 before, 1.1 holdfast",
        ] {
            assert!(head.lines().any(|known| known == line), "{line} in {head}");
        }
        assert!(head.ends_with("\r\n\r\n"));
    }

    #[test]
    fn what_strangers_claim_is_not_passed_on() {
        let claims = [
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x_forwarded_for", "10.0.0.1"),
        ];
        let stranger = head(&claims, BEARINGS);
        assert!(!stranger.contains("10.0.0.1") && !stranger.contains("proto: http\r"), "{stranger}");
        let trusted = head(&claims, Bearings { trusts_forwarded: true, ..BEARINGS });
        assert!(!trusted.contains("10.0.0.1"), "{trusted}");
    }

    #[test]
    fn no_stranger_says_where_a_request_came_from_in_other_words() {
        let claims = [
            "x-forwarded-prefix",
            "x-forwarded-port",
            "x-forwarded-scheme",
            "x-forwarded-server",
            "x-forwarded-ssl",
            "x-real-ip",
            "x-client-ip",
            "true-client-ip",
            "front-end-https",
            "x-original-url",
            "x-rewrite-url",
            "proxy",
        ]
        .map(|name| (name, "evil"));
        let stranger = head(&claims, BEARINGS);
        assert!(!stranger.contains("evil"), "{stranger}");
        let trusted = head(&claims, Bearings { trusts_forwarded: true, ..BEARINGS });
        let told: Vec<_> = trusted.lines().filter(|line| line.ends_with("evil")).collect();
        assert_eq!(told, ["x-forwarded-prefix: evil", "x-forwarded-port: evil"]);
    }

    #[test]
    fn nobody_takes_away_whose_request_it_is_by_naming_it() {
        let fields =
            [("connection", "authorization, cookie, host"), ("authorization", "a"), ("cookie", "b=c")];
        let head = head(&fields, BEARINGS);
        for kept in ["authorization: a\r\n", "cookie: b=c\r\n", "host: town.example\r\n"] {
            assert!(head.contains(kept), "{kept} in {head}");
        }
    }

    #[test]
    fn an_address_without_a_path_has_a_slash() {
        let at = |uri: &'static str| target(&Uri::from_static(uri)).into_owned();
        assert_eq!(at("http://town.example?x"), "/?x");
        assert_eq!(at("http://town.example"), "/");
        assert_eq!(at("http://town.example/a?x"), "/a?x");
        assert_eq!(at("/?x"), "/?x");
    }

    #[test]
    fn what_is_for_the_connection_alone_stays_there() {
        let fields = [
            ("connection", "x-secret, keep-alive"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("keep-alive", "5"),
            ("expect", "100-continue"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
        ];
        let head = head(&fields, BEARINGS);
        for gone in [
            "x-secret",
            "te:",
            "transfer-encoding",
            "keep-alive",
            "expect",
            "upgrade",
            "connection",
            "http2-settings",
        ] {
            assert!(!head.contains(gone), "{gone} in {head}");
        }
    }

    #[test]
    fn what_connection_names_is_taken_away_but_what_upstreams_are_told_all_the_same() {
        let line = |name: &'static str, value: &'static str| {
            (HeaderName::from_static(name), http::HeaderValue::from_static(value))
        };
        let mut fields = HeaderMap::from_iter([
            line("connection", "X-Lang, cookie, upgrade"),
            line("connection", "x-forwarded-proto, x-forwarded-prefix"),
            line("x-lang", "de"),
            line("x-lang", "en"),
            line("cookie", "a=b"),
            line("upgrade", "websocket"),
            line("x-forwarded-proto", "https"),
            line("x-forwarded-prefix", "/shop"),
            line("accept", "*/*"),
        ]);
        take_named(&mut fields);
        let mut left: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "connection", "cookie", "upgrade", "x-forwarded-proto"]);
    }

    #[test]
    fn websocket_alone_may_be_changed_to() {
        let asks = |protocols: &[&str]| {
            let mut request = Request::get("/").header("connection", "keep-alive, Upgrade");
            for protocol in protocols {
                request = request.header("upgrade", *protocol);
            }
            asks_for_upgrade(&request.body(Content::empty()).expect("it is a request"), Telling::Nothing)
        };
        assert!(asks(&["websocket"]) && asks(&["WebSocket"]));
        for other in ["h2c", "websocket, h2c", ",h2c", "\"h2c\"", "TLS/1.0", "websocket/13", ""] {
            assert!(!asks(&[other]), "{other}");
        }
        assert!(!asks(&["websocket", "h2c"]) && !asks(&[]));
    }

    proptest! {
        #[test]
        fn a_path_is_looked_at_closely_whenever_it_has_to_be(path in "/([a./%\\\\2eE;]){0,8}") {
            let decoded = path.to_ascii_lowercase().replace("%2e", ".").replace("%5c", "\\");
            let dots = decoded.split(['/', '\\']).any(|segment| [".", ".."].contains(&segment));
            prop_assert!(!dots || is_ambiguous(&path), "{path}");
            let routed = as_routed(&path);
            prop_assert!(!routed.contains("//"), "{path} is {routed}");
        }
    }

    #[test]
    fn cookies_that_came_apart_go_as_one() {
        let head = head(&[("cookie", "a=1"), ("cookie", "b=2")], BEARINGS);
        assert!(head.contains("cookie: a=1; b=2\r\n"), "{head}");
    }

    #[test]
    fn a_path_that_two_servers_may_resolve_differently_is_found() {
        for path in [
            "/a/../b",
            "/..",
            "/./a",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a%2f..%2fb",
            "/a\\..\\b",
            "/a/..;/b",
            "/a/%2e%2e;x=1/b",
        ] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in ["/", "/a.b", "/.well-known/x", "/a..b", "/...", "/a%20b", "/a%2fb"] {
            assert!(!is_ambiguous(path), "{path}");
        }
    }

    #[test]
    fn a_route_is_found_however_its_path_is_written() {
        for (path, routed) in [
            ("/dead/a", "/dead/a"),
            ("/%64ead", "/dead"),
            ("//dead///a", "/dead/a"),
            ("/a%2fb%20c", "/a%2fb%20c"),
            ("/%7Eada/%4", "/~ada/%4"),
            ("/é%64", "/éd"),
        ] {
            assert_eq!(as_routed(path), routed);
        }
    }
}
