//! The operators' console: who sees it, what it follows, and that nothing is changed that the ledger does not know of.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use peers::Postgres;
use rig::{Client, Events, Server, ServerOptions};
use serde_json::{Value, json};

use crate::{Folder, PASSWORD};

/// Somebody who holds these roles, speaking to the operators' port.
pub(crate) async fn somebody(server: &Server, name: &str, roles: &[&str]) -> Client {
    let administrator = server.administrator().await.expect("the first administrator");
    let registered = server.client().register(name, PASSWORD).await.expect("an answer");
    let path = format!("/api/v1/persons/{}/standing", registered.text("personId"));
    let standing = json!({"kind": "staff", "roles": roles, "disabled": false});
    assert_eq!(administrator.put(&path, &standing).await.expect("an answer").status, 204);
    server.operator().sign_in(name, PASSWORD).await.expect("they sign in")
}

pub(crate) async fn recorded(auditor: &Client) -> Vec<Value> {
    let found = auditor.get("/ledger/identity/search?command=identity/record-operation").await;
    found.expect("an answer").json()["entries"].as_array().expect("entries").clone()
}

#[tokio::test]
async fn only_who_watches_the_machines_sees_how_they_are() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let page = server.operator().get("/console").await.expect("an answer");
    assert_eq!(page.status, 200);
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .is_ok_and(|policy| policy.contains("script-src 'self'"))
    );
    let citizen = somebody(&server, "citizen", &[]).await;
    let operator = somebody(&server, "operator", &["operator"]).await;
    for path in ["/console/live", "/console/settings", "/console/operate/front"] {
        assert_eq!(server.operator().get(path).await.expect("an answer").status, 401, "{path}");
        assert_eq!(citizen.get(path).await.expect("an answer").status, 403, "{path}");
        // Citizens' ports know of no console.
        assert_eq!(server.client().get(path).await.expect("an answer").status, 404, "{path}");
    }
    let settings = operator.get("/console/settings").await.expect("an answer");
    assert_eq!(settings.status, 200);
    assert!(String::from_utf8_lossy(&settings.bytes).contains("[identity.passwords]"));
}

#[tokio::test]
async fn whoever_follows_sees_every_series_and_then_what_changes() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let operator = somebody(&server, "operator", &["operator"]).await;
    let mut stream = operator.follow("/console/live").await.expect("a stream");
    let first = moment(&mut stream).await;
    let entries = "ledger_entries{ledger=\"identity\"}";
    assert!(first["series"].as_object().is_some_and(|series| series.len() > 50), "{first}");
    let before = first["series"][entries].as_f64().expect("how many entries there are");
    server.client().register("somebody", PASSWORD).await.expect("an answer");
    loop {
        let next = moment(&mut stream).await;
        assert!(next["series"].as_object().is_some_and(|series| !series.contains_key("process_cpus")));
        if next["series"][entries].as_f64().is_some_and(|now| now > before) {
            break;
        }
    }
}

#[tokio::test]
async fn as_many_follow_a_process_as_may_and_the_next_when_one_has_gone() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let operator = somebody(&server, "operator", &["operator"]).await;
    let mut following = Vec::new();
    for _ in 0..50 {
        following.push(operator.follow("/console/live").await.expect("a stream"));
    }
    let refused = operator.get("/console/live").await.expect("an answer");
    assert_eq!((refused.status, refused.problem().as_str()), (503, "console/too-many-followers"));
    drop(following.pop());
    while operator.follow("/console/live").await.is_err() {
        tokio::task::yield_now().await;
    }
}

/// The next event's data.
async fn moment(stream: &mut Events) -> Value {
    let data = stream.next().await.expect("it is not broken off").expect("it goes on");
    serde_json::from_str(&data).expect("JSON")
}

#[tokio::test]
async fn what_operators_change_stands_in_the_ledger_with_their_name() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let operator = somebody(&server, "operator", &["operator"]).await;
    let auditor = somebody(&server, "auditor", &["auditor"]).await;
    let block = json!({"network": "192.0.2.0/24", "seconds": 60});
    let path = "/console/operate/blocks";
    assert_eq!(auditor.put(path, &block).await.expect("an answer").status, 403);
    assert!(recorded(&auditor).await.is_empty());
    assert_eq!(operator.put(path, &block).await.expect("an answer").status, 204);
    let front = auditor.get("/console/operate/front").await.expect("an answer").json();
    assert_eq!(front["blocks"][0]["network"], "192.0.2.0/24");
    let recorded = recorded(&auditor).await;
    assert_eq!(recorded.len(), 1);
    let to = json!({"around": "192.0.2.0/24", "prefixLength": 24, "seconds": 60});
    assert_eq!(recorded[0]["body"], json!({"method": "PUT", "path": "/blocks", "to": to}));
    let own = operator.get("/api/v1/session").await.expect("an answer").text("personId");
    assert!(recorded[0]["actor"].as_str().is_some_and(|actor| actor.contains(&own)), "{recorded:?}");
    // What is no route is not done, and not recorded.
    assert_eq!(operator.put("/console/operate/nothing", &block).await.expect("an answer").status, 404);
}

