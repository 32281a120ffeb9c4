//! What `Cache-Control` says (RFC 9111, section 5.2), read as it is written: a quoted text may hold commas and whole
//! directives, which are then none.

use http::{HeaderMap, header};

/// The longest time that is told apart from for ever, in seconds (RFC 9111, section 1.2.2).
pub(crate) const SECONDS_MAX: u64 = 1 << 31;

/// What the directives say, as far as it matters here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheControl {
    pub no_store: bool,
    pub no_cache: bool,
    pub no_transform: bool,
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub max_age_s: Option<u64>,
    pub s_maxage_s: Option<u64>,
    pub stale_while_revalidate_s: Option<u64>,
    pub stale_if_error_s: Option<u64>,
}

/// A name, its argument without quotes, and what comes after it.
type Cut<'a> = (&'a str, &'a str, &'a str);

impl CacheControl {
    /// Of all fields of that name.
    #[must_use]
    pub fn of(fields: &HeaderMap) -> Self {
        let mut control = Self::default();
        for value in fields.get_all(header::CACHE_CONTROL) {
            let Some(()) = value.to_str().ok().and_then(|list| control.add_all(list)) else {
                // What cannot be read may forbid anything.
                return Self { no_store: true, no_transform: true, ..control };
            };
        }
        control
    }

    fn add_all(&mut self, mut list: &str) -> Option<()> {
        while !list.is_empty() {
            let (name, argument, rest) = cut(list)?;
            self.add(name, argument);
            list = rest;
        }
        Some(())
    }

    fn add(&mut self, name: &str, argument: &str) {
        // Of several the first counts (RFC 9111, section 4.2.1). A number that cannot be read is nought: what is said to be
        // fresh for nonsense is not fresh.
        let first = |time: &mut Option<u64>| _ = time.get_or_insert(seconds(argument).unwrap_or(0));
        match name.to_ascii_lowercase().as_str() {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache = true,
            "no-transform" => self.no_transform = true,
            "private" => self.private = true,
            "public" => self.public = true,
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "max-age" => first(&mut self.max_age_s),
            "s-maxage" => first(&mut self.s_maxage_s),
            "stale-while-revalidate" => first(&mut self.stale_while_revalidate_s),
            "stale-if-error" => first(&mut self.stale_if_error_s),
            _ => {}
        }
    }
}

/// A time in whole seconds; one that is too long to matter is the longest.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(SECONDS_MAX).min(SECONDS_MAX))
}

/// The first directive of a list; nothing if a quotation mark stands where none belongs.
fn cut(list: &str) -> Option<Cut<'_>> {
    let end = list.find([',', '=']).unwrap_or(list.len());
    let (name, rest) = (list[..end].trim(), &list[end..]);
    let (argument, rest) = match rest.strip_prefix('=').map(str::trim_start) {
        None => ("", rest),
        Some(rest) => match rest.strip_prefix('"') {
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
            Some(quoted) => {
                let (text, rest) = quoted.split_at(closing(quoted)?);
                return next(rest[1..].trim_start()).map(|rest| (name, text, rest));
            }
        },
    };
    let plain = !name.contains('"') && !argument.contains('"');
    next(rest).filter(|_| plain).map(|rest| (name, argument.trim_end(), rest))
}

/// Where a quoted text ends (RFC 9110, section 5.6.4).
fn closing(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    quoted.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// What comes behind a comma, if anything comes.
fn next(rest: &str) -> Option<&str> {
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(',') }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn control(lists: &[&str]) -> CacheControl {
        let value = |list: &&str| (header::CACHE_CONTROL, HeaderValue::from_str(list).expect("a value"));
        CacheControl::of(&lists.iter().map(value).collect())
    }

    #[track_caller]
    fn check(list: &str, expected: CacheControl) {
        assert_eq!(control(&[list]), expected, "{list}");
    }

    const SAYS: CacheControl = CacheControl {
        no_store: false,
        no_cache: false,
        no_transform: false,
        private: false,
        public: false,
        must_revalidate: false,
        max_age_s: None,
        s_maxage_s: None,
        stale_while_revalidate_s: None,
        stale_if_error_s: None,
    };

    #[test]
    fn of_two_times_the_first_counts() {
        check("max-age=0, max-age=9", CacheControl { max_age_s: Some(0), ..SAYS });
        assert_eq!(control(&["max-age=0", "max-age=9"]).max_age_s, Some(0));
        check("max-age, max-age=9", CacheControl { max_age_s: Some(0), ..SAYS });
    }

    #[test]
    fn what_stands_in_a_quoted_text_is_no_directive() {
        check("ext=\"a,max-age=9,\"", SAYS);
        check(r#"ext="a\",max-age=9,\\", public"#, CacheControl { public: true, ..SAYS });
        check(
            "private=\"set-cookie, x\" , max-age=9",
            CacheControl { private: true, max_age_s: Some(9), ..SAYS },
        );
    }

    #[test]
    fn a_time_may_be_quoted_and_is_never_longer_than_the_longest() {
        check("max-age=\"9\"", CacheControl { max_age_s: Some(9), ..SAYS });
        for long in ["2147483649", "18446744073709551615", "99999999999999999999999"] {
            check(&format!("max-age={long}"), CacheControl { max_age_s: Some(SECONDS_MAX), ..SAYS });
        }
        for nonsense in ["soon", "-1", "+1", "1.5", ""] {
            check(&format!("max-age={nonsense}"), CacheControl { max_age_s: Some(0), ..SAYS });
        }
    }

    #[test]
    fn what_cannot_be_read_may_forbid_anything() {
        for list in ["max-age=9, ext=\"a", "max-age=9\"", "a\"b, max-age=9", "ext=\"a\"b, max-age=9"] {
            check(list, CacheControl { no_store: true, no_transform: true, ..control(&[list]) });
        }
    }

    /// Directives as they are written, and whether they forbid to store.
    fn written() -> impl Strategy<Value = (String, bool)> {
        let text =
            proptest::string::string_regex("[a-z ,=]{0,12}|max-age=7,|, no-store,").expect("a pattern");
        prop_oneof![
            Just(("no-store".to_owned(), true)),
            Just(("No-Store ".to_owned(), true)),
            Just((" public".to_owned(), false)),
            Just((String::new(), false)),
            "[a-m]{1,8}=[a-z0-9]{0,8}".prop_map(|plain| (plain, false)),
            text.prop_map(|text| (format!("x= \"{text}\""), false)),
            "[a-z,]{0,8}".prop_map(|text| (format!(r#"y="\"{text}\\" "#), false)),
        ]
    }

    proptest! {
        #[test]
        fn a_list_says_what_its_directives_say_however_they_are_written(
            before in proptest::collection::vec(written(), 0..6),
            after in proptest::collection::vec(written(), 0..6),
            seconds in 0..=SECONDS_MAX,
        ) {
            let list = |directives: &[(String, bool)]| {
                directives.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(",")
            };
            let (before_list, after_list) = (list(&before), list(&after));
            let forbids = before.iter().chain(&after).any(|(_, forbids)| *forbids);
            let max_age = format!("max-age={seconds}");
            let in_one = control(&[&[before_list.as_str(), &max_age, &after_list].join(" , ")]);
            prop_assert_eq!((in_one.no_store, in_one.max_age_s), (forbids, Some(seconds)));
            prop_assert_eq!(control(&[&before_list, &max_age, &after_list]), in_one);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "[ -~]{0,40}|[\"\\\\,=a-b]{0,12}") {
            let said = control(&[&text]);
            prop_assert!(said.no_store || !text.split(',').any(|part| part == "no-store") || text.contains('"'));
        }
    }
}
