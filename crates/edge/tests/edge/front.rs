//! Who is let in, for whom they ask, and how much of it there is.

use std::{
    io::{Read, Write},
    sync::Mutex,
    time::Duration,
};

use clock::{Clock, Timestamp};
use edge::{AttackMode, Block, FrontConfig};
use limiter::{Shared, Told};

use crate::{
    rig::{Rig, hear_one, nonzero, serve_with, start_behind, start_sharing},
    versions::{get, plain_http2},
};

/// Settings as they are written, with no limits but those in them.
fn front(text: &str) -> FrontConfig {
    let without = !text.contains("limits");
    let text = if without { format!("{text}\n[limits]\nrules = []") } else { text.to_owned() };
    toml::from_str(&text).expect("settings")
}

/// One rule of two requests an hour.
fn two_an_hour(by: &str, more: &str) -> FrontConfig {
    front(&format!(
        "[[limits.rules]]\nname = \"two\"\nby = {by}\n\
         quota = {{ algorithm = \"sliding-window\", limit = 2, window-ms = 3600000 }}\n{more}"
    ))
}

#[track_caller]
fn check_two(rig: &Rig, path: &str, fields: &str) {
    for left in [1, 0] {
        let reply = rig.ask("GET", path, fields, "");
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.field("ratelimit-policy"), Some("\"two\";q=2;w=3600"));
        let told = reply.field("ratelimit").expect("what is left is told");
        assert!(told.starts_with(&format!("\"two\";r={left};t=")), "{told}");
    }
    let reply = rig.ask("GET", path, fields, "");
    reply.refuses(429, "edge/too-many-requests");
    let wait: u64 = reply.field("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
    assert!((1..=7200).contains(&wait), "{wait}");
    assert!(reply.field("ratelimit").is_some_and(|told| told.starts_with("\"two\";r=0;")), "{reply:?}");
}

#[test]
fn a_limit_holds_for_routed_and_for_direct_requests_and_says_what_is_left() {
    check_two(&start_behind(&two_an_hour("[\"address\"]", "")), "/hello", "");
    check_two(&start_behind(&two_an_hour("[\"address\"]", "")), "/session", "authorization: Bearer good\r\n");
}

#[test]
fn a_person_is_told_of_a_limit_on_a_page() {
    let rig = start_behind(&two_an_hour("[\"address\"]", ""));
    let person = "accept: text/html, */*;q=0.8\r\n";
    (0..2).for_each(|_| assert_eq!(rig.ask("GET", "/hello", person, "").body, "hello"));
    let page = rig.ask("GET", "/hello", person, "");
    assert_eq!(
        (page.status, page.field("content-type")),
        (429, Some("text/html; charset=utf-8")),
        "{page:?}"
    );
    let wait = page.field("retry-after").expect("it is told when to come back");
    assert!(page.body.contains(&format!("Please wait {wait} seconds")), "{}", page.body);
}

#[tokio::test]
async fn a_limit_holds_over_http_2_too() {
    let rig = start_behind(&two_an_hour("[\"address\"]", ""));
    let mut sender = plain_http2(&rig).await;
    for status in [200, 200, 429, 429] {
        let response = get(&mut sender, "/hello", 0).await;
        assert_eq!(response.status(), status);
        assert!(response.headers().contains_key("ratelimit"));
    }
}

#[test]
fn a_request_that_is_refused_may_have_a_body_and_the_connection_goes_on() {
    let rig = start_behind(&two_an_hour("[\"address\"]", "routes = [\"POST /echo\"]"));
    let mut stream = rig.connect();
    for status in [200, 200, 429, 429] {
        let post = b"POST /echo HTTP/1.1\r\nhost: edge\r\ncontent-length: 3\r\n\r\nabc";
        stream.write_all(post).expect("it listens");
        assert_eq!(hear_one(&mut stream).status, status);
    }
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: edge\r\n\r\n").expect("it listens");
    assert_eq!(hear_one(&mut stream).body, "hello");
}

#[test]
fn a_limit_by_person_counts_each_apart_and_nobody_who_is_none() {
    let rig = start_behind(&two_an_hour("[\"person\"]", ""));
    check_two(&rig, "/hello", "authorization: Bearer person-a\r\n");
    check_two(&rig, "/hello", "authorization: Bearer person-b\r\n");
    assert!((0..5).all(|_| rig.get("/hello").status == 200));
}

#[test]
fn a_limit_by_a_field_and_the_address_counts_each_apart() {
    let rig = start_behind(&two_an_hour("[\"header:x-voter-key\", \"address\"]", ""));
    check_two(&rig, "/hello", "x-voter-key: one\r\n");
    check_two(&rig, "/hello", "x-voter-key: two\r\n");
}

