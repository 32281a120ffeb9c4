//! More comes than can be served.

use std::{io::Write, num::NonZeroU16, time::Duration};

use clock::Clock;
use overload::{Class, OverloadConfig, RouteState};

use crate::rig::{Rig, hear_one, nonzero, start, start_with};

fn few(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("not zero")
}

/// A port whose routes have one place each, and where one may wait.
fn with_one_place(wait_ms_max: u16) -> Rig {
    start_with(|limits, _| {
        let concurrency = &mut limits.overload.concurrency;
        (concurrency.initial, concurrency.floor, concurrency.ceiling) = (few(1), few(1), few(1));
        limits.overload.queue.waiting_max = few(1);
        limits.overload.queue.interval_ms = few(wait_ms_max);
    })
}

fn route(rig: &Rig, template: &str) -> Option<RouteState> {
    rig.overload.state().routes.into_iter().find(|route| route.route == template)
}

/// Waits until a route stands as is wanted.
#[track_caller]
fn wait_for(rig: &Rig, template: &str, wanted: impl Fn(&RouteState) -> bool) {
    let waiting = Clock::System.stopwatch();
    while !route(rig, template).is_some_and(|route| wanted(&route)) {
        assert!(waiting.elapsed() < Duration::from_secs(60), "{:?}", route(rig, template));
        std::thread::yield_now();
    }
}

fn admitted(rig: &Rig, template: &str, class: Class) -> u64 {
    let classes = route(rig, template).map(|route| route.classes).unwrap_or_default();
    classes.iter().find(|state| state.class == class).map_or(0, |state| state.admitted)
}