#[tokio::test]
async fn what_programs_on_the_machine_change_stands_in_the_ledger_with_what_it_was_set_to() {
    let folder = Folder::new();
    let room =
        "[[waiting-rooms.rooms]]\nname = \"sale\"\nroutes = [\"/none\"]\ncapacity = 1\nlet-in-max = 1\n";
    let options = ServerOptions { settings: room.to_owned(), ..ServerOptions::default() };
    let server = Server::start_with(&folder.data(), &options).expect("it starts");
    let auditor = somebody(&server, "auditor", &["auditor"]).await;
    let machine = server.operator();
    let block = json!({"network": "192.0.2.77/32", "seconds": 60, "reason": "Ada's neighbour"});
    let around = json!({"around": "192.0.2.0/24", "prefixLength": 32});
    let mut blocked = around.clone();
    blocked["seconds"] = 60.into();
    let sold_out = json!({"reason": "sold-out"});
    let network = "/blocks?network=192.0.2.77/32";
    let (room, closed) = (json!({"room": "sale"}), json!({"room": "sale", "reason": "sold-out"}));
    let (rate, faster) = (json!({"perSecond": 2.5}), json!({"room": "sale", "perSecond": 2.5}));
    let changes = [
        ("PUT", "/attack", "/attack", json!({"mode": "on"}), json!({"mode": "on"})),
        ("PUT", "/attack", "/attack", json!({"mode": "auto"}), json!({"mode": "auto"})),
        ("PUT", "/blocks", "/blocks", block, blocked),
        ("DELETE", network, "/blocks", Value::Null, around),
        ("POST", "/waiting-rooms/sale/close", "/waiting-rooms/{name}/close", sold_out, closed),
        ("POST", "/waiting-rooms/sale/open", "/waiting-rooms/{name}/open", json!({}), room),
        ("PUT", "/waiting-rooms/sale/rate", "/waiting-rooms/{name}/rate", rate, faster),
        ("POST", "/reload", "/reload", json!({}), Value::Null),
    ];
    let mut expected = Vec::new();
    for (method, path, route, body, to) in changes {
        let answer = match method {
            "PUT" => machine.put(path, &body).await,
            "DELETE" => machine.delete(path).await,
            _ => machine.post(path, &body).await,
        };
        let answer = answer.expect("an answer");
        assert!(answer.status < 300, "{method} {path}: {}", answer.json());
        let mut entry = json!({"method": method, "path": route});
        if !to.is_null() {
            entry["to"] = to;
        }
        expected.insert(0, entry);
    }
    // A name that is nobody's room is not kept, whatever it is.
    let stray = machine.post("/waiting-rooms/ada.lovelace/open", &json!({})).await.expect("an answer");
    assert_eq!(stray.status, 404);
    expected.insert(0, json!({"method": "POST", "path": "/waiting-rooms/{name}/open"}));
    // Nor was anything done.
    let refused = json!({"method": "POST", "path": "/waiting-rooms/{name}/open", "to": {"refused": 404}});
    expected.insert(0, refused);
    let recorded = recorded(&auditor).await;
    let found: Vec<_> = recorded.iter().map(|entry| entry["body"].clone()).collect();
    assert_eq!(found, expected, "the newest first");
    assert!(recorded.iter().all(|entry| entry["actor"] == "service/machine"), "{recorded:?}");
}

/// An address of this machine by which it is somebody else to itself.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    // Nothing is sent: it is only found out from where it would be.
    socket.connect("192.0.2.1:9").expect("this machine has a network");
    socket.local_addr().expect("an address").ip()
}