#[test]
fn some_kinds_of_person_have_more() {
    let more = "more = [{ kind = \"government\", times = 2 }]";
    let rig = start_behind(&two_an_hour("[\"address\"]", more));
    check_two(&rig, "/hello", "");
    let ask = || rig.ask("GET", "/hello", "authorization: Bearer person-a\r\n", "").status;
    assert_eq!((0..5).filter(|_| ask() == 200).count(), 4);
    rig.get("/hello").refuses(429, "edge/too-many-requests");
}

#[test]
fn a_path_that_is_written_otherwise_falls_under_the_same_limit() {
    let rig = start_behind(&two_an_hour("[\"address\"]", "routes = [\"GET /hello\"]"));
    check_two(&rig, "/hello", "");
    rig.get("http://edge/hello").refuses(429, "edge/too-many-requests");
    rig.get("/hello?a=b").refuses(429, "edge/too-many-requests");
}

#[test]
fn requests_that_are_spaced_evenly_wait_for_their_turn() {
    let rig = start_behind(&front(
        "[[limits.rules]]\nname = \"even\"\nby = [\"address\"]\n\
         quota = { algorithm = \"even-spacing\", limit = 100, window-ms = 10000, burst = 3 }",
    ));
    let running = Clock::System.stopwatch();
    assert!((0..4).all(|_| rig.get("/hello").status == 200));
    assert!(running.elapsed() >= Duration::from_millis(300), "three of them waited");
}

#[test]
fn whoever_the_fleet_refuses_is_told_what_this_node_has_left() {
    let rule = |name, limit, more| {
        format!(
            "[[limits.rules]]\nname = \"{name}\"\nby = [\"address\"]\n{more}\n\
             quota = {{ algorithm = \"fixed-window\", limit = {limit}, window-ms = 3600000 }}\n"
        )
    };
    let rules = rule("node", 50, "") + &rule("fleet", 1, "share = \"fleet\"\nannounced = false");
    let kept = Mutex::new(0);
    let shared = Shared::by(move |ask| {
        let mut kept = kept.lock().expect("nobody panicked");
        let (found, replaced) = (*kept, *kept == ask.known);
        *kept = if replaced { ask.new } else { found };
        std::future::ready(Some(Told { replaced, found, now_us: 1_700_000_000_000_000 }))
    });
    let rig = start_sharing(&front(&rules), shared);
    assert_eq!(rig.get("/hello").body, "hello");
    // The first of them is refused after a journey, the others at once.
    for _ in 0..3 {
        let reply = rig.get("/hello");
        reply.refuses(429, "edge/too-many-requests");
        let told = reply.field("ratelimit").expect("what is left is told");
        assert!(told.starts_with("\"node\";r=48;"), "those before it used nothing: {told}");
    }
}

#[test]
fn new_settings_keep_what_was_used_and_bad_ones_change_nothing() {
    let rig = start_behind(&two_an_hour("[\"address\"]", ""));
    check_two(&rig, "/hello", "");
    let other = "[[limits.rules]]\nname = \"other\"\nby = [\"address\"]\n\
                 quota = { algorithm = \"token-bucket\", limit = 1000, window-ms = 1000 }\n";
    let both = |name: &str| {
        let mut both = two_an_hour("[\"address\"]", "");
        both.limits.rules.extend(front(&other.replace("other", name)).limits.rules);
        both
    };
    rig.front.set(&both("other")).expect("settings");
    rig.get("/hello").refuses(429, "edge/too-many-requests");
    rig.front.set(&both("two")).expect_err("there are two of one name");
    rig.get("/hello").refuses(429, "edge/too-many-requests");
    rig.front.set(&front(other)).expect("settings");
    assert_eq!(rig.get("/hello").status, 200);
}

#[test]
fn limits_shrink_while_the_machine_is_busy_and_come_back() {
    let rig = start_behind(&front(
        "[[limits.rules]]\nname = \"ten\"\nby = [\"header:x-who\"]\n\
         quota = { algorithm = \"fixed-window\", limit = 10, window-ms = 36000000 }",
    ));
    let passed = |who: &str| {
        (0..12).filter(|_| rig.ask("GET", "/hello", &format!("x-who: {who}\r\n"), "").status == 200).count()
    };
    (0..30).for_each(|_| rig.front.tend(0.95, 0, 0));
    assert_eq!(passed("a"), 1);
    assert_eq!(rig.front.state(0).given_permille, 100);
    let told = rig.ask("GET", "/hello", "x-who: c\r\n", "");
    assert_eq!(told.field("ratelimit-policy"), Some("\"ten\";q=1;w=36000"));
    (0..30).for_each(|_| rig.front.tend(0.2, 10, 0));
    assert_eq!(passed("a"), 9);
    assert_eq!(passed("b"), 10);
}

