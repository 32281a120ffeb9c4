//! Every route, tried by somebody who may not.

use std::collections::BTreeSet;

use http::Method;
use rig::{Client, Server};
use serde_json::Value;

use crate::{Folder, PASSWORD};

/// What a stranger gets from each route: the status for nobody, and for a citizen who is not concerned.
/// Routes that are for everybody say so.
const STRANGER_CASES: &[(&str, u16, u16)] = &[
    ("POST /api/v1/authenticate", 415, 415),
    ("POST /api/v1/challenges", 201, 201),
    ("POST /api/v1/persons", 415, 415),
    ("GET /api/v1/persons", 401, 403),
    ("GET /api/v1/persons/{person_id}", 401, 403),
    ("DELETE /api/v1/persons/{person_id}", 401, 403),
    ("PUT /api/v1/persons/{person_id}/standing", 401, 403),
    ("PUT /api/v1/persons/{person_id}/password", 401, 403),
    ("GET /api/v1/persons/{person_id}/export", 401, 403),
    ("GET /api/v1/persons/{person_id}/sessions", 401, 403),
    ("DELETE /api/v1/persons/{person_id}/sessions", 401, 403),
    ("POST /api/v1/persons/{person_id}/device-keys", 401, 403),
    ("GET /api/v1/persons/{person_id}/device-keys", 401, 403),
    ("DELETE /api/v1/persons/{person_id}/device-keys/{key_id}", 401, 403),
    ("GET /api/v1/session", 401, 200),
    ("DELETE /api/v1/session", 401, 204),
    ("GET /api/v1/sessions", 401, 200),
    ("DELETE /api/v1/sessions", 401, 204),
    ("DELETE /api/v1/sessions/{session_id}", 401, 404),
    ("POST /api/v1/tokens/introspect", 401, 403),
    ("POST /api/v1/tokens/validate", 401, 403),
    ("GET /ledger/{service}/checkpoint", 200, 200),
    ("GET /ledger/{service}/receipts/{index}", 401, 403),
    ("GET /ledger/{service}/consistency", 400, 400),
    ("GET /ledger/{service}/entries", 401, 403),
    ("GET /health", 200, 200),
    ("GET /ready", 200, 200),
    ("GET /problems/{area}/{name}", 404, 404),
    ("GET /problems/{name}", 404, 404),
];

/// Bodies that each route reads before it can know whether the caller may.
const BODIES: &[(&str, &str)] = &[
    (
        "PUT /api/v1/persons/{person_id}/standing",
        r#"{"kind":"staff","roles":["administrator"],"disabled":false}"#,
    ),
    (
        "PUT /api/v1/persons/{person_id}/password",
        r#"{"userId":"ada","new":"a lighthouse keeper counts the waves"}"#,
    ),
    (
        "POST /api/v1/persons/{person_id}/device-keys",
        r#"{"algorithm":"Ed25519","publicKey":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    ),
];

fn served_routes() -> BTreeSet<String> {
    let description = serde_json::to_value(server::openapi()).expect("it has a JSON form");
    let paths = description["paths"].as_object().cloned().unwrap_or_default();
    let routes = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().cloned().unwrap_or_default();
        methods.into_iter().map(|(method, _)| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    });
    routes.collect()
}

#[test]
fn every_route_has_a_stranger_case() {
    let tried: BTreeSet<_> = STRANGER_CASES.iter().map(|(route, ..)| (*route).to_owned()).collect();
    assert_eq!(served_routes(), tried);
}

async fn status(client: &Client, route: &str, victim: &str) -> u16 {
    let (method, path) = route.split_once(' ').expect("a method and a path");
    let path = path
        .replace("{person_id}", victim)
        .replace("{session_id}", victim)
        .replace("{key_id}", victim)
        .replace("{service}", "identity")
        .replace("{index}", "0");
    let body = BODIES.iter().find(|(of, _)| *of == route).map(|(_, body)| *body);
    let kind = if body.is_some() { "application/json" } else { "" };
    let method: Method = method.parse().expect("a method");
    let answer = client.send(method, &path, kind, body.unwrap_or_default().into()).await.expect("an answer");
    if answer.status >= 400 {
        let document: Value = answer.json();
        assert_eq!(document["status"], answer.status, "{route} refuses without a problem document");
    }
    answer.status
}

#[tokio::test]
async fn strangers_get_nothing_that_is_not_theirs() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let client = server.client();
    let victim = client.register("victim", PASSWORD).await.expect("they are new").text("personId");
    client.register("mallory", PASSWORD).await.expect("mallory is new");
    let mut wrong = Vec::new();
    for (route, for_nobody, for_citizen) in STRANGER_CASES {
        // A new session for each, because some routes end it; within a second it would be the same one.
        let sign_in = serde_json::json!({"userId": "mallory", "credentials": PASSWORD, "audience": route});
        let answer = client.post("/api/v1/authenticate", &sign_in).await.expect("an answer");
        let mallory = client.signed_in(&answer);
        let found = (status(&client, route, &victim).await, status(&mallory, route, &victim).await);
        if found != (*for_nobody, *for_citizen) {
            wrong.push(format!("{route}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
