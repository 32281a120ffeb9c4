//! Requests that carry an attack, at the door of a server and of a gateway.

use http::Method;
use rig::{Answer, Client, Server, ServerOptions};
use serde_json::json;

use crate::{BEHIND, Folder, PASSWORD};

fn start(folder: &Folder, settings: &str) -> Server {
    let options = ServerOptions { settings: format!("{BEHIND}{settings}"), ..ServerOptions::default() };
    Server::start_with(&folder.data(), &options).expect("it starts")
}

fn from(server: &Server, address: &str) -> Client {
    server.client().with_field("x-forwarded-for", address)
}

async fn get(client: &Client, path: &str) -> Answer {
    client.get(path).await.expect("an answer")
}

#[tokio::test]
async fn an_attack_is_refused_wherever_it_stands_and_honest_requests_pass() {
    let folder = Folder::new();
    let server = start(&folder, "[inspection]\nmode = \"block\"\n");
    let client = from(&server, "192.0.2.1");
    for path in ["/health?a=1%20or%201=1", "/api/v1/%2e%2e/%2e%2e/etc/passwd", "/.env"] {
        assert_eq!(get(&client, path).await.problem(), "edge/inspected", "{path}");
    }
    let agent = client.clone().with_field("user-agent", "sqlmap/1.8");
    assert_eq!(get(&agent, "/health").await.problem(), "edge/inspected");
    let body = json!({"userId": "x' or 1=1 --", "password": PASSWORD});
    let refused = client.post("/api/v1/persons", &body).await.expect("an answer");
    assert_eq!((refused.status, refused.problem()), (403, "edge/inspected".to_owned()));
    let incident = refused.text("incident");
    assert_eq!((incident.len(), refused.text("class")), (16, "sql".to_owned()));
    // What is honest passes, a password whatever it is.
    let person = client.register("ada", "' or 1=1 -- holds fast").await.expect("an answer");
    assert_eq!(person.status, 201, "{person:?}");
    let ada = client.sign_in("ada", "' or 1=1 -- holds fast").await.expect("an answer");
    let path = format!("/api/v1/persons/{}", ada.person.as_deref().unwrap_or_default());
    let new = json!({"userId": "ada", "current": "' or 1=1 -- holds fast", "new": "' or 2=2 -- holds fast"});
    let changed = ada.put(&format!("{path}/password"), &new).await.expect("an answer");
    assert_eq!(changed.status, 204, "{changed:?}");
    let ada = client.sign_in("ada", "' or 2=2 -- holds fast").await.expect("an answer");
    let proof = json!({"proof": "' or 2=2 -- holds fast"});
    assert_eq!(ada.delete_with(&path, &proof).await.expect("an answer").status, 204);
    let state = server.operator().get("/front").await.expect("an answer").json();
    assert_eq!(state["inspection"], json!({"mode": "block", "threshold": 5, "seen": 5}), "{state}");
    let metrics = server.operator().get("/metrics").await.expect("an answer");
    let metrics = String::from_utf8_lossy(&metrics.bytes).into_owned();
    assert!(metrics.contains("front_attacks_seen_total{class=\"sql\",refused=\"true\"} 2"), "{metrics}");
}

#[tokio::test]
async fn an_attack_passes_where_it_is_only_told_of_and_on_the_operators_port() {
    let folder = Folder::new();
    let server = start(&folder, "[inspection]\nmode = \"detect\"\n");
    let client = from(&server, "192.0.2.1");
    assert_eq!(get(&client, "/health?a=1%20or%201=1").await.status, 200);
    assert_eq!(get(&server.operator(), "/health?a=1%20or%201=1").await.status, 200);
    let body = json!({"userId": "x' or 1=1 --", "password": PASSWORD});
    let taken = client.post("/api/v1/persons", &body).await.expect("an answer");
    assert_ne!(taken.problem(), "edge/inspected");
    let state = server.operator().get("/front").await.expect("an answer").json();
    assert_eq!(state["inspection"]["seen"], 2, "{state}");
}

#[tokio::test]
async fn who_sends_many_attacks_is_kept_out_and_others_are_not() {
    let folder = Folder::new();
    let server = start(&folder, "[inspection]\nmode = \"block\"\nsenders = { attacks-max = 3 }\n");
    let (bad, good) = (from(&server, "192.0.2.1"), from(&server, "192.0.2.2"));
    for _ in 0..4 {
        assert_eq!(get(&bad, "/health?a=1%20or%201=1").await.problem(), "edge/inspected");
    }
    assert_eq!(get(&bad, "/health").await.problem(), "edge/blocked");
    assert_eq!(get(&good, "/health").await.status, 200);
    let state = server.operator().get("/front").await.expect("an answer").json();
    assert_eq!(state["blocks"][0]["network"], "192.0.2.1/32", "{state}");
    assert_eq!(state["blocks"][0]["reason"], "inspection", "{state}");
}

#[tokio::test]
async fn rules_of_a_file_and_exceptions_are_read_again_while_it_serves() {
    let folder = Folder::new();
    let own = tempfile::tempdir().expect("a folder");
    let rules = own.path().join("rules.toml");
    let rule = "[[rules]]\nname = \"own\"\nclass = \"sql\"\nscore = 5\npattern = 'forbidden word'\n";
    std::fs::write(&rules, rule).expect("written");
    let server = start(&folder, "[inspection]\nmode = \"block\"\n");
    let client = from(&server, "192.0.2.1");
    let problem = async |path: &str| get(&client, path).await.problem();
    assert_eq!(get(&client, "/health?a=Forbidden%20%20Word").await.status, 200);
    let settings = format!(
        "{BEHIND}[inspection]\nmode = \"block\"\nrules-file = {rules:?}\n\
         exceptions = [{{ routes = [\"/ready\"], classes = [\"sql\"] }}]\n"
    );
    server.write_settings(&settings).expect("written");
    let reload = async || server.operator().post("/reload", &json!({})).await.expect("an answer");
    assert_eq!(reload().await.status, 200);
    assert_eq!(problem("/health?a=Forbidden%20%20Word").await, "edge/inspected");
    assert_eq!(problem("/health?a=1%20or%201=1").await, "edge/inspected");
    assert_eq!(get(&client, "/ready?a=1%20or%201=1").await.status, 200);
    // Rules that cannot be used change nothing.
    std::fs::write(&rules, rule.replace("forbidden word", "(")).expect("written");
    assert_eq!(reload().await.problem(), "server/bad-settings");
    assert_eq!(problem("/health?a=Forbidden%20%20Word").await, "edge/inspected");
}

#[tokio::test]
async fn a_large_body_arrives_whole_behind_what_was_looked_at() {
    let folder = Folder::new();
    let server = start(&folder, "[inspection]\nmode = \"block\"\nbeyond = \"pass\"\n");
    let client = from(&server, "192.0.2.1");
    let body = format!("{{\"userId\": \"ada\", {} \"password\": \"{PASSWORD}\"}}", " ".repeat(200_000));
    let answer = client.send(Method::POST, "/api/v1/persons", "application/json", body.into()).await;
    assert_eq!(answer.expect("an answer").status, 201);
    client.sign_in("ada", PASSWORD).await.expect("what stood at its end was read");
}
