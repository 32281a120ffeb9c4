//! Every route, tried by everybody who may not.

use std::collections::BTreeSet;

use drill::routes::{Route, STRANGERS, body_of, routes};
use http::Method;
use rig::{Answer, Client, Server, ServerOptions};
use serde_json::Value;

use crate::{Folder, PASSWORD};

pub(crate) fn served_routes() -> BTreeSet<String> {
    let description = serde_json::to_value(server::openapi()).expect("it has a JSON form");
    let paths = description["paths"].as_object().cloned().unwrap_or_default();
    let routes = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().cloned().unwrap_or_default();
        methods.into_iter().map(|(method, _)| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    });
    routes.collect()
}

fn named(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

#[test]
fn every_route_has_a_stranger_case() {
    let tried: BTreeSet<_> = routes().iter().map(named).collect();
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
    let body = body_of(route);
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
        for route in routes() {
            let (method, path) = (&route.method, &route.path);
            // Everybody is somebody new, who comes encrypted to a proxy of ours.
            let client = server
                .client()
                .with_field("x-forwarded-proto", "https")
                .with_field("x-forwarded-for", &format!("192.0.2.{cookies}"))
                .with_field("accept", "text/html");
            let method: Method = method.parse().expect("a method");
            let answer = client.send(method, path, "", Vec::new()).await.expect("an answer");
            check_fields(&named(&route), &answer);
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
    for route in routes() {
        let found = status(&client, &named(&route), &victim).await;
        if found != route.nobody {
            wrong.push(format!("nobody: {}: {found}", named(&route)));
        }
    }
    for (name, kind, roles) in STRANGERS {
        let body = serde_json::json!({"userId": name, "password": PASSWORD, "kind": kind, "roles": roles});
        let registered = administrator.post("/api/v1/persons", &body).await.expect("an answer");
        assert_eq!(registered.status, 201, "{}", registered.json());
        let mut stranger = client.sign_in(name, PASSWORD).await.expect("they sign in");
        for case in routes() {
            let route = named(&case);
            let found = status(&stranger, &route, &victim).await;
            if found != case.of(name) {
                wrong.push(format!("{name}: {route}: {found}"));
            }
            if route.starts_with("DELETE /api/v1/session") {
                stranger = client.sign_in(name, PASSWORD).await.expect("they sign in again");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