#[test]
fn nobody_is_blocked_because_others_keep_the_machine_busy() {
    let rig = start_behind(&front(
        "[[limits.rules]]\nname = \"ten\"\nby = [\"address\"]\n\
         quota = { algorithm = \"fixed-window\", limit = 10, window-ms = 36000000, block-ms = 60000 }",
    ));
    (0..30).for_each(|_| rig.front.tend(0.95, 0, 0));
    for number in 0..10 {
        let reply = rig.get("/hello");
        assert_eq!(reply.status, 200, "{number}: {reply:?}");
    }
    assert_eq!(rig.get("/hello").status, 429);
}

#[test]
fn whoever_is_blocked_is_refused_until_it_is_over() {
    let rig = start_behind(&front("[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]"));
    let ask = |address: &str| rig.ask("GET", "/hello", &format!("x-forwarded-for: {address}\r\n"), "");
    let until = |seconds: u64| Timestamp::from_millis(Clock::System.now().millis() + seconds * 1000);
    let network = "192.0.2.0/24".parse().expect("a network");
    let block = |seconds| Block { network, until: until(seconds), reason: "test".to_owned(), ordered: false };
    assert_eq!(ask("192.0.2.7").status, 200);
    rig.front.block(block(3600)).expect("there is room");
    ask("192.0.2.7").refuses(403, "edge/blocked");
    assert_eq!(ask("192.0.3.7").status, 200);
    assert_eq!(rig.front.state(10).blocks[0].network, network);
    rig.front.block_by(block(60), "somebody".to_owned()).expect("there is room");
    rig.front.block(block(3600)).expect("there is room");
    assert!(rig.front.state(10).blocks[0].ordered, "it is longer, and an operator's still");
    assert!(rig.front.unblock(network, None));
    assert_eq!(ask("192.0.2.7").status, 200);
    rig.front.block(block(0)).expect("there is room");
    assert_eq!(ask("192.0.2.7").status, 200);
}

#[test]
fn limits_count_those_for_whom_a_trusted_proxy_speaks() {
    let mut config = two_an_hour("[\"address\"]", "");
    config.clients = front("[clients]\ntrusted-proxies = [\"127.0.0.0/8\"]").clients;
    let rig = start_behind(&config);
    check_two(&rig, "/hello", "x-forwarded-for: 198.51.100.1\r\n");
    check_two(&rig, "/hello", "x-forwarded-for: 198.51.100.1, 198.51.100.2\r\n");
    check_two(&rig, "/hello", "x-forwarded-for: 2001:db8::1\r\n");
    let reply = rig.ask("GET", "/hello", "x-forwarded-for: 2001:db8::ffff\r\n", "");
    reply.refuses(429, "edge/too-many-requests");
}

#[test]
fn what_is_refused_is_counted_with_its_method_and_makes_nobody_else_look_quick() {
    let rig = start_behind(&two_an_hour("[\"address\"]", ""));
    check_two(&rig, "/hello", "");
    rig.say(b"no request at all\r\n\r\n");
    let metrics = rig.metrics.encode();
    for (method, status) in [("GET", 429), ("_OTHER", 400)] {
        let line =
            format!("http_requests_total{{method=\"{method}\",route=\"refused\",status=\"{status}\"}} 1");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    let timed = |line: &&str| line.contains("duration_seconds") && line.contains("refused");
    assert_eq!(metrics.lines().find(timed), None);
}

#[test]
fn connections_from_networks_that_are_shut_out_are_closed_unread() {
    let rig = start_behind(&front("[networks]\nblocked = [\"127.0.0.0/8\"]"));
    let mut stream = rig.connect();
    let mut heard = Vec::new();
    let _closed = stream.read_to_end(&mut heard);
    assert!(heard.is_empty(), "{heard:?}");
    let open = "[networks]\nblocked = [\"127.0.0.0/8\"]\nallowed = [\"127.0.0.1/32\"]";
    rig.front.set(&front(open)).expect("settings");
    assert_eq!(rig.get("/hello").status, 200);
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let rig = serve_with(|limits, _| limits.address_connections_max = nonzero(2), &front(""));
    let mut held: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = rig.connect_and_say(b"GET /hello HTTP/1.1\r\nhost: edge\r\n\r\n");
            assert_eq!(hear_one(&mut stream).body, "hello");
            stream
        })
        .collect();
    let mut heard = Vec::new();
    let _closed = rig.connect().read_to_end(&mut heard);
    assert!(heard.is_empty(), "{heard:?}");
    drop(held.pop());
    // The place is given back when the server has noticed.
    let again = (0..500).any(|_| {
        let mut stream = rig.connect();
        let said = stream.write_all(b"GET /hello HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n");
        let mut heard = Vec::new();
        said.and_then(|()| stream.read_to_end(&mut heard)).is_ok() && !heard.is_empty()
    });
    assert!(again, "a place that was given back can be taken");
}

