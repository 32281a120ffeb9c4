//! Every route, tried by everybody who may not.

use std::collections::BTreeSet;

use http::Method;
use rig::{Answer, Client, Server, ServerOptions};
use serde_json::Value;

use crate::{Folder, PASSWORD};

/// What a stranger gets from each route: the status for nobody, and for somebody who is not concerned. Routes
/// that are for everybody say so.
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
    ("GET /api/v1/queues", 401, 403),
    ("GET /api/v1/queues/{queue}", 401, 403),
    ("PUT /api/v1/queues/{queue}/pause", 401, 403),
    ("DELETE /api/v1/queues/{queue}/pause", 401, 403),
    ("DELETE /api/v1/queues/{queue}/hold", 401, 403),
    ("GET /api/v1/queues/{queue}/done", 401, 403),
    ("GET /api/v1/queues/{queue}/dead", 401, 403),
    ("DELETE /api/v1/queues/{queue}/dead", 401, 403),
    ("GET /api/v1/queues/{queue}/jobs/{job}", 401, 403),
    ("DELETE /api/v1/queues/{queue}/jobs/{job}", 401, 403),
    ("POST /api/v1/queues/{queue}/jobs/{job}/retry", 401, 403),
    ("POST /api/v1/elections", 401, 403),
    ("GET /api/v1/elections", 200, 200),
    ("GET /api/v1/elections/{id}", 404, 404),
    ("PUT /api/v1/elections/{id}", 401, 403),
    ("DELETE /api/v1/elections/{id}", 401, 403),
    ("POST /api/v1/elections/{id}/roll", 401, 403),
    ("GET /api/v1/elections/{id}/ceremony", 401, 404),
    ("POST /api/v1/elections/{id}/ceremony", 401, 403),
    ("POST /api/v1/elections/{id}/ceremony/{step}", 401, 404),
    ("POST /api/v1/elections/{id}/opening", 401, 403),
    ("POST /api/v1/elections/{id}/closing", 401, 403),
    ("POST /api/v1/elections/{id}/tally", 401, 403),
    ("POST /api/v1/elections/{id}/publication", 401, 403),
    ("GET /api/v1/elections/{id}/decryption", 401, 404),
    ("POST /api/v1/elections/{id}/decryption", 401, 404),
    ("PUT /api/v1/elections/{id}/blobs/{hash}/parts/{part}", 401, 404),
    ("GET /api/v1/elections/{id}/results", 404, 404),
    ("GET /api/v1/public/elections/{id}", 404, 404),
    ("GET /api/v1/public/elections/{id}/turnout", 404, 404),
    ("GET /api/v1/public/elections/{id}/results", 404, 404),
    ("GET /api/v1/public/elections/{id}/events", 404, 404),
    ("GET /api/v1/public/elections/{id}/blobs/{hash}", 404, 404),
    ("GET /api/v1/public/elections/{id}/ballots/{tracker}", 404, 404),
    ("GET /api/v1/public/elections/{id}/board/checkpoint", 404, 404),
    ("GET /api/v1/public/elections/{id}/board/entries", 404, 404),
    ("GET /api/v1/public/elections/{id}/board/consistency", 400, 400),
    ("GET /api/v1/public/elections/{id}/board/tile/{level}/{a}", 404, 404),
    ("GET /api/v1/public/elections/{id}/board/tile/{level}/{a}/{b}", 404, 404),
    ("GET /api/v1/public/elections/{id}/board/tile/{level}/{a}/{b}/{c}", 404, 404),
    ("GET /api/v1/public/elections/{id}/board/tile/{level}/{a}/{b}/{c}/{d}", 404, 404),
    ("POST /api/v1/voting/token", 401, 404),
    ("POST /api/v1/voting/submit", 404, 404),
    ("GET /api/v1/overload", 401, 403),
    ("POST /api/v1/waiting-rooms/{room}/close", 401, 403),
    ("POST /api/v1/waiting-rooms/{room}/open", 401, 403),
    ("GET /ledger/{service}/checkpoint", 200, 200),
    ("GET /ledger/{service}/keys", 200, 200),
    ("GET /ledger/{service}/receipts/{index}", 401, 403),
    ("GET /ledger/{service}/consistency", 400, 400),
    ("GET /ledger/{service}/entries", 401, 403),
    ("GET /ledger/{service}/search", 401, 403),
    ("GET /health", 200, 200),
    ("GET /ready", 200, 200),
    ("GET /problems/{area}/{name}", 404, 404),
    ("GET /problems/{name}", 404, 404),
];

