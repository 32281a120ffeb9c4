//! What is refused and what is not, by the rules that come with the inspector.

use std::sync::{Arc, LazyLock};

use inspection::{Class, Exempt, Inspector, Place, Suspicion};
use proptest::prelude::*;

const THRESHOLD: u32 = 5;

static STANDARD: LazyLock<Arc<Inspector>> = LazyLock::new(Inspector::standard);

fn in_query(value: &str) -> Option<Suspicion<'static>> {
    let mut tally = STANDARD.tally(Exempt::default());
    tally.pair(Place::Query, b"q", value.as_bytes(), false);
    tally.suspicion().filter(|found| found.score >= THRESHOLD)
}

#[track_caller]
fn attacks(class: Class, list: &str) {
    let found = |value: &&str| in_query(value).is_some_and(|found| found.class == class);
    let missed: Vec<_> = list.lines().filter(|value| !found(value)).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn attacks_of_every_class_are_seen_in_their_disguises() {
    attacks(Class::Sql, include_str!("attacks/sql.txt"));
    attacks(Class::Script, include_str!("attacks/script.txt"));
    attacks(Class::Traversal, include_str!("attacks/traversal.txt"));
    attacks(Class::Command, include_str!("attacks/command.txt"));
    attacks(Class::Template, include_str!("attacks/template.txt"));
    attacks(Class::Header, include_str!("attacks/header.txt"));
}

#[test]
fn paths_that_scanners_probe_are_seen_and_plain_ones_are_not_even_looked_at() {
    let inspector = &*STANDARD;
    for path in ["/.env", "/.git/config", "/wp-login.php", "/WP-Login.php", "/a/../../b", "/a/%2e%2e/b"] {
        let found = inspector.begin(path, None, Exempt::default()).and_then(|tally| tally.suspicion());
        assert!(found.is_some_and(|found| found.score >= THRESHOLD), "{path}");
    }
    assert!(inspector.begin("/api/v1/session", Some("page=2&size=10"), Exempt::default()).is_none());
}

#[test]
fn benign_text_passes() {
    let refused: Vec<_> =
        include_str!("benign.txt").lines().filter_map(|line| Some((line, in_query(line)?.rule))).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn what_is_private_is_not_looked_at_and_what_is_exempt_does_not_count() {
    let names = ["password".to_owned()];
    let mut tally = STANDARD.tally(Exempt { names: &names, ..Exempt::default() });
    tally.pair(Place::Body, b"Password", b"' or 1=1 --", false);
    assert_eq!(tally.suspicion(), None);
    let classes = [Class::Sql].into_iter().collect();
    let mut tally = STANDARD.tally(Exempt { classes, ..Exempt::default() });
    tally.pair(Place::Body, b"q", b"1 or 1=1", false);
    assert_eq!(tally.suspicion(), None);
}

#[test]
fn rules_that_cannot_be_used_are_refused() {
    let rule = |name: &str, pattern: &str| {
        let text = format!("[[rules]]\nname = \"{name}\"\nclass = \"sql\"\nscore = 5\npattern = '{pattern}'");
        Inspector::new(Some(&text), true, inspection::Bounds::default()).map(|_| ())
    };
    assert_eq!(rule("own", "a+"), Ok(()));
    assert!(rule("own", "(").is_err() && rule("sql-union", "a").is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_looked_at_without_a_panic(value in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut tally = STANDARD.tally(Exempt::default());
        for place in [Place::Path, Place::Query, Place::Field, Place::Agent, Place::Body] {
            tally.value(place, &value, true);
        }
        tally.cookies(&value);
        tally.pairs(Place::Body, &value);
    }

    #[test]
    fn random_words_pass(value in "([a-zA-Z]{1,9}[ ,.!?]{1,2}){0,12}") {
        prop_assert!(in_query(&value).is_none());
    }
}
