//! Puzzles, passes, and whom they are for.

use super::*;
use clock::Timestamp;
use http::{HeaderMap, header::COOKIE};

const NAME: &[u8] = b"Mozilla/5.0";

fn clock() -> Clock {
    Clock::manual(Timestamp::from_millis(1_700_000_000_000), 1)
}

fn easy() -> AttackConfig {
    AttackConfig { bits: NonZeroU32::new(8).expect("positive"), ..AttackConfig::default() }
}

fn whom(address: &str) -> Whom<'static> {
    Whom { client: address.parse().ok(), browser: NAME }
}

fn solve(seed: &str, bits: u32) -> String {
    (0..1_000_000)
        .map(|nonce: u32| nonce.to_string())
        .find(|nonce| zero_bits(seed, nonce) >= bits)
        .expect("there is one")
}

#[test]
fn a_solution_counts_for_whom_the_puzzle_was_made_and_for_a_while() {
    let (clock, config) = (clock(), easy());
    let challenges = Challenges::new([7; 32], clock.clone());
    let at = clock.now().millis();
    let seed = challenges.sign(Kind::Puzzle, whom("192.0.2.7"), at, at + PUZZLE_MS);
    let query = format!("seed={seed}&nonce={}", solve(&seed, 8));
    assert!(challenges.solved(&config, whom("192.0.2.7"), &query).is_some());
    assert!(challenges.solved(&config, whom("192.0.2.8"), &query).is_none(), "another address");
    let other = Whom { browser: b"curl", ..whom("192.0.2.7") };
    assert!(challenges.solved(&config, other, &query).is_none(), "another browser");
    assert!(challenges.solved(&config, whom("192.0.2.7"), &format!("seed={seed}&nonce=x")).is_none());
    let strange = Challenges::new([8; 32], clock.clone());
    assert!(strange.solved(&config, whom("192.0.2.7"), &query).is_none(), "another deployment");
    clock.advance(std::time::Duration::from_millis(PUZZLE_MS));
    assert!(challenges.solved(&config, whom("192.0.2.7"), &query).is_none(), "too late");
}

#[test]
fn a_puzzle_is_no_pass() {
    let clock = clock();
    let challenges = Challenges::new([7; 32], clock.clone());
    let at = clock.now().millis();
    let seed = challenges.sign(Kind::Puzzle, whom("192.0.2.7"), at, at + 1000);
    assert!(challenges.open(Kind::Pass, whom("192.0.2.7"), &seed).is_none());
    assert_eq!(challenges.open(Kind::Puzzle, whom("192.0.2.7"), &seed), Some((at, at + 1000)));
}

/// Asks for a page with this cookie; tells the status, and what cookie is set.
fn ask(
    challenges: &Challenges,
    config: &AttackConfig,
    patient: &Limiter,
    cookie: Option<&str>,
) -> Option<(u16, Option<String>)> {
    let cookies: Vec<_> = cookie.into_iter().map(str::as_bytes).collect();
    ask_with(challenges, config, patient, &cookies)
}

/// The same, with several fields of cookies, as HTTP/2 may have them.
fn ask_with(
    challenges: &Challenges,
    config: &AttackConfig,
    patient: &Limiter,
    cookies: &[&[u8]],
) -> Option<(u16, Option<String>)> {
    let mut fields = HeaderMap::new();
    fields.insert(USER_AGENT, HeaderValue::from_bytes(NAME).expect("a value"));
    fields.insert(ACCEPT, HeaderValue::from_static("text/html,*/*"));
    for cookie in cookies {
        fields.append(COOKIE, HeaderValue::from_bytes(cookie).expect("a value"));
    }
    let seen = Seen {
        method: "GET",
        path: "/",
        query: None,
        host: None,
        fields: (&fields).into(),
        peer: None,
        secure: true,
    };
    let answer = challenges.answer(config, &seen, "192.0.2.7".parse().ok(), patient, 1)?;
    let set = answer.fields.iter().find(|(name, _)| *name == SET_COOKIE);
    let set =
        set.map(|(_, value)| value.to_str().expect("text").split(';').next().unwrap_or_default().to_owned());
    Some((answer.status.as_u16(), set))
}

#[test]
fn whoever_has_no_scripts_passes_by_patience() {
    let (clock, config) = (clock(), AttackConfig::default());
    let challenges = Challenges::new([7; 32], clock.clone());
    let patient = config.patient();
    let (status, pass) = ask(&challenges, &config, &patient, None).expect("something is asked");
    assert_eq!(status, 503);
    let pass = pass.expect("a pass for later");
    clock.advance(std::time::Duration::from_secs(9));
    assert_eq!(
        ask(&challenges, &config, &patient, Some(&pass)),
        Some((503, None)),
        "too early, and the wait is not longer"
    );
    clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(ask(&challenges, &config, &patient, Some(&format!("a=b; {pass}"))), None);
    clock.advance(std::time::Duration::from_secs(1800));
    assert!(ask(&challenges, &config, &patient, Some(&pass)).is_some(), "it is over");
}

#[test]
fn a_pass_is_found_among_other_cookies_however_they_come() {
    let (clock, config) = (clock(), AttackConfig::default());
    let challenges = Challenges::new([7; 32], clock.clone());
    let patient = config.patient();
    let at = clock.now().millis();
    let name = pass_name(true);
    let pass =
        |from, until| format!("{name}={}", challenges.sign(Kind::Pass, whom("192.0.2.7"), from, until));
    let (old, good, later) = (pass(0, at), pass(at, at + 1000), pass(at + 500, at + 1000));
    let lets_in = |cookies: &[&[u8]]| ask_with(&challenges, &config, &patient, cookies).is_none();
    assert!(lets_in(&[b"theme=dark", good.as_bytes()]), "in a field of its own");
    assert!(lets_in(&[good.as_bytes(), b"theme=dark"]));
    assert!(lets_in(&[&[b"city=Z\xfcrich; ", good.as_bytes()].concat()]), "beside what is no text");
    assert!(lets_in(&[format!("{old}; {name}=x; {later}; {good}").as_bytes()]), "behind others of its name");
    assert!(!lets_in(&[format!("{old}; {later}").as_bytes()]));
}

#[test]
fn an_address_has_only_so_many_who_are_patient() {
    let config = AttackConfig::default();
    let challenges = Challenges::new([7; 32], clock());
    let patient = config.patient();
    let passes =
        (0..30).filter(|_| ask(&challenges, &config, &patient, None).is_some_and(|(_, pass)| pass.is_some()));
    assert_eq!(passes.count(), 10);
}

#[test]
fn zero_bits_are_counted_from_the_front() {
    // SHA-256 of "abc:0" begins with a hexadecimal digit below 8 or not; counted by hand from the library.
    let hash = Sha256::digest("abc:0");
    assert_eq!(zero_bits("abc", "0"), hash[0].leading_zeros());
}