/// What those get who have a role, where it is not what any stranger gets.
const ROLE_CASES: &[(&str, &str, u16)] = &[
    ("support", "GET /api/v1/persons", 200),
    ("support", "GET /api/v1/persons/{person_id}", 200),
    ("support", "GET /api/v1/persons/{person_id}/export", 200),
    ("support", "GET /api/v1/persons/{person_id}/sessions", 200),
    ("support", "DELETE /api/v1/persons/{person_id}/sessions", 204),
    ("support", "GET /api/v1/persons/{person_id}/device-keys", 200),
    ("support", "DELETE /api/v1/persons/{person_id}/device-keys/{key_id}", 404),
    ("auditor", "GET /ledger/{service}/receipts/{index}", 200),
    ("auditor", "GET /ledger/{service}/entries", 200),
    ("auditor", "GET /ledger/{service}/search", 200),
    ("operator", "GET /api/v1/queues", 200),
    ("operator", "GET /api/v1/queues/{queue}", 200),
    ("operator", "PUT /api/v1/queues/{queue}/pause", 204),
    ("operator", "DELETE /api/v1/queues/{queue}/pause", 204),
    ("operator", "DELETE /api/v1/queues/{queue}/hold", 204),
    ("operator", "GET /api/v1/queues/{queue}/done", 200),
    ("operator", "GET /api/v1/queues/{queue}/dead", 200),
    ("operator", "DELETE /api/v1/queues/{queue}/dead", 200),
    ("operator", "GET /api/v1/queues/{queue}/jobs/{job}", 404),
    ("operator", "DELETE /api/v1/queues/{queue}/jobs/{job}", 204),
    ("operator", "POST /api/v1/queues/{queue}/jobs/{job}/retry", 404),
    ("operator", "GET /api/v1/overload", 200),
    ("officer", "POST /api/v1/elections", 201),
    ("officer", "PUT /api/v1/elections/{id}", 404),
    ("officer", "DELETE /api/v1/elections/{id}", 404),
    ("officer", "POST /api/v1/elections/{id}/roll", 404),
    ("officer", "POST /api/v1/elections/{id}/ceremony", 404),
    ("officer", "POST /api/v1/elections/{id}/opening", 404),
    ("officer", "POST /api/v1/elections/{id}/closing", 404),
    ("officer", "POST /api/v1/elections/{id}/tally", 404),
    ("officer", "POST /api/v1/elections/{id}/publication", 404),
    ("operator", "POST /api/v1/waiting-rooms/{room}/close", 404),
    ("operator", "POST /api/v1/waiting-rooms/{room}/open", 404),
    ("introspector", "POST /api/v1/tokens/introspect", 415),
    ("introspector", "POST /api/v1/tokens/validate", 415),
];

/// Everybody who is not an administrator: a name, which is also that of their role, their kind and roles.
const STRANGERS: &[(&str, &str, &[&str])] = &[
    ("citizen", "citizen", &[]),
    ("staff", "staff", &[]),
    ("government", "government", &[]),
    ("service", "service", &[]),
    ("support", "staff", &["support"]),
    ("auditor", "government", &["auditor"]),
    ("operator", "staff", &["operator"]),
    ("introspector", "service", &["introspector"]),
    ("officer", "staff", &["officer"]),
];

/// An election that needs nobody else.
const POLL: &str = r#"{"title":{"en":"Tea"},"secret":false,"contests":[{"contestId":"a","title":{"en":"A"},"form":{"kind":"plurality"},"count":"most","options":[{"optionId":"a","title":{"en":"A"}}]}]}"#;

