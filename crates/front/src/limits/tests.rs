//! Limits as whoever asks meets them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use authz::{Actor, Roles, Signer};
use clock::{Clock, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use limiter::{Ask, Shared, Told};
use telemetry::Metrics;

use crate::{Admitted, Answer, Front, FrontConfig, Identify, Seen, TurnedAway};

fn settings(rules: &str) -> FrontConfig {
    toml::from_str(&format!("[inspection]\nmode = \"off\"\n{rules}")).expect("settings")
}

fn rule(name: &str, quota: &str, more: &str) -> String {
    format!("[[limits.rules]]\nname = \"{name}\"\nquota = {{ window-ms = 3600000, {quota} }}\n{more}\n")
}

/// A front whose limits are these, where everybody who sends a token is a service.
fn front(rules: &str, shared: Option<Shared>) -> (Front, Clock) {
    let clock = Clock::manual(Timestamp::from_millis(1_700_000_000_000), 1);
    let front = Front::new(&settings(rules), &clock, &Metrics::new(), shared, [0; 32]);
    (front.expect("settings that can be held to"), clock)
}

fn ask(front: &Front, host: Option<&str>, fields: &HeaderMap) -> Result<Admitted, Answer> {
    let identify = Identify::by(|fields| {
        let known = fields.get(&AUTHORIZATION).is_some();
        Ok(if known {
            Actor::signer(Signer { name: "mint".into(), roles: Roles::default() })
        } else {
            Actor::ANONYMOUS
        })
    });
    let seen = Seen {
        method: "GET",
        path: "/",
        query: None,
        host: host.map(str::as_bytes),
        fields: fields.into(),
        peer: "192.0.2.7".parse().ok(),
        secure: false,
    };
    front.look(&identify, &seen)
}

fn passes(front: &Front, fields: &HeaderMap, requests: usize) -> usize {
    (0..requests).filter(|_| ask(front, None, fields).is_ok()).count()
}

#[test]
fn whoever_has_more_of_one_limit_is_held_to_all_others() {
    let address = "by = [\"address\"]\nmore = [{ kind = \"service\", times = 100 }]";
    let by_address = rule("address", "algorithm = \"fixed-window\", limit = 2", address);
    let by_person = rule("person", "algorithm = \"fixed-window\", limit = 3", "by = [\"person\"]");
    let (front, _) = front(&format!("{by_address}{by_person}"), None);
    let token = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer one"))]);
    assert_eq!(passes(&front, &token, 12), 3);
    assert_eq!(passes(&front, &HeaderMap::new(), 12), 0, "two of the three were the address's");
}

#[test]
fn whoever_has_more_of_several_limits_has_the_smallest_of_what_they_have() {
    let more = |times: u32| format!("by = [\"address\"]\nmore = [{{ kind = \"service\", times = {times} }}]");
    let rules: String = [(2, 10), (3, 3), (5, 9)]
        .map(|(limit, times)| {
            let quota = format!("algorithm = \"sub-buckets\", limit = {limit}");
            rule(&format!("limit-{limit}"), &quota, &more(times))
        })
        .concat();
    let (front, _) = front(&rules, None);
    let token = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer one"))]);
    // Three of the second limit count for the address, and nine more for the person.
    assert_eq!(passes(&front, &token, 40), 12);
}

/// Where nodes count together, unless it is away.
fn shared(away: &Arc<AtomicBool>) -> Shared {
    let (kept, away) = (Mutex::new(HashMap::<String, u64>::new()), away.clone());
    Shared::by(move |ask: Ask| {
        let mut kept = kept.lock().expect("nobody panicked");
        let found = kept.get(&ask.key).copied().unwrap_or_default();
        let replaced = found == ask.known;
        if replaced {
            kept.insert(ask.key, ask.new);
        }
        let told = Told { replaced, found, now_us: 1_700_000_000_000_000 };
        std::future::ready((!away.load(Relaxed)).then_some(told))
    })
}

/// Whether a request passes, if need be after a journey.
async fn passes_at_last(front: &Front, fields: &HeaderMap) -> bool {
    let Ok(mut admitted) = ask(front, None, fields) else { return false };
    match admitted.turn() {
        None => true,
        Some(turn) => match front.take(turn).await {
            Ok(_) => true,
            Err(TurnedAway::Limited(_)) => false,
            Err(TurnedAway::Waits(_)) => panic!("there are no rooms"),
        },
    }
}

#[tokio::test]
async fn what_the_fleet_refuses_uses_nothing_of_what_this_node_counts() {
    for quota in [
        "algorithm = \"fixed-window\", limit = 5, block-ms = 60000",
        "algorithm = \"sliding-window\", limit = 5",
        "algorithm = \"sub-buckets\", limit = 5",
        "algorithm = \"token-bucket\", limit = 5",
    ] {
        let own = rule("node", quota, "by = [\"address\"]");
        let by = "by = [\"header:x-who\", \"address\"]\nshare = \"fleet\"";
        let fleet = rule("fleet", "algorithm = \"fixed-window\", limit = 3", by);
        let (front, _) = front(&format!("{own}{fleet}"), Some(shared(&Arc::default())));
        let name = HeaderName::from_static("x-who");
        let who = |who| HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(who))]);
        let mut passed = 0;
        for _ in 0..20 {
            passed += usize::from(passes_at_last(&front, &who("one")).await);
        }
        assert_eq!(passed, 3, "{quota}");
        assert!(passes_at_last(&front, &who("other")).await, "{quota}: one of five was left");
        assert!(passes_at_last(&front, &who("third")).await, "{quota}: so was another");
        assert!(!passes_at_last(&front, &who("third")).await, "{quota}: now none is");
    }
}

