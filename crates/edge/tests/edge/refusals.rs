//! Each refusal is a problem document that says what to do.

use crate::rig::start;

const JSON: &str = "content-type: application/json\r\n";

#[test]
fn an_unknown_path_is_refused() {
    start().get("/nowhere").refuses(404, "edge/no-such-route");
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let reply = start().ask("DELETE", "/hello", "", "");
    reply.refuses(405, "edge/method-not-allowed");
    assert_eq!(reply.field("allow"), Some("GET,HEAD"));
}

#[test]
fn a_body_of_another_type_is_refused() {
    let rig = start();
    rig.ask("POST", "/visits", "content-type: text/plain\r\n", "{}").refuses(415, "edge/not-json");
    rig.ask("POST", "/visits", "", "{}").refuses(415, "edge/not-json");
}

#[test]
fn a_body_that_is_not_json_is_refused_with_its_place() {
    let document =
        start().ask("POST", "/visits", JSON, "{\"minutes\": ]").refuses(400, "edge/malformed-json");
    assert_eq!((&document["line"], &document["column"]), (&1.into(), &13.into()));
}

#[test]
fn a_body_of_another_shape_is_refused_with_its_field() {
    let document =
        start().ask("POST", "/visits", JSON, r#"{"minutes": "x"}"#).refuses(422, "edge/wrong-shape");
    assert_eq!(document["field"], "minutes");
}

#[test]
fn a_body_as_asked_for_is_taken() {
    let reply = start().ask("POST", "/visits", JSON, r#"{"minutes": 20}"#);
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"minutes":20}"#));
}

#[test]
fn a_malformed_path_or_query_is_refused() {
    let rig = start();
    assert_eq!(rig.get("/visits/7").body, "7");
    rig.get("/visits/x").refuses(400, "edge/malformed-path");
    rig.get("/wait?ms=soon").refuses(400, "edge/malformed-query");
    rig.get("/wait").refuses(400, "edge/malformed-query");
}

#[test]
fn a_caller_is_who_the_rule_says() {
    let rig = start();
    assert_eq!(rig.get("/whoami").body, "anonymous");
    assert_eq!(rig.ask("GET", "/whoami", "authorization: Bearer good\r\n", "").body, "service/test");
    let reply = rig.ask("GET", "/whoami", "authorization: Bearer bad\r\n", "");
    reply.refuses(401, "test/bad-token");
    assert_eq!(reply.field("www-authenticate"), Some("Bearer"));
}

#[test]
fn a_request_keeps_the_name_it_came_with() {
    let rig = start();
    let reply = rig.ask("GET", "/id", "x-request-id: mine-1\r\n", "");
    assert_eq!((reply.field("x-request-id"), reply.body.as_str()), (Some("mine-1"), "mine-1"));
    let forged = rig.ask("GET", "/nowhere", "x-request-id: a b\r\n", "");
    assert_eq!(forged.field("x-request-id").map(str::len), Some(25), "{forged:?}");
}

#[test]
fn a_direct_route_is_answered_at_once_and_counted() {
    let rig = start();
    let reply = rig.ask("GET", "/session", "authorization: Bearer good\r\nx-request-id: mine-2\r\n", "");
    assert_eq!((reply.status, reply.body.as_str()), (200, "{\"session\":1}"));
    assert_eq!(reply.field("x-request-id"), Some("mine-2"));
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    rig.get("/session").refuses(404, "edge/no-such-route");
    rig.get("/visits/7");
    let metrics = rig.metrics.encode();
    for line in [
        r#"http_requests_total{method="GET",route="/session",status="200"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        r#"http_requests_total{method="GET",route="/visits/{visit}",status="200"} 1"#,
        "http_requests_in_flight 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}
