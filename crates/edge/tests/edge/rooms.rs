//! People who wait for what bears only so much: with a browser, with a program, and with bad intentions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use clock::Clock;
use edge::{Rooms, RoomsConfig};
use serde_json::Value;

use crate::{
    rig::{Reply, Rig, start_behind},
    versions::{get, plain_http2},
};

const BROWSER: &str = "accept: text/html,*/*;q=0.8\r\nuser-agent: browser\r\n";
const PROGRAM: &str = "user-agent: program\r\n";

/// A port with waiting rooms that are looked after.
struct Hall {
    rig: Rig,
    rooms: Rooms,
    stop: Arc<AtomicBool>,
    tending: Option<JoinHandle<()>>,
}

impl Drop for Hall {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(tending) = self.tending.take() {
            let _ended = tending.join();
        }
    }
}

fn config(room: &str) -> RoomsConfig {
    let text = format!(
        "[[rooms]]\nname = \"sale\"\ntitle = \"the sale\"\nroutes = [\"/hello\", \"/session\"]\nlet-in-max = 1000\n{room}"
    );
    toml::from_str(&text).expect("settings")
}

fn hall(room: &str) -> Hall {
    let front = "limits.rules = []\n[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]";
    let rig = start_behind(&toml::from_str(front).expect("settings"));
    let rooms = Rooms::new(&config(room), [7; 32], &Clock::System, &rig.metrics, None).expect("rooms");
    rig.front.wait_in(rooms.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let (tended, stopped) = (rooms.clone(), stop.clone());
    let tending = std::thread::spawn(move || {
        now(async move {
            while !stopped.load(Relaxed) {
                tended.tend().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    });
    let hall = Hall { rig, rooms, stop, tending: Some(tending) };
    if !room.contains("opens-at") {
        hall.wait_until(|hall| hall.state().serving > 0);
    }
    hall
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

impl Hall {
    fn ask(&self, path: &str, fields: &str) -> Reply {
        self.rig.ask("GET", path, fields, "")
    }

    /// As somebody who keeps what they are given.
    fn ask_with(&self, path: &str, fields: &str, kept: &str) -> Reply {
        self.ask(path, &format!("{fields}{kept}\r\n"))
    }

    fn state(&self) -> waiting::RoomState {
        self.rooms.state().remove(0).state
    }

    #[track_caller]
    fn wait_until(&self, done: impl Fn(&Self) -> bool) {
        let waited = Clock::System.stopwatch();
        while !done(self) {
            assert!(waited.elapsed() < Duration::from_secs(60), "{:?}", self.state());
            now(async { tokio::time::sleep(Duration::from_millis(20)).await });
        }
    }
}

/// The field with which somebody comes back.
#[track_caller]
fn kept(reply: &Reply) -> String {
    if let Some(token) = reply.field("queue-token") {
        return format!("queue-token: {token}");
    }
    let cookie = reply.field("set-cookie").expect("something to keep");
    format!("cookie: a=b; {}; c=d", cookie.split(';').next().expect("a name and a value"))
}

fn place(reply: &Reply) -> u64 {
    let body: Value = serde_json::from_str(&reply.body).expect("a document");
    body["place"].as_u64().unwrap_or_else(|| panic!("no place: {reply:?}"))
}

#[test]
fn a_browser_waits_on_a_page_and_loses_nothing_when_it_is_loaded_again() {
    let hall = hall("capacity = 1");
    let inside = hall.ask("/hello", BROWSER);
    assert_eq!((inside.status, inside.body.as_str()), (200, "hello"));
    let page = hall.ask("/hello", BROWSER);
    assert_eq!(page.status, 503);
    assert!(page.field("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{page:?}");
    assert_eq!(page.field("cache-control"), Some("no-store"));
    assert!(page.field("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok()));
    let policy = page.field("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert!(page.body.contains("<noscript><meta http-equiv=\"refresh\""), "{}", page.body);
    assert!(page.body.contains("id=\"place\" role=\"status\" aria-live=\"polite\""), "{}", page.body);
    let cookie = page.field("set-cookie").expect("a place");
    assert!(cookie.starts_with("queue-sale=") && cookie.ends_with("; HttpOnly; SameSite=Lax"), "{cookie}");
    hall.ask("/hello", BROWSER);
    for _ in 0..3 {
        let again = hall.ask_with("/hello", BROWSER, &kept(&page));
        assert!(again.body.contains(">1</p>"), "{}", again.body);
        assert_eq!(again.field("set-cookie"), Some(cookie), "the same place");
    }
    assert_eq!(hall.ask_with("/hello", BROWSER, &kept(&inside)).status, 200);
}

#[test]
fn a_program_is_told_its_place_and_sends_it_back() {
    let hall = hall("capacity = 1");
    let inside = hall.ask("/hello", PROGRAM);
    assert_eq!(inside.status, 200);
    let waits = hall.ask("/hello", PROGRAM);
    waits.refuses(503, "edge/waiting");
    assert!(waits.field("retry-after").is_some() && waits.field("set-cookie").is_none());
    let behind = hall.ask("/hello", PROGRAM);
    assert_eq!((place(&waits), place(&behind)), (1, 2));
    assert_eq!(place(&hall.ask_with("/hello", PROGRAM, &kept(&behind))), 2);
    assert_eq!(hall.ask_with("/hello", PROGRAM, &kept(&inside)).status, 200);
    assert_eq!(hall.ask("/echo", PROGRAM).status, 405, "other routes are open");
}

#[test]
fn whoever_waits_is_let_in_when_those_inside_are_gone() {
    let hall = hall("capacity = 1\nidle-ms-max = 1000");
    let inside = hall.ask("/hello", PROGRAM);
    let waits = hall.ask("/hello", BROWSER);
    let status = || hall.ask_with("/.holdfast/waiting/sale", "user-agent: browser\r\n", &kept(&waits));
    let first = status();
    assert!(first.body.contains("\"state\":\"waiting\""), "{first:?}");
    assert_eq!(first.field("cache-control"), Some("no-store"));
    hall.wait_until(|_| status().body.contains("\"state\":\"yours\""));
    let pass = status();
    assert_eq!(hall.ask_with("/hello", BROWSER, &kept(&pass)).status, 200);
    hall.ask_with("/hello", PROGRAM, &kept(&inside)).refuses(503, "edge/waiting");
    assert_eq!(hall.state().let_in, 2);
    assert!(hall.rig.metrics.encode().contains("waiting_room_let_in_total{room=\"sale\"}"));
}

#[test]
fn a_place_is_of_no_use_to_another_browser() {
    let hall = hall("capacity = 1");
    let inside = hall.ask("/hello", PROGRAM);
    hall.ask_with("/hello", "user-agent: other\r\n", &kept(&inside)).refuses(503, "edge/waiting");
    let altered = kept(&inside).replace("queue-token: AQ", "queue-token: Ag");
    hall.ask_with("/hello", PROGRAM, &altered).refuses(503, "edge/waiting");
}

#[test]
fn an_address_takes_so_many_places_and_a_person_one_wherever_they_come_from() {
    let hall = hall("capacity = 1\nplaces-per-minute-max = 3");
    let from =
        |address: &str, fields: &str| hall.ask("/hello", &format!("x-forwarded-for: {address}\r\n{fields}"));
    let taken: Vec<Reply> = (0..20).map(|host| from(&format!("2001:db8::{host}"), "")).collect();
    let refused: Vec<&Reply> = taken.iter().filter(|reply| reply.status == 429).collect();
    assert!(refused.len() >= 15, "three at once, and one in twenty seconds: {} were refused", refused.len());
    refused[0].refuses(429, "edge/too-many-places");
    from("192.0.2.1", "").refuses(503, "edge/waiting");
    let person = "authorization: Bearer person-a\r\n";
    let places: Vec<u64> = (0..10).map(|host| place(&from(&format!("2001:db8::{host}"), person))).collect();
    assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
}

#[test]
fn an_address_takes_no_more_places_by_having_many_accounts() {
    let taken = |settings: &str| {
        let hall = hall(&format!("capacity = 1\nplaces-per-minute-max = 2\n{settings}"));
        let from = |person: char| {
            let fields = format!("x-forwarded-for: 192.0.2.1\r\nauthorization: Bearer person-{person}\r\n");
            hall.ask("/hello", &fields)
        };
        let replies: Vec<Reply> = ('a'..='z').chain('A'..='Z').map(from).collect();
        let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
        refused[0].refuses(429, "edge/too-many-places");
        replies.len() - refused.len()
    };
    // While they ask, time may give them one more.
    assert!((20..=23).contains(&taken("")), "ten times as many as strangers");
    assert!((5..=8).contains(&taken("places-per-minute-signed-in-max = 5")));
}

#[test]
fn all_who_wait_hear_that_there_is_nothing_left_and_those_inside_stay() {
    let hall = hall("capacity = 1");
    let (inside, waits) = (hall.ask("/hello", PROGRAM), hall.ask("/hello", BROWSER));
    assert!(now(hall.rooms.close("no-such-room", waiting::Reason::Ended)).is_none());
    now(hall.rooms.close("sale", waiting::Reason::SoldOut)).expect("the room is there");
    let told = hall.ask_with("/hello", BROWSER, &kept(&waits));
    assert!(told.status == 503 && told.body.contains("Nothing is left."), "{told:?}");
    let status = hall.ask_with("/.holdfast/waiting/sale", "user-agent: browser\r\n", &kept(&waits));
    assert!(status.body.contains("\"state\":\"closed\""), "{status:?}");
    let document = hall.ask("/hello", PROGRAM).refuses(503, "edge/waiting-room-closed");
    assert_eq!(document["reason"], "sold-out");
    assert_eq!(hall.ask_with("/hello", PROGRAM, &kept(&inside)).status, 200);
    now(hall.rooms.open("sale")).expect("the room is there");
    let again = hall.ask_with("/hello", BROWSER, &kept(&waits));
    assert!(again.body.contains("Your place in line"), "{again:?}");
}

#[test]
fn before_the_opening_everybody_waits_for_it_and_an_operator_may_open_sooner() {
    let hall = hall("capacity = 1\nopens-at = \"2999-01-01T00:00:00Z\"");
    let early: Vec<Reply> = (0..5).map(|_| hall.ask("/hello", BROWSER)).collect();
    assert!(early.iter().all(|reply| reply.status == 503 && reply.body.contains("Not open yet")));
    assert!(early[0].body.contains("id=\"clock\" role=\"timer\""), "{}", early[0].body);
    let program = hall.ask("/hello", PROGRAM).refuses(503, "edge/waiting");
    assert_eq!(program["place"], Value::Null);
    now(hall.rooms.open("sale")).expect("the room is there");
    let inside =
        || early.iter().filter(|reply| hall.ask_with("/hello", BROWSER, &kept(reply)).status == 200).count();
    hall.wait_until(|hall| hall.state().serving > 0);
    assert!(inside() <= 1, "one of six has room");
}

#[test]
fn direct_routes_and_http_2_are_behind_the_room_too() {
    let hall = hall("capacity = 1");
    let good = format!("{PROGRAM}authorization: Bearer good\r\n");
    let inside = hall.ask("/hello", &good);
    assert_eq!(inside.status, 200);
    hall.ask("/session", &good).refuses(503, "edge/waiting");
    assert_eq!(hall.ask_with("/session", &good, &kept(&inside)).body, "{\"session\":1}");
    now(async {
        let mut sender = plain_http2(&hall.rig).await;
        let response = get(&mut sender, "/hello", 0).await;
        assert_eq!(response.status(), 503);
        assert!(response.headers().contains_key("queue-token"));
    });
}

#[test]
fn behind_a_proxy_that_speaks_tls_the_cookie_is_for_this_host_and_tls_alone() {
    let hall = hall("capacity = 1");
    let fields = format!("{BROWSER}x-forwarded-proto: https\r\n");
    hall.ask("/hello", &fields);
    let page = hall.ask("/hello", &fields);
    let cookie = page.field("set-cookie").expect("a place");
    assert!(cookie.starts_with("__Host-queue-sale=") && cookie.ends_with("; Secure"), "{cookie}");
    assert!(cookie.contains("; Path=/;"), "{cookie}");
    assert_eq!(hall.ask_with("/hello", &fields, &kept(&page)).field("set-cookie"), Some(cookie));
}

#[test]
fn the_files_of_a_page_can_be_kept_for_ever() {
    let hall = hall("capacity = 1");
    hall.ask("/hello", BROWSER);
    let page = hall.ask("/hello", BROWSER);
    let files: Vec<&str> =
        page.body.split('"').filter(|text| text.ends_with(".css") || text.ends_with(".js")).collect();
    assert_eq!(files.len(), 2, "{}", page.body);
    for file in files {
        let reply = hall.ask(file, "");
        assert_eq!(reply.status, 200);
        assert!(reply.field("cache-control").is_some_and(|told| told.ends_with("immutable")), "{reply:?}");
    }
    hall.ask("/.holdfast/waiting/nothing", "").refuses(404, "edge/no-such-route");
    let unknown = hall.ask("/.holdfast/waiting/sale", "");
    assert_eq!(unknown.body, "{\"state\":\"none\"}");
}

#[test]
fn other_settings_keep_the_places_and_bad_ones_change_nothing() {
    let hall = hall("capacity = 1");
    hall.ask("/hello", PROGRAM);
    let waits = hall.ask("/hello", PROGRAM);
    hall.rooms.set(&config("capacity = 1\nidle-ms-max = 60000")).expect("settings");
    // Long enough for the room to count who is inside, however it counts now.
    now(async { tokio::time::sleep(Duration::from_millis(100)).await });
    assert_eq!(place(&hall.ask_with("/hello", PROGRAM, &kept(&waits))), 1);
    hall.rooms.set(&config("capacity = 1\nask-ms-min = 1")).expect_err("nobody asks so often");
    assert_eq!(place(&hall.ask_with("/hello", PROGRAM, &kept(&waits))), 1);
    hall.rooms.set(&RoomsConfig::default()).expect("settings");
    assert_eq!(hall.ask("/hello", PROGRAM).status, 200);
}
