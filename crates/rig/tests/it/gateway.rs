//! The gateway, with servers behind it that answer, die, come back, and misbehave.

mod caching;
mod changes;
mod crowds;
mod encrypted;
mod failures;
mod farewells;
mod front;
mod manners;
mod overload;
mod streams;
mod upstream;

use std::{collections::BTreeMap, time::Duration};

use rig::{Client, Gateway};
use serde_json::Value;
use upstream::{Upstream, answer};

/// Settings with one pool for everything, and health checks that come quickly and wait for a busy machine.
pub(crate) fn settings(upstreams: &[&Upstream], pool: &str) -> String {
    let upstreams: Vec<_> =
        upstreams.iter().map(|upstream| format!("{{ address = \"{}\" }}", upstream.address)).collect();
    format!(
        "[pools.main]\nupstreams = [{}]\nhealth = {{ interval-ms = 50, answer-ms-max = 20000 }}\n{pool}\n\
         [[routes]]\nname = \"all\"\npools = {{ main = 1 }}\n",
        upstreams.join(", ")
    )
}

/// Waits until what an operator sees of the gateway is so.
pub(crate) async fn until(gateway: &Gateway, what: &str, is_so: impl Fn(&Value) -> bool) {
    let operator = gateway.operator();
    let mut seen = Value::Null;
    for _ in 0..1200 {
        seen = operator.get("/gateway").await.expect("an answer").json();
        if is_so(&seen) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} never came: {seen:#}");
}

/// How often each body came, out of so many requests that were all answered with 200.
pub(crate) async fn bodies(client: &Client, count: usize) -> BTreeMap<String, usize> {
    let mut bodies = BTreeMap::new();
    for number in 0..count {
        let answer = client.get(&format!("/{number}")).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.json());
        *bodies.entry(String::from_utf8_lossy(&answer.bytes).into_owned()).or_default() += 1;
    }
    bodies
}

#[tokio::test]
async fn requests_take_turns_by_weight() {
    let (first, second) = (Upstream::named("first"), Upstream::named("second"));
    let text = settings(&[&first, &second], "balance = \"round-robin\"").replacen(
        &format!("\"{}\"", second.address),
        &format!("\"{}\", weight = 3", second.address),
        1,
    );
    let gateway = Gateway::start(&text).expect("it starts");
    let bodies = bodies(&gateway.client(), 400).await;
    assert_eq!((bodies["first"], bodies["second"]), (100, 300));
    gateway.stop().expect("it stops");
}

#[tokio::test]
async fn a_cookie_stays_with_its_server_and_cookies_spread() {
    let servers = [Upstream::named("a"), Upstream::named("b"), Upstream::named("c")];
    let pool = "balance = \"hash\"\nhash-by = { cookie = \"seat\" }";
    let gateway = Gateway::start(&settings(&servers.each_ref(), pool)).expect("it starts");
    let mut seen = BTreeMap::<String, usize>::new();
    for seat in 0..30 {
        let client = gateway.client().with_field("cookie", &format!("other=1; seat={seat}"));
        let of_seat = bodies(&client, 3).await;
        assert_eq!(of_seat.len(), 1, "{of_seat:?}");
        *seen.entry(of_seat.into_keys().next().expect("there is one")).or_default() += 1;
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[tokio::test]
async fn the_server_behind_learns_who_asked_and_the_caller_nothing_of_the_connection() {
    let server = Upstream::start(|asked, stream| {
        answer(stream, "connection: keep-alive, x-hop\r\nx-hop: 1\r\nx-end: 2\r\n", &asked.head)
    });
    let gateway = Gateway::start(&settings(&[&server], "")).expect("it starts");
    let client = gateway
        .client()
        .with_field("x-forwarded-for", "6.6.6.6")
        .with_field("x-request-id", "mine")
        .with_field("te", "trailers");
    let answered = client.get("/a?b=c").await.expect("an answer");
    let head = String::from_utf8_lossy(&answered.bytes).into_owned();
    let host = format!("host: {}\r\n", gateway.public);
    for line in [
        "GET /a?b=c HTTP/1.1\r\n",
        host.as_str(),
        "x-forwarded-for: 127.0.0.1\r\n",
        "x-forwarded-proto: http\r\n",
        "x-request-id: mine\r\n",
        "via: 1.1 holdfast\r\n",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!head.contains("6.6.6.6") && !head.contains("te:"), "{head}");
    assert_eq!(answered.headers["x-end"], "2");
    assert_eq!(answered.headers["x-request-id"], "mine");
    assert!(!answered.headers.contains_key("x-hop"));
}

#[tokio::test]
async fn hosts_and_paths_lead_to_their_pools_and_others_nowhere() {
    let (api, site) = (Upstream::named("api"), Upstream::named("site"));
    let text = format!(
        "[pools.api]\nupstreams = [{{ address = \"{}\" }}]\n[pools.site]\nupstreams = [{{ address = \"{}\" }}]\n\
         [[routes]]\nname = \"api\"\nhosts = [\"*.example.gov\"]\npath = \"/api\"\npools = {{ api = 1 }}\n\
         [[routes]]\nname = \"site\"\nhosts = [\"www.example.gov\"]\npools = {{ site = 1 }}\n",
        api.address, site.address
    );
    let gateway = Gateway::start(&text).expect("it starts");
    let at = |host: &str| gateway.client().with_field("host", host);
    let body = |answer: rig::Answer| String::from_utf8_lossy(&answer.bytes).into_owned();
    assert_eq!(body(at("a.example.gov").get("/api/x").await.expect("an answer")), "api");
    assert_eq!(body(at("WWW.example.gov:80").get("/").await.expect("an answer")), "site");
    for (host, path, problem) in [
        ("other.example", "/", "gateway/no-such-host"),
        ("a.example.gov", "/", "gateway/no-such-host"),
        ("www.example.gov", "/x/%2e%2e/api", "gateway/ambiguous-path"),
    ] {
        let refused = at(host).get(path).await.expect("an answer");
        assert_eq!(refused.problem(), problem, "{host}{path}");
    }
}

#[tokio::test]
async fn our_own_server_works_behind_it() {
    let folder = crate::Folder::new();
    let server = rig::Server::start(&folder.data()).expect("it starts");
    let text = format!(
        "[pools.id]\nupstreams = [{{ address = \"{}\" }}]\n[[routes]]\nname = \"id\"\npools = {{ id = 1 }}\n",
        server.public
    );
    let gateway = Gateway::start(&text).expect("it starts");
    gateway.client().register("ada", crate::PASSWORD).await.expect("ada is new");
    let ada = gateway.client().sign_in("ada", crate::PASSWORD).await.expect("ada signs in");
    assert_eq!(ada.get("/api/v1/session").await.expect("an answer").status, 200);
    assert_eq!(ada.delete("/api/v1/session").await.expect("an answer").status, 204);
    until(&gateway, "a good check", |state| state["pools"][0]["upstreams"][0]["well"] == true).await;
    gateway.stop().expect("it stops");
    server.stop().expect("it stops");
}
