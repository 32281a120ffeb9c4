//! What a gateway adds to answers, takes from them, and asks of people and pages before it passes anything on.

use rig::Gateway;
use serde_json::json;

use super::{
    settings,
    upstream::{Upstream, answer},
};

fn talkative() -> Upstream {
    Upstream::start(|_, stream| {
        let fields =
            "server: old/1.0\r\nx-powered-by: steam\r\nset-cookie: seat=7\r\nset-cookie: theme=dark\r\n";
        answer(stream, fields, "theirs")
    })
}

#[tokio::test]
async fn an_upstreams_answer_is_completed_only_where_its_route_says_so() {
    let upstream = talkative();
    let behind = "[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]\n[headers]\nscript-cookies = [\"theme\"]\n";
    let plain = settings(&[&upstream], "");
    let gateway = Gateway::start(&format!("{plain}{behind}")).expect("it starts");
    let client = gateway.client().with_field("x-forwarded-proto", "https");
    let passed = client.get("/").await.expect("an answer").headers;
    assert_eq!(
        (passed["server"].to_str().ok(), passed["set-cookie"].to_str().ok()),
        (Some("old/1.0"), Some("seat=7"))
    );
    assert!(!passed.contains_key("referrer-policy") && !passed.contains_key("strict-transport-security"));
    let route = "pools = { main = 1 }\ncomplete = true\nstrict-cookies = true\n";
    gateway.reload(&format!("{}{behind}", plain.replace("pools = { main = 1 }\n", route))).expect("written");
    for _ in 0..1200 {
        let answer = client.get("/").await.expect("an answer").headers;
        if answer.contains_key("server") {
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
            continue;
        }
        assert!(!answer.contains_key("x-powered-by") && !answer.contains_key("content-security-policy"));
        assert_eq!(
            (answer["referrer-policy"].to_str().ok(), answer["x-content-type-options"].to_str().ok()),
            (Some("no-referrer"), Some("nosniff"))
        );
        assert!(answer.contains_key("strict-transport-security"));
        let cookies: Vec<_> = answer.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["seat=7; Secure; HttpOnly; SameSite=Lax", "theme=dark; Secure; SameSite=Lax"]);
        return;
    }
    panic!("the new settings were never read");
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_socket_where_that_is_refused() {
    let upstream = talkative();
    let text = settings(&[&upstream], "");
    let cors = "[cors]\norigins = [\"https://app.example\"]\ncross-site = \"refuse-credentials\"\n";
    let gateway = Gateway::start(&format!("{cors}{text}")).expect("it starts");
    let shakes = |origin: &str| {
        let client = gateway.client().with_field("upgrade", "websocket").with_field("connection", "upgrade");
        client.with_field("cookie", "seat=7").with_field("origin", origin)
    };
    let refused = shakes("https://evil.example").get("/live").await.expect("an answer");
    assert_eq!((refused.status, refused.problem().as_str()), (403, "edge/cross-site"));
    assert_eq!(shakes("https://app.example").get("/live").await.expect("an answer").status, 200);
    let open = Gateway::start(&text).expect("it starts");
    let client = open.client().with_field("origin", "https://evil.example").with_field("cookie", "seat=7");
    assert_eq!(client.post("/", &json!({})).await.expect("an answer").status, 200, "who is behind decides");
}

#[tokio::test]
async fn people_wait_before_a_gateway_and_keep_their_place_when_it_starts_again() {
    let upstream = talkative();
    let folder = tempfile::tempdir().expect("a folder");
    let keys = format!("keys = {:?}\n", folder.path().join("keys.json"));
    let room = "[[waiting-rooms.rooms]]\nname = \"sale\"\nroutes = [\"/sale\"]\ncapacity = 1\n\
                let-in-max = 1\nplaces-per-minute-max = 1000000\nopens-at = \"2999-01-01T00:00:00Z\"\n";
    let text = format!("{keys}{room}{}", settings(&[&upstream], ""));
    let without = Gateway::start(&text.replace(&keys, "")).expect_err("it has no keys");
    assert!(format!("{without:#}").contains("waiting rooms need `keys`"), "{without:#}");
    let gateway = Gateway::start(&text).expect("it starts");
    let waits = gateway.client().get("/sale").await.expect("an answer");
    assert_eq!((waits.status, waits.problem().as_str()), (503, "edge/waiting"));
    assert_eq!(gateway.client().get("/").await.expect("an answer").status, 200);
    let token = waits.headers["queue-token"].to_str().expect("letters").to_owned();
    gateway.stop().expect("it stops");
    let gateway = Gateway::start(&text).expect("it starts again");
    let client = gateway.client().with_field("queue-token", &token);
    let again = client.get("/sale").await.expect("an answer");
    assert_eq!((again.status, again.headers["queue-token"].to_str().ok()), (503, Some(token.as_str())));
    let reason = json!({ "reason": "sold-out" });
    let closed = gateway.operator().post("/waiting-rooms/sale/close", &reason).await.expect("an answer");
    assert_eq!(closed.status, 200);
    assert_eq!(client.get("/sale").await.expect("an answer").problem(), "edge/waiting-room-closed");
}