#[test]
fn a_proxy_may_say_for_whom_it_passes_on_bytes() {
    let mut config = two_an_hour("[\"address\"]", "");
    config.clients = front("[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]").clients;
    let rig = serve_with(|_, listen| listen.proxy_protocol = true, &config);
    let ask = |address: &str| {
        let head = format!("PROXY TCP4 {address} 198.51.100.1 4711 443\r\n");
        let request = "GET /hello HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n";
        rig.say(format!("{head}{request}").as_bytes()).pop().map(|reply| reply.status)
    };
    assert_eq!([0; 3].map(|_| ask("192.0.2.7")), [Some(200), Some(200), Some(429)]);
    assert_eq!(ask("192.0.2.8"), Some(200));
    assert!(rig.say(b"GET /hello HTTP/1.1\r\nhost: edge\r\n\r\n").is_empty(), "it must say so");
}

#[test]
fn nobody_but_a_trusted_proxy_may_say_for_whom_it_speaks() {
    let rig = serve_with(|_, listen| listen.proxy_protocol = true, &front(""));
    let said = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\nGET /hello HTTP/1.1\r\nhost: edge\r\n\r\n";
    assert!(rig.say(said).is_empty());
}

/// A number that solves a puzzle of few bits.
fn solve(seed: &str, bits: u32) -> u32 {
    use sha2::{Digest, Sha256};
    let zero_bits = |nonce: &u32| {
        let hash = Sha256::digest(format!("{seed}:{nonce}"));
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]).leading_zeros()
    };
    (0..).find(|nonce| zero_bits(nonce) >= bits).expect("there is one")
}

#[test]
fn under_attack_whoever_is_not_known_solves_a_puzzle_once() {
    let rig = start_behind(&front("[attack]\nmode = \"on\"\nbits = 8"));
    let browser = "user-agent: Mozilla/5.0\r\naccept: text/html\r\n";
    let page = rig.ask("GET", "/hello", browser, "");
    assert_eq!((page.status, page.field("content-type")), (503, Some("text/html; charset=utf-8")));
    assert!(
        page.field("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'"))
    );
    let seed =
        page.body.split("data-seed=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a puzzle");
    let path = format!("/.holdfast/challenge?seed={seed}&nonce={}", solve(seed, 8));
    rig.ask("GET", &path, "user-agent: curl\r\n", "").refuses(403, "edge/not-solved");
    let solved = rig.ask("GET", &path, browser, "");
    let pass =
        solved.field("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a pass").to_owned();
    let with_pass = format!("{browser}cookie: a=b; {pass}\r\n");
    for path in ["/hello", "/session"] {
        assert_ne!(rig.ask("GET", path, &with_pass, "").status, 503, "{path}");
    }
    let stolen = format!("user-agent: curl\r\ncookie: {pass}\r\n");
    let refused = rig.ask("GET", "/hello", &stolen, "").refuses(503, "edge/prove-work");
    assert_eq!(refused["bits"], 8);
    for file in ["challenge.css", "challenge.js", "worker.js"] {
        assert_eq!(rig.get(&format!("/.holdfast/{file}")).status, 200, "{file}");
    }
}

#[test]
fn under_attack_whoever_has_a_good_token_is_not_asked() {
    let rig = start_behind(&front(""));
    rig.front.set_attack(AttackMode::On);
    assert_eq!(rig.ask("GET", "/hello", "authorization: Bearer good\r\n", "").body, "hello");
    rig.ask("GET", "/hello", "authorization: Bearer bad\r\n", "").refuses(503, "edge/prove-work");
    assert_ne!(rig.ask("GET", "/health", "", "").status, 503, "exempt");
    rig.front.set_attack(AttackMode::Auto);
    assert_eq!(rig.get("/hello").body, "hello");
}

#[test]
fn an_attack_of_many_is_noticed_and_its_end_too_and_one_who_goes_on_alone_is_none() {
    let mut config = two_an_hour("[\"address\"]", "");
    config.clients = front("[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]").clients;
    let rig = start_behind(&config);
    let mut stream = rig.connect();
    let mut came = 0;
    let mut second = |requests: u64, addresses: u64| {
        for number in 0..requests {
            let from = number % addresses;
            let head =
                format!("GET /hello HTTP/1.1\r\nhost: edge\r\nx-forwarded-for: 192.0.2.{from}\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("it listens");
            hear_one(&mut stream);
        }
        came += requests;
        rig.front.tend(0.1, 0, came);
        rig.front.state(0).attack.lasts
    };
    assert!(!second(0, 1));
    assert_eq!([(); 5].map(|()| second(510, 1)), [false; 5], "one address");
    assert_eq!([(); 5].map(|()| second(850, 170)), [false, false, false, false, true]);
    assert!((0..59).all(|_| second(0, 1)));
    assert!(!second(0, 1));
}
