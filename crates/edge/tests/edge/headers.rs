//! What every answer says to browsers, whoever gives it, and who may ask from elsewhere.

use edge::{Content, Forward, FrontConfig};
use http::{HeaderValue, Response, header};

use crate::{
    rig::{Reply, Rig, start, start_behind, start_forwarding},
    versions::{get, plain_http2},
};

const ALWAYS: [&str; 6] = [
    "x-content-type-options",
    "content-security-policy",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
];

fn behind(text: &str) -> Rig {
    let settings: FrontConfig = toml::from_str(&format!("{text}\n[limits]\nrules = []")).expect("settings");
    start_behind(&settings)
}

#[track_caller]
fn check(reply: &Reply) {
    for name in ALWAYS {
        let told =
            reply.head.lines().filter(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")));
        assert_eq!(told.count(), 1, "{name} in {}", reply.head);
    }
    assert_eq!(reply.field("server"), None);
    assert_eq!(reply.field("strict-transport-security"), None, "nothing is encrypted here");
}

#[test]
fn every_answer_says_how_browsers_are_to_take_it() {
    let rig = start();
    for path in ["/hello", "/visits/2", "/no-such-route", "/direct-panic", "/panic"] {
        check(&rig.get(path));
    }
    check(&rig.ask("GET", "/session", "authorization: Bearer good\r\n", ""));
    for bytes in [b"nonsense\r\n\r\n".as_slice(), b"GET / HTTP/1.1\r\n\r\n"] {
        check(&rig.say(bytes)[0]);
    }
}

#[tokio::test]
async fn every_answer_says_so_over_http_2() {
    let rig = start();
    let mut sender = plain_http2(&rig).await;
    for path in ["/hello", "/no-such-route", "/direct-panic"] {
        let response = get(&mut sender, path, 0).await;
        for name in ALWAYS {
            assert_eq!(response.headers().get_all(name).iter().count(), 1, "{name} at {path}");
        }
    }
}

#[test]
fn whoever_came_encrypted_to_a_proxy_of_ours_is_told_to_stay_so() {
    let rig = behind("[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]\n[headers]\nhsts-max-age-s = 60");
    let told = |fields: &str| {
        rig.ask("GET", "/hello", fields, "").field("strict-transport-security").map(str::to_owned)
    };
    assert_eq!(told("x-forwarded-proto: https\r\n").as_deref(), Some("max-age=60"));
    assert_eq!(told("x-forwarded-proto: http\r\n"), None);
}

#[test]
fn answers_to_whoever_says_who_they_are_are_kept_by_nobody() {
    let rig = start();
    let told =
        |path: &str, fields: &str| rig.ask("GET", path, fields, "").field("cache-control").map(str::to_owned);
    for path in ["/hello", "/session"] {
        assert_eq!(told(path, "authorization: Bearer good\r\n").as_deref(), Some("no-store"), "{path}");
    }
    assert_eq!(told("/hello", "cookie: a=b\r\n").as_deref(), Some("no-store"));
    assert_eq!(told("/hello", ""), None);
}

#[test]
fn what_is_passed_on_is_left_as_it_is_and_our_own_answers_are_not() {
    let rig = start_forwarding(&Forward::by(|request: http::Request<Content>, _| async move {
        let mut response = Response::new(Content::from("theirs"));
        response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static("a=b"));
        let as_it_is = edge::FromUpstream { completed: false, strict_cookies: false };
        let whose = (request.uri().path() != "/ours").then_some(as_it_is);
        edge::Passed { whose, ..edge::Passed::ours(response) }
    }));
    let theirs = rig.get("/");
    assert!(ALWAYS.iter().all(|name| theirs.field(name).is_none()), "{theirs:?}");
    assert_eq!(theirs.field("set-cookie"), Some("a=b"));
    let ours = rig.get("/ours");
    check(&ours);
    assert_eq!(ours.field("set-cookie"), Some("a=b; HttpOnly; SameSite=Lax"));
}

const LISTED: &str = "origin: https://app.example\r\n";
const FOREIGN: &str = "origin: https://evil.example\r\n";
const CORS: &str = "[cors]\norigins = [\"https://app.example\"]\n";

#[test]
fn a_page_of_a_listed_origin_may_read_every_answer_and_no_other_may() {
    let rig = behind(CORS);
    for path in ["/hello", "/no-such-route"] {
        let listed = rig.ask("GET", path, LISTED, "");
        assert_eq!(listed.field("access-control-allow-origin"), Some("https://app.example"));
        let exposed = listed.field("access-control-expose-headers").expect("fields are named");
        assert!(exposed.contains("ratelimit") && exposed.contains("retry-after"), "{exposed}");
        assert_eq!(listed.field("vary"), Some("origin"));
        let foreign = rig.ask("GET", path, FOREIGN, "");
        assert_eq!(
            (foreign.field("access-control-allow-origin"), foreign.field("vary")),
            (None, Some("origin"))
        );
    }
    let session = rig.ask("GET", "/session", &format!("{LISTED}authorization: Bearer good\r\n"), "");
    assert_eq!(session.field("access-control-allow-origin"), Some("https://app.example"));
    let nobody = start().ask("GET", "/hello", LISTED, "");
    assert_eq!((nobody.field("access-control-allow-origin"), nobody.field("vary")), (None, None));
}

#[test]
fn what_a_browser_asks_before_it_asks_uses_up_nothing_of_the_route() {
    let text = format!(
        "{CORS}[[limits.rules]]\nname = \"two\"\nroutes = [\"/hello\"]\nby = [\"address\"]\n\
         quota = {{ algorithm = \"sliding-window\", limit = 2, window-ms = 3600000 }}"
    );
    let rig = start_behind(&toml::from_str(&text).expect("settings"));
    let asked = format!("{LISTED}access-control-request-method: POST\r\n");
    for _ in 0..3 {
        let reply = rig.ask("OPTIONS", "/hello", &asked, "");
        assert_eq!((reply.status, reply.field("access-control-max-age")), (204, Some("600")), "{reply:?}");
        assert_eq!((reply.field("content-length"), reply.field("content-type")), (None, None));
        assert!(reply.field("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));
        check(&reply);
    }
    let foreign = rig.ask("OPTIONS", "/hello", &asked.replace("app", "evil"), "");
    assert_eq!((foreign.status, foreign.field("access-control-allow-methods")), (204, None));
    assert_eq!((rig.get("/hello").status, rig.get("/hello").status), (200, 200));
    rig.get("/hello").refuses(429, "edge/too-many-requests");
}

#[test]
fn another_sites_page_changes_nothing_with_a_cookie_of_ours() {
    let rig = behind(CORS);
    let post = |fields: &str| rig.ask("POST", "/hello", fields, "");
    post(&format!("{FOREIGN}cookie: a=b\r\n")).refuses(403, "edge/cross-site");
    assert!(rig.metrics.encode().contains("front_cross_site_refused_total 1"), "{}", rig.metrics.encode());
    for passes in [
        format!("{LISTED}cookie: a=b\r\n"),
        "origin: http://edge\r\ncookie: a=b\r\n".to_owned(),
        format!("{FOREIGN}authorization: Bearer good\r\n"),
        "cookie: a=b\r\n".to_owned(),
    ] {
        assert_eq!(post(&passes).status, 405, "{passes}");
    }
}