/// Bodies that each route reads before it can know whether the caller may.
const BODIES: &[(&str, &str)] = &[
    ("POST /api/v1/elections", POLL),
    ("PUT /api/v1/elections/{id}", POLL),
    ("POST /api/v1/elections/{id}/roll", r#"{"voters":[{"userId":"ada"}]}"#),
    ("POST /api/v1/elections/{id}/ceremony/{step}", r#"{"attempt":1,"bytes":""}"#),
    ("POST /api/v1/elections/{id}/decryption", r#"{"partials":[]}"#),
    ("POST /api/v1/voting/token", r#"{"electionId":"0198f1de-8b70-7c4e-9f3a-6a2b1c3d4e5f"}"#),
    (
        "POST /api/v1/voting/submit",
        r#"{"electionId":"0198f1de-8b70-7c4e-9f3a-6a2b1c3d4e5f","token":"a","selections":[]}"#,
    ),
    ("POST /api/v1/waiting-rooms/{room}/close", r#"{"reason":"sold-out"}"#),
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

pub(crate) fn served_routes() -> BTreeSet<String> {
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

/// Fields that no answer is without, and what no cookie is without.
fn check_fields(route: &str, answer: &Answer) {
    for name in [
        "x-content-type-options",
        "content-security-policy",
        "referrer-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "permissions-policy",
        "x-request-id",
    ] {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name} of {route}");
    }
    assert!(!answer.headers.contains_key("server"), "{route} says what serves it");
    for cookie in answer.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().expect("text");
        let strict = cookie.contains("HttpOnly") && cookie.contains("SameSite=");
        assert!(
            strict && cookie.contains("Secure") && cookie.starts_with("__Host-"),
            "{route} sets {cookie}"
        );
    }
}

async fn status(client: &Client, route: &str, victim: &str) -> u16 {
    let (method, path) = route.split_once(' ').expect("a method and a path");
    let path = path
        .replace("{person_id}", victim)
        .replace("{session_id}", victim)
        .replace("{key_id}", victim)
        .replace("{service}", "identity")
        .replace("{queue}", "erasures")
        .replace("{job}", victim)
        .replace("{id}", victim)
        .replace("{step}", "approval")
        .replace("{hash}", &"0".repeat(64))
        .replace("{tracker}", &"0".repeat(64))
        .replace("{part}", "0")
        .replace("{level}", "0")
        .replace("{a}", "000")
        .replace("{b}", "000")
        .replace("{c}", "000")
        .replace("{d}", "000")
        .replace("{index}", "0");
    let body = BODIES.iter().find(|(of, _)| *of == route).map(|(_, body)| *body);
    let kind = if body.is_some() { "application/json" } else { "" };
    let method: Method = method.parse().expect("a method");
    let answer = client.send(method, &path, kind, body.unwrap_or_default().into()).await.expect("an answer");
    check_fields(route, &answer);
    if answer.status >= 400 {
        let document: Value = answer.json();
        assert_eq!(document["status"], answer.status, "{route} refuses without a problem document");
    }
    answer.status
}

/// Everybody meets a waiting room, and then has to prove something.
const COOKIES: &str = "[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]\n[edge.overload]\n[waiting-rooms]\n\
                       [[waiting-rooms.rooms]]\nname = \"all\"\nroutes = [\"/*\"]\ncapacity = 1000\n\
                       let-in-max = 1000\n";

#[tokio::test]
async fn every_cookie_of_every_route_is_ours_alone_encrypted_and_not_for_scripts() {
    let folder = Folder::new();
    for attack in ["off", "on"] {
        let settings = format!("{COOKIES}[attack]\nmode = \"{attack}\"\n");
        let server =
            Server::start_with(&folder.data(), &ServerOptions { settings, ..ServerOptions::default() })
                .expect("it starts");
        let mut cookies = 0;
        for (route, ..) in STRANGER_CASES {
            let (method, path) = route.split_once(' ').expect("a method and a path");
            // Everybody is somebody new, who comes encrypted to a proxy of ours.
            let client = server
                .client()
                .with_field("x-forwarded-proto", "https")
                .with_field("x-forwarded-for", &format!("192.0.2.{cookies}"))
                .with_field("accept", "text/html");
            let method: Method = method.parse().expect("a method");
            let answer = client.send(method, path, "", Vec::new()).await.expect("an answer");
            check_fields(route, &answer);
            assert_eq!(answer.headers["strict-transport-security"], "max-age=31536000");
            cookies += answer.headers.get_all("set-cookie").iter().count();
        }
        assert!(cookies > 10, "no cookie was seen");
    }
}

#[tokio::test]
async fn strangers_get_nothing_that_is_not_theirs_whatever_their_role() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let client = server.client();
    let administrator = server.administrator().await.expect("the first password holds");
    let victim = client.register("victim", PASSWORD).await.expect("they are new").text("personId");
    let checkpoint = async || client.get("/ledger/identity/checkpoint").await.expect("an answer").status;
    while checkpoint().await != 200 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut wrong = Vec::new();
    for (route, for_nobody, _) in STRANGER_CASES {
        let found = status(&client, route, &victim).await;
        if found != *for_nobody {
            wrong.push(format!("nobody: {route}: {found}"));
        }
    }
    for (name, kind, roles) in STRANGERS {
        let body = serde_json::json!({"userId": name, "password": PASSWORD, "kind": kind, "roles": roles});
        let registered = administrator.post("/api/v1/persons", &body).await.expect("an answer");
        assert_eq!(registered.status, 201, "{}", registered.json());
        let mut stranger = client.sign_in(name, PASSWORD).await.expect("they sign in");
        for (route, _, for_anyone) in STRANGER_CASES {
            let of_role = ROLE_CASES.iter().find(|(role, of, _)| role == name && of == route);
            let expected = of_role.map_or(*for_anyone, |(.., status)| *status);
            let found = status(&stranger, route, &victim).await;
            if found != expected {
                wrong.push(format!("{name}: {route}: {found}"));
            }
            if route.starts_with("DELETE /api/v1/session") {
                stranger = client.sign_in(name, PASSWORD).await.expect("they sign in again");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