#[test]
fn who_finds_no_place_is_refused_and_told_when_to_come_back() {
    let rig = with_one_place(1);
    let mut first = rig.connect_and_say(b"GET /wait?ms=60000 HTTP/1.1\r\nhost: edge\r\n\r\n");
    wait_for(&rig, "/wait", |route| route.in_flight == 1);
    let reply = rig.get("/wait?ms=1");
    reply.refuses(503, "edge/overloaded");
    let wait: u64 = reply.field("retry-after").and_then(|wait| wait.parse().ok()).expect("it says when");
    assert!((1..=4).contains(&wait), "{wait}");
    assert_eq!(rig.get("/hello").body, "hello", "another route has places of its own");
    let text = rig.metrics.encode();
    for line in [
        r#"overload_limit{route="/wait"} 1"#,
        r#"overload_in_flight{route="/wait"} 1"#,
        r#"overload_refused_total{class="anonymous",reason="waited-too-long",route="/wait"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    first.write_all(b"").expect("it is still there");
}

#[test]
fn a_caller_who_goes_away_leaves_the_queue() {
    let rig = with_one_place(10_000);
    let _first = rig.connect_and_say(b"GET /wait?ms=60000 HTTP/1.1\r\nhost: edge\r\n\r\n");
    wait_for(&rig, "/wait", |route| route.in_flight == 1);
    let second = rig.connect_and_say(b"GET /wait?ms=1 HTTP/1.1\r\nhost: edge\r\n\r\n");
    wait_for(&rig, "/wait", |route| route.waiting == 1);
    drop(second);
    wait_for(&rig, "/wait", |route| route.waiting == 0);
    let refused: u64 =
        route(&rig, "/wait").expect("it was asked").classes.iter().map(|class| class.refused).sum();
    assert_eq!(refused, 0, "it was sent away before it left");
}

#[test]
fn a_caller_who_goes_away_gives_back_their_place() {
    let rig = with_one_place(10_000);
    let first = rig.connect_and_say(b"GET /wait?ms=60000 HTTP/1.1\r\nhost: edge\r\n\r\n");
    wait_for(&rig, "/wait", |route| route.in_flight == 1);
    drop(first);
    wait_for(&rig, "/wait", |route| route.in_flight == 0);
    assert_eq!(rig.get("/wait?ms=1").body, "waited");
}

#[test]
fn whoever_sends_slowly_holds_no_place() {
    let rig = with_one_place(10_000);
    let head = b"POST /echo HTTP/1.1\r\nhost: edge\r\ncontent-length: 8\r\n\r\nhalf";
    let mut slow = rig.connect_and_say(head);
    wait_for(&rig, "/echo", |route| {
        route.classes.iter().any(|class| class.admitted == 1) && route.in_flight == 0
    });
    assert_eq!(rig.ask("POST", "/echo", "", "quick").body, "quick");
    slow.write_all(b"half").expect("it is wanted");
    assert_eq!(hear_one(&mut slow).body, "halfhalf");
    wait_for(&rig, "/echo", |route| route.in_flight == 0);
}

#[test]
fn a_body_that_has_arrived_waits_for_its_turn_and_may_be_refused() {
    let rig = with_one_place(50);
    let mut slow =
        rig.connect_and_say(b"POST /wait-and-echo HTTP/1.1\r\nhost: edge\r\ncontent-length: 8\r\n\r\nhalf");
    wait_for(&rig, "/wait-and-echo", |route| route.classes[3].admitted == 1 && route.in_flight == 0);
    let _other =
        rig.connect_and_say(b"POST /wait-and-echo HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\n\r\nother");
    wait_for(&rig, "/wait-and-echo", |route| route.in_flight == 1);
    slow.write_all(b"half").expect("it is wanted");
    hear_one(&mut slow).refuses(503, "edge/overloaded");
}

#[test]
fn a_request_whose_time_is_over_is_not_worked_on() {
    let rig = start();
    let reply = rig.ask("GET", "/panic", "request-timeout-ms: 0\r\n", "");
    reply.refuses(503, "edge/deadline-passed");
    assert!(reply.field("retry-after").is_some());
}

#[test]
fn whose_time_ends_while_they_wait_is_not_worked_on_either() {
    let rig = with_one_place(10_000);
    let _first = rig.connect_and_say(b"GET /wait?ms=60000 HTTP/1.1\r\nhost: edge\r\n\r\n");
    wait_for(&rig, "/wait", |route| route.in_flight == 1);
    rig.ask("GET", "/wait?ms=1", "request-timeout-ms: 20\r\n", "").refuses(503, "edge/deadline-passed");
}

#[test]
fn a_handler_knows_how_much_time_remains() {
    let rig = start_with(|limits, _| limits.answer_ms_max = nonzero(25_000));
    let remaining = |fields| rig.ask("GET", "/remaining", fields, "").body.parse::<u64>().expect("a number");
    assert!((1..=20_000).contains(&remaining("request-timeout-ms: 20000\r\n")));
    assert!(
        (20_001..=25_000).contains(&remaining("request-timeout-ms: 900000000\r\n")),
        "our own limit is shorter"
    );
    assert!((20_001..=25_000).contains(&remaining("")));
}

#[test]
fn fields_that_are_no_numbers_are_refused() {
    let rig = start();
    for field in [
        "request-timeout-ms: soon",
        "request-timeout-ms: -1",
        "retry-attempt: 1.5",
        "retry-attempt: 0000000001",
    ] {
        rig.ask("GET", "/hello", &format!("{field}\r\n"), "").refuses(400, "edge/malformed-field");
    }
    assert_eq!(rig.ask("GET", "/hello", "retry-attempt: 0\r\n", "").body, "hello");
}

#[test]
fn retries_are_served_from_a_budget() {
    let rig = start_with(|limits, _| {
        limits.overload.retries.per_second_min = nonzero(1);
        limits.overload.retries.percent = nonzero(1);
    });
    let retry = || rig.ask("GET", "/hello", "retry-attempt: 1\r\n", "");
    // The first is there from the start; a slow machine may have a second one by then, but not all of these.
    let refused: Vec<_> = (0..200).map(|_| retry()).filter(|reply| reply.status != 200).collect();
    refused.first().expect("the budget ends").refuses(503, "edge/too-many-retries");
    assert_eq!(rig.get("/hello").body, "hello");
}

#[test]
fn a_class_is_not_had_by_saying_so() {
    let rig = start();
    assert_eq!(rig.ask("GET", "/whoami", "authorization: Bearer good\r\n", "").body, "service/test");
    rig.ask("GET", "/whoami", "authorization: Bearer forged\r\n", "").refuses(401, "test/bad-token");
    rig.ask("GET", "/whoami", "user-agent: Mozilla/5.0 (compatible; SeaBot/1.0)\r\n", "");
    rig.ask("GET", "/whoami", "authorization: Bearer good\r\nuser-agent: seabot\r\n", "");
    let counts = Class::ALL.map(|class| admitted(&rig, "/whoami", class));
    assert_eq!(counts, [0, 0, 2, 1, 1], "operators, emergency, signed in, anonymous, crawlers");
}

#[test]
fn settings_give_routes_a_class_while_they_are_in_use() {
    let rig = start();
    assert_eq!(rig.get("/hello").body, "hello");
    let routes = [("/hello".to_owned(), Class::Emergency), ("/id".to_owned(), Class::Operators)].into();
    rig.overload.set(OverloadConfig { routes, ..OverloadConfig::default() });
    assert_eq!(rig.get("/hello").status, 200);
    assert_eq!(rig.get("/id").status, 200);
    assert_eq!(
        (admitted(&rig, "/hello", Class::Anonymous), admitted(&rig, "/hello", Class::Emergency)),
        (1, 1)
    );
    assert_eq!(route(&rig, "/id"), None, "it passes without a gate");
}
