//! Who may ask from elsewhere, request by request.

use httparse::Header;
use proptest::prelude::*;

use super::*;

fn config(text: &str) -> Result<Cors, toml::de::Error> {
    toml::from_str(text)
}

fn seen<'a>(method: &'a str, fields: &'a [Header<'a>]) -> Seen<'a> {
    Seen {
        method,
        path: "/visits",
        query: None,
        host: Some(b"town.example"),
        fields: Fields::read(fields),
        peer: None,
        secure: true,
    }
}

fn header<'a>(name: &'a str, value: &'a str) -> Header<'a> {
    Header { name, value: value.as_bytes() }
}

#[test]
fn origins_are_exact_and_nothing_else() {
    for (text, reads) in [
        ("https://App.Example", Some("https://app.example")),
        ("https://app.example:443", Some("https://app.example")),
        ("http://app.example:443", Some("http://app.example:443")),
        ("http://[::1]:3000", Some("http://[::1]:3000")),
        ("null", None),
        ("https://*.example", None),
        ("https://app.example/", None),
        ("https://ada@app.example", None),
        ("app.example", None),
        ("ftp://app.example", None),
        ("https://", None),
        ("https://app.example:", None),
    ] {
        let origin = text.parse::<Origin>().ok().map(|origin| origin.to_string());
        assert_eq!(origin.as_deref(), reads, "{text}");
    }
}

#[test]
fn everybody_may_ask_only_without_cookies() {
    assert!(config("origins = [\"*\"]").is_ok());
    for text in [
        "origins = [\"*\"]\ncredentials = true",
        "origins = [\"*\", \"https://a.example\"]",
        "origins = [\"null\"]",
        "headers = [\"*\"]",
        "methods = [\"GET, DELETE\"]",
    ] {
        assert!(config(text).is_err(), "{text}");
    }
}

#[test]
fn only_who_is_listed_is_told_that_they_may() {
    let cors = config("origins = [\"https://app.example\"]\ncredentials = true").expect("a rule");
    let told = |origin: &str| {
        let fields = [header("Origin", origin)];
        let mut headers = HeaderMap::new();
        cors.put(&mut headers, cors.listed(seen("GET", &fields).fields));
        assert_eq!(headers[VARY], "origin");
        headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).cloned()
    };
    assert_eq!(told("https://app.example"), Some(HeaderValue::from_static("https://app.example")));
    for stranger in [
        "https://app.example.evil.example",
        "https://evilapp.example",
        "http://app.example",
        "https://app.example:8443",
        "null",
        "*",
        "",
    ] {
        assert_eq!(told(stranger), None, "{stranger}");
    }
}

#[test]
fn a_preflight_is_one_only_where_somebody_may_ask() {
    let fields = [header("Origin", "https://app.example"), header("Access-Control-Request-Method", "PUT")];
    assert!(!Cors::default().is_preflight(&seen("OPTIONS", &fields)));
    let cors = config("origins = [\"https://app.example\"]").expect("a rule");
    assert!(cors.is_preflight(&seen("OPTIONS", &fields)) && !cors.is_preflight(&seen("GET", &fields)));
    assert!(!cors.is_preflight(&seen("OPTIONS", &fields[..1])));
    let names = |fields: &[Header<'_>]| cors.preflight(&seen("OPTIONS", fields)).fields.len();
    assert_eq!(names(&fields), 3);
    assert_eq!(names(&[header("Origin", "https://other.example"), fields[1]]), 0);
}

/// Is a request with a cookie and these fields refused?
#[track_caller]
fn check(method: &str, fields: &[(&str, &str)], refused: bool) {
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| header(name, value)).chain([header("Cookie", "seat=1")]).collect();
    let cors = config("origins = [\"https://app.example\"]").expect("a rule");
    assert_eq!(cors.refusal(&seen(method, &fields)).is_some(), refused, "{method} {fields:?}");
}

#[test]
fn a_page_of_another_site_changes_nothing_with_our_cookies() {
    check("POST", &[("Sec-Fetch-Site", "cross-site")], true);
    check("POST", &[("Sec-Fetch-Site", "same-site"), ("Origin", "https://other.town.example")], true);
    check("DELETE", &[("Origin", "https://evil.example")], true);
    check("POST", &[("Origin", "null")], true);
    check("GET", &[("Upgrade", "WebSocket"), ("Origin", "https://evil.example")], true);
}

#[test]
fn our_own_pages_programs_and_those_we_list_go_on() {
    check("POST", &[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://behind-a-proxy.example")], false);
    check("POST", &[("Sec-Fetch-Site", "none")], false);
    check("POST", &[("Origin", "https://Town.example")], false);
    check("POST", &[], false);
    check("POST", &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://app.example")], false);
    check("GET", &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")], false);
    check("GET", &[("Upgrade", "websocket"), ("Origin", "https://town.example")], false);
}

#[test]
fn what_browsers_do_not_add_by_themselves_is_no_reason_to_refuse() {
    let foreign = header("Origin", "https://evil.example");
    let refused = |cors: &Cors, value: Option<&str>| {
        let fields: Vec<_> =
            value.map(|value| header("Authorization", value)).into_iter().chain([foreign]).collect();
        cors.refusal(&seen("POST", &fields)).is_some()
    };
    let cors = Cors::default();
    assert!(!refused(&cors, None) && !refused(&cors, Some("Bearer abc")));
    assert!(refused(&cors, Some("Basic YWRhOng=")));
    assert!(refused(&Cors::refusing_all(), None) && !refused(&Cors::allowing_all(), Some("Basic YWRhOng=")));
    let exempt = config("cross-site-exempt = [\"POST /visits\"]").expect("a rule");
    assert!(!refused(&exempt, Some("Basic YWRhOng=")));
}

proptest! {
    #[test]
    fn no_other_text_passes_for_an_origin_that_is_listed(origin in "https?://[a-z.]{0,12}app.example[a-z.:0-9]{0,6}") {
        let cors = config("origins = [\"https://app.example\"]").expect("a rule");
        let fields = [header("Origin", &origin)];
        prop_assert_eq!(cors.listed(Fields::read(&fields)).is_some(), origin == "https://app.example");
    }

    #[test]
    fn any_text_is_an_origin_or_is_refused(text in "\\PC{0,40}") {
        if let Ok(origin) = text.parse::<Origin>() {
            prop_assert_eq!(origin.to_string().parse::<Origin>(), Ok(origin));
        }
    }
}