#[tokio::test]
async fn whoever_asks_from_elsewhere_looks_and_changes_nothing_without_the_role() {
    let folder = Folder::new();
    let options = ServerOptions { admin: Some("0.0.0.0:0".to_owned()), ..ServerOptions::default() };
    let server = Server::start_with(&folder.data(), &options).expect("it starts");
    let citizen = somebody(&server, "citizen", &[]).await;
    let operator = somebody(&server, "operator", &["operator"]).await;
    let auditor = somebody(&server, "auditor", &["auditor"]).await;
    let elsewhere = Client::new(SocketAddr::new(own_address(), server.admin.port()));
    let with = |person: &Client| elsewhere.clone().with_token(person.token.as_deref().expect("a token"));
    let (path, on) = ("/attack", json!({"mode": "on"}));
    for look in ["/metrics", "/front", "/overload", "/queues", "/waiting-rooms", "/process"] {
        assert_eq!(elsewhere.get(look).await.expect("an answer").status, 200, "{look}");
    }
    let stranger = elsewhere.put(path, &on).await.expect("an answer");
    assert_eq!((stranger.status, stranger.problem()), (401, "authz/sign-in-first".to_owned()));
    for change in ["/reload", "/hand-over"] {
        assert_eq!(elsewhere.post(change, &json!({})).await.expect("an answer").status, 401, "{change}");
    }
    for other in [&citizen, &auditor] {
        assert_eq!(with(other).put(path, &on).await.expect("an answer").status, 403);
        // Also who is on the machine is taken by who they say they are.
        assert_eq!(other.put(path, &on).await.expect("an answer").status, 403);
    }
    assert!(recorded(&auditor).await.is_empty());
    assert_eq!(with(&operator).put(path, &on).await.expect("an answer").status, 204);
    let own = operator.get("/api/v1/session").await.expect("an answer").text("personId");
    let recorded = recorded(&auditor).await;
    assert_eq!(recorded.len(), 1);
    assert!(recorded[0]["actor"].as_str().is_some_and(|actor| actor.contains(&own)), "{recorded:?}");
    assert_eq!(recorded[0]["body"]["to"], on);
    // A page whose name was led here speaks from an operator's browser, and is not the machine's operator.
    let led = Client::new(server.admin).with_field("host", "page.example");
    for refused in [led.put(path, &on).await, led.get("/front").await, led.get("/console").await] {
        assert_eq!(refused.expect("an answer").problem(), "server/unknown-name");
    }
    assert_eq!(led.get("/metrics").await.expect("an answer").status, 200);
}

#[tokio::test]
async fn whoever_is_on_the_machine_mends_it_also_when_nothing_can_be_recorded() {
    let database = Postgres::start().expect("it starts");
    let url = database.create_database("holdfast").expect("it can be made");
    let folder = Folder::new();
    let options = ServerOptions { database: Some(url), ..ServerOptions::default() };
    let server = Server::start_with(&folder.data(), &options).expect("it starts");
    let operator = somebody(&server, "operator", &["operator"]).await;
    database.freeze();
    let (on, mode) = (json!({"mode": "on"}), async || {
        server.operator().get("/front").await.expect("an answer").json()["attack"].clone()
    });
    let before = mode().await;
    let refused = operator.put("/attack", &on).await.expect("an answer");
    assert_eq!(refused.status, 503, "{}", refused.json());
    assert_eq!(mode().await, before, "what a person asks for is not done unless it is recorded");
    assert_eq!(server.operator().put("/attack", &on).await.expect("an answer").status, 204);
    assert_ne!(mode().await, before);
    database.thaw();
}

#[tokio::test]
async fn entries_are_found_by_what_was_done_and_whom_it_is_about() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let auditor = somebody(&server, "auditor", &["auditor"]).await;
    let person = server.client().register("somebody", PASSWORD).await.expect("an answer").text("personId");
    for device in ["one", "two", "three"] {
        let body = json!({"userId": "somebody", "credentials": PASSWORD, "deviceFingerprint": device});
        assert_eq!(server.client().post("/api/v1/authenticate", &body).await.expect("an answer").status, 200);
    }
    let search = async |query: &str| {
        let found = auditor.get(&format!("/ledger/identity/search?{query}")).await.expect("an answer");
        assert_eq!(found.status, 200, "{query}");
        found.json()
    };
    let about = search(&format!("subject={person}&command=identity/sign-in")).await;
    let indexes: Vec<_> =
        about["entries"].as_array().expect("entries").iter().map(|entry| entry["index"].as_u64()).collect();
    assert_eq!(indexes.len(), 3);
    assert!(indexes.is_sorted_by(|one, next| one > next), "the newest first: {indexes:?}");
    let one = search(&format!("subject={person}&command=identity/sign-in&limit=1")).await;
    assert_eq!(one["entries"][0]["index"].as_u64(), indexes[0]);
    let next = one["next"].as_u64().expect("there is more");
    let others = search(&format!("subject={person}&command=identity/sign-in&before={next}")).await;
    assert_eq!(others["entries"].as_array().map(Vec::len), Some(2));
    assert!(others.get("next").is_none());
    let nothing = search("command=identity/never-done").await;
    assert_eq!(nothing["entries"], json!([]));
}