#[tokio::test]
async fn whoever_goes_while_the_fleet_is_asked_uses_nothing_of_what_this_node_counts() {
    let own = rule("node", "algorithm = \"fixed-window\", limit = 3", "by = [\"address\"]");
    let by = "by = [\"header:x-who\", \"address\"]\nshare = \"fleet\"";
    let fleet = rule("fleet", "algorithm = \"fixed-window\", limit = 3", by);
    let (front, _) = front(&format!("{own}{fleet}"), Some(Shared::by(|_| std::future::pending())));
    let name = HeaderName::from_static("x-who");
    for _ in 0..10 {
        let who = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("one"))]);
        let mut admitted = ask(&front, None, &who).expect("this node lets it pass");
        let turn = admitted.turn().expect("others are asked");
        tokio::select! {
            biased;
            _ = front.take(turn) => panic!("nobody answers"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(passes(&front, &HeaderMap::new(), 10), 3);
}

#[tokio::test]
async fn what_the_fleet_refuses_is_told_of_and_counts_for_an_attack() {
    let by = "by = [\"address\"]\nshare = \"fleet\"";
    let fleet = rule("fleet", "algorithm = \"fixed-window\", limit = 1, block-ms = 60000", by);
    let refused = Shared::by(|ask: Ask| {
        // Somebody has used all of it at another node.
        let found = 1_700_000_060_000_000_000 | 1 << 63;
        let told = Told { replaced: ask.known == found, found, now_us: 1_700_000_000_000_000 };
        std::future::ready(Some(told))
    });
    let (front, _) = front(&fleet, Some(refused));
    assert!(!passes_at_last(&front, &HeaderMap::new()).await);
    assert_eq!(front.turned_away(), 1);
    let told: Vec<_> = front.incidents().due().iter().map(|incident| incident.reason.clone()).collect();
    assert_eq!(told, ["fleet"]);
}

#[test]
fn a_bucket_too_small_to_be_shared_is_no_setting() {
    let rules = |burst| {
        let quota = format!("algorithm = \"token-bucket\", limit = 360000000, burst = {burst}");
        settings(&rule("pages", &quota, "by = [\"address\"]\nshare = \"fleet\""))
    };
    let clock = Clock::manual(Timestamp::from_millis(1_700_000_000_000), 1);
    let opens = |burst| Front::new(&rules(burst), &clock, &Metrics::new(), None, [0; 32]).is_ok();
    assert!(opens(12_500) && !opens(12_499), "a hundred thousand a second, eight times a second");
}

#[tokio::test]
async fn a_strict_limit_leaves_a_node_its_part_less_what_it_gave_when_nobody_can_be_asked() {
    let strict =
        rule("strict", "algorithm = \"fixed-window\", limit = 6", "by = [\"address\"]\nshare = \"strict\"");
    let away = Arc::new(AtomicBool::new(false));
    let (front, _) = front(&format!("[limits]\nnodes = 2\n{strict}"), Some(shared(&away)));
    let nobody = HeaderMap::new();
    for _ in 0..2 {
        assert!(passes_at_last(&front, &nobody).await, "the fleet has some");
    }
    away.store(true, Relaxed);
    let mut passed = 0;
    for _ in 0..10 {
        passed += usize::from(passes_at_last(&front, &nobody).await);
    }
    assert_eq!(passed, 1, "two of three were given");
}

#[test]
fn a_limit_by_tenant_is_not_avoided_by_the_spelling_of_the_host() {
    let (front, _) =
        front(&rule("tenant", "algorithm = \"fixed-window\", limit = 2", "by = [\"tenant\"]"), None);
    let passes = |host| ask(&front, host, &HeaderMap::new()).is_ok();
    assert!(passes(Some("ex.com")) && passes(Some("Ex.com:80")));
    assert!(
        ["ex.com.", "ex.com:080", "EX.COM", "ex.com:8080", "ex.com:1"]
            .into_iter()
            .all(|host| !passes(Some(host)))
    );
    assert!(passes(Some("ex.org")), "another tenant");
    assert!(passes(None) && passes(None) && !passes(None), "whoever names none is counted");
}

#[test]
fn callers_are_told_of_a_limit_as_it_is_given_while_the_machine_is_busy() {
    let (front, _) =
        front(&rule("ten", "algorithm = \"fixed-window\", limit = 100", "by = [\"address\"]"), None);
    (0..30).for_each(|_| front.tend(0.95, 0, 0));
    let told = ask(&front, None, &HeaderMap::new()).expect("it passes").told.expect("it is told");
    let (_, policy) = told.fields().next().expect("the policy");
    assert_eq!(policy, "\"ten\";q=10;w=3600");
}
