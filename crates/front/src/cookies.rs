//! Cookies that come, and the rules for every one that leaves (RFC 6265bis): never unencrypted where we are encrypted, not for
//! scripts, not for other sites.

use http::{HeaderValue, header::COOKIE};

use crate::Fields;

/// Cookie fields of one request that are looked at, the last first: over HTTP/2 each cookie may have one (RFC 9113, section
/// 8.2.3).
const FIELDS_MAX: usize = 32;

/// The values of all cookies of this name. There may be several, and others beside them that are no text.
pub(crate) fn values<'a>(fields: Fields<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let cookies = fields.last::<FIELDS_MAX>(&COOKIE).into_iter();
    let pairs = cookies.flat_map(|cookies| cookies.split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The cookie as it may leave; nothing if it is so already, or is no text. `script_cookies` may be read by scripts.
pub(crate) fn strict(cookie: &HeaderValue, secure: bool, script_cookies: &[String]) -> Option<HeaderValue> {
    let text = cookie.to_str().ok()?;
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().and_then(|pair| pair.split_once('=')).map_or("", |(name, _)| name.trim());
    let has = |attribute: &str| {
        let names = text.split(';').skip(1).map(|part| part.split('=').next().unwrap_or_default().trim());
        names.into_iter().any(|known| known.eq_ignore_ascii_case(attribute))
    };
    let for_scripts = script_cookies.iter().any(|known| known == name);
    let missing = [
        ("; Secure", secure && !has("secure")),
        ("; HttpOnly", !for_scripts && !has("httponly")),
        ("; SameSite=Lax", !has("samesite")),
    ];
    let added: String =
        missing.iter().filter(|(_, missing)| *missing).map(|(attribute, _)| *attribute).collect();
    if added.is_empty() {
        return None;
    }
    HeaderValue::try_from(format!("{}{added}", text.trim_end_matches([';', ' ']))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(cookie: &'static str, secure: bool, leaves: &str) {
        let value = HeaderValue::from_static(cookie);
        let strict = strict(&value, secure, &["theme".to_owned()]).unwrap_or(value);
        assert_eq!(strict, leaves);
    }

    #[test]
    fn what_a_cookie_lacks_is_added() {
        check("a=b", true, "a=b; Secure; HttpOnly; SameSite=Lax");
        check("a=b; Path=/;", false, "a=b; Path=/; HttpOnly; SameSite=Lax");
        check("a=b; httponly; SECURE; samesite=Strict", true, "a=b; httponly; SECURE; samesite=Strict");
        check("theme=dark", true, "theme=dark; Secure; SameSite=Lax");
    }

    #[test]
    fn a_value_that_looks_like_an_attribute_is_none() {
        check("secure=httponly", true, "secure=httponly; Secure; HttpOnly; SameSite=Lax");
    }

    proptest! {
        #[test]
        fn whatever_is_strict_stays_as_it_is(cookie in "[a-z]{1,5}=[a-z ;=]{0,20}", secure in any::<bool>()) {
            let value = HeaderValue::try_from(cookie).expect("letters");
            let once = strict(&value, secure, &[]).unwrap_or(value);
            prop_assert_eq!(strict(&once, secure, &[]), None);
        }
    }
}
