//! The fields that browsers want to read on every answer, so that a page or a link of somebody else's can do nothing
//! with it. They are made once; an answer that says one itself keeps its own.

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, Entry, REFERRER_POLICY, SERVER, SET_COOKIE,
        STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    },
};
use serde::Deserialize;

use crate::{Answer, cookies};

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// What servers say of themselves, which helps nobody but whoever looks for their holes.
const NOISE: [HeaderName; 4] = [
    SERVER,
    HeaderName::from_static("x-powered-by"),
    HeaderName::from_static("x-aspnet-version"),
    HeaderName::from_static("x-aspnetmvc-version"),
];

/// An answer that is no page loads nothing, and is shown in no frame.
const NO_PAGE: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What answers say that do not say it themselves. An empty text leaves a field out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeadersConfig {
    /// Of answers that are no pages: ours bring their own. At a gateway, what is said here is said for upstreams whose
    /// routes are completed; without it nothing is, because nobody can guess what their pages load.
    pub content_security_policy: Option<String>,
    pub referrer_policy: String,
    pub opener_policy: String,
    pub resource_policy: String,
    pub permissions_policy: String,
    /// How long browsers shall come encrypted only, in seconds. Said on encrypted connections; nought makes them forget
    /// it.
    pub hsts_max_age_s: u32,
    /// Names below ours too.
    pub hsts_subdomains: bool,
    /// Cookies that scripts may read, by name. All others are for requests alone.
    pub script_cookies: Vec<String>,
}

impl Default for HeadersConfig {
    fn default() -> Self {
        Self {
            content_security_policy: None,
            referrer_policy: "no-referrer".to_owned(),
            opener_policy: "same-origin".to_owned(),
            resource_policy: "same-origin".to_owned(),
            permissions_policy: "camera=(), geolocation=(), microphone=(), payment=(), usb=()".to_owned(),
            hsts_max_age_s: 31_536_000,
            hsts_subdomains: false,
            script_cookies: Vec::new(),
        }
    }
}

/// A field that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be the value of a header field: use one line of ASCII")]
pub struct HeadersError(String);

/// The fields, made ready.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "HeadersConfig")]
pub struct Headers {
    fields: Vec<(HeaderName, HeaderValue)>,
    /// Of the fields only this one is not said for others.
    own_policy_only: bool,
    hsts: HeaderValue,
    script_cookies: Vec<String>,
    /// All of them as bytes, unencrypted and encrypted.
    written: [Box<[u8]>; 2],
}

impl Default for Headers {
    fn default() -> Self {
        Self::try_from(HeadersConfig::default()).expect("the defaults are values")
    }
}

impl TryFrom<HeadersConfig> for Headers {
    type Error = HeadersError;

    fn try_from(config: HeadersConfig) -> Result<Self, HeadersError> {
        let own_policy_only = config.content_security_policy.is_none();
        let policy = config.content_security_policy.unwrap_or_else(|| NO_PAGE.to_owned());
        let texts = [
            (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (CONTENT_SECURITY_POLICY, policy),
            (REFERRER_POLICY, config.referrer_policy),
            (OPENER_POLICY, config.opener_policy),
            (RESOURCE_POLICY, config.resource_policy),
            (PERMISSIONS_POLICY, config.permissions_policy),
        ];
        let said = texts.into_iter().filter(|(_, text)| !text.is_empty());
        let fields = said.map(|(name, text)| match HeaderValue::try_from(&text) {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(HeadersError(text)),
        });
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        let below = if config.hsts_subdomains { "; includeSubDomains" } else { "" };
        let hsts = format!("max-age={}{below}", config.hsts_max_age_s);
        let hsts = HeaderValue::try_from(&hsts).map_err(|_| HeadersError(hsts))?;
        let mut plain = Vec::new();
        fields.iter().for_each(|(name, value)| write(&mut plain, name, value));
        let mut secure = plain.clone();
        write(&mut secure, &STRICT_TRANSPORT_SECURITY, &hsts);
        let (script_cookies, written) = (config.script_cookies, [plain.into(), secure.into()]);
        Ok(Self { fields, own_policy_only, hsts, script_cookies, written })
    }
}

/// Of an answer that an upstream gave: what is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromUpstream {
    /// The fields that it lacks are added, and what its server says of itself is taken away.
    pub completed: bool,
    /// Its cookies are held to our rules.
    pub strict_cookies: bool,
}

impl Headers {
    /// Writes the fields that an answer does not say itself.
    pub(crate) fn write(&self, outbox: &mut Vec<u8>, answer: &Answer, secure: bool) {
        let said = |name: &HeaderName| answer.fields.iter().any(|(known, _)| known == name);
        if answer.fields.is_empty() || !self.names().any(said) {
            return outbox.extend_from_slice(&self.written[usize::from(secure)]);
        }
        self.all(secure).filter(|(name, _)| !said(name)).for_each(|(name, value)| write(outbox, name, value));
    }

    /// Adds the fields that a response does not say itself.
    pub(crate) fn put<B>(
        &self,
        response: &mut Response<B>,
        secure: bool,
        credentials: bool,
        upstream: Option<FromUpstream>,
    ) {
        let bare = response.status() == StatusCode::NOT_MODIFIED;
        let headers = response.headers_mut();
        if upstream.is_none_or(|upstream| upstream.strict_cookies) {
            self.harden_cookies(headers, secure);
        }
        if let Some(upstream) = upstream {
            if !upstream.completed {
                return;
            }
            NOISE.iter().for_each(|name| drop(headers.remove(name)));
        }
        for (name, value) in self.all(secure) {
            let ours_alone = self.own_policy_only && *name == CONTENT_SECURITY_POLICY;
            if upstream.is_none() || !ours_alone {
                headers.entry(name).or_insert_with(|| value.clone());
            }
        }
        if credentials && !bare {
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
    }

    fn harden_cookies(&self, headers: &mut HeaderMap, secure: bool) {
        // Asked first, because an entry makes room for itself.
        if !headers.contains_key(SET_COOKIE) {
            return;
        }
        let Entry::Occupied(mut cookies) = headers.entry(SET_COOKIE) else { return };
        for cookie in cookies.iter_mut() {
            if let Some(strict) = cookies::strict(cookie, secure, &self.script_cookies) {
                *cookie = strict;
            }
        }
    }

    fn all(&self, secure: bool) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let hsts = secure.then_some((&STRICT_TRANSPORT_SECURITY, &self.hsts));
        self.fields.iter().map(|(name, value)| (name, value)).chain(hsts)
    }

    fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.fields.iter().map(|(name, _)| name).chain([&STRICT_TRANSPORT_SECURITY])
    }
}

/// A field as it goes over the wire.
pub(crate) fn write(outbox: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    outbox.extend_from_slice(name.as_str().as_bytes());
    outbox.extend_from_slice(b": ");
    outbox.extend_from_slice(value.as_bytes());
    outbox.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answer: &Answer, secure: bool) -> String {
        let mut outbox = Vec::new();
        Headers::default().write(&mut outbox, answer, secure);
        String::from_utf8(outbox).expect("text")
    }

    #[test]
    fn an_answer_without_fields_gets_all_of_them_and_hsts_only_where_it_is_encrypted() {
        let plain = written(&Answer::json(b"{}".as_slice()), false);
        for name in ["x-content-type-options", "content-security-policy", "referrer-policy", "permissions"] {
            assert!(plain.contains(name), "{name} in {plain}");
        }
        assert!(!plain.contains("strict-transport"), "{plain}");
        let secure = written(&Answer::json(b"{}".as_slice()), true);
        assert!(secure.contains("strict-transport-security: max-age=31536000\r\n"), "{secure}");
    }

    #[test]
    fn what_an_answer_says_itself_is_not_said_twice() {
        let own = HeaderValue::from_static("default-src 'self'");
        let page = Answer::json(b"".as_slice()).with_field(CONTENT_SECURITY_POLICY, own.clone());
        let text = written(&page, true);
        assert!(!text.contains("content-security-policy") && text.contains("referrer-policy"), "{text}");
        let mut response = Response::new(());
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, own.clone());
        Headers::default().put(&mut response, false, false, None);
        let policies: Vec<_> = response.headers().get_all(CONTENT_SECURITY_POLICY).iter().collect();
        assert_eq!(policies, [&own]);
    }

    #[test]
    fn an_answer_to_credentials_is_kept_by_nobody_unless_it_says_so() {
        let put = |said: Option<&'static str>, credentials| {
            let mut response = Response::new(());
            if let Some(said) = said {
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(said));
            }
            Headers::default().put(&mut response, false, credentials, None);
            response.headers().get(CACHE_CONTROL).cloned()
        };
        assert_eq!(put(None, true), Some(HeaderValue::from_static("no-store")));
        assert_eq!(put(Some("private"), true), Some(HeaderValue::from_static("private")));
        assert_eq!(put(None, false), None);
    }

    #[test]
    fn an_upstreams_answer_is_its_own_unless_its_route_says_otherwise() {
        let put = |upstream: FromUpstream, config: HeadersConfig| {
            let mut response = Response::new(());
            response.headers_mut().insert(SERVER, HeaderValue::from_static("old/1.0"));
            response.headers_mut().insert(SET_COOKIE, HeaderValue::from_static("a=b"));
            Headers::try_from(config).expect("values").put(&mut response, true, true, Some(upstream));
            response
        };
        let passed = FromUpstream { completed: false, strict_cookies: false };
        let response = put(passed, HeadersConfig::default());
        assert_eq!(
            (response.headers().len(), &response.headers()[SET_COOKIE]),
            (2, &HeaderValue::from_static("a=b"))
        );
        let completed = FromUpstream { completed: true, strict_cookies: true };
        let response = put(completed, HeadersConfig::default());
        let headers = response.headers();
        assert!(!headers.contains_key(SERVER) && !headers.contains_key(CONTENT_SECURITY_POLICY));
        assert_eq!(headers[SET_COOKIE], "a=b; Secure; HttpOnly; SameSite=Lax");
        assert!(headers.contains_key(STRICT_TRANSPORT_SECURITY));
        let own = HeadersConfig {
            content_security_policy: Some("default-src 'self'".to_owned()),
            ..HeadersConfig::default()
        };
        assert_eq!(put(completed, own).headers()[CONTENT_SECURITY_POLICY], "default-src 'self'");
    }

    #[test]
    fn a_value_of_two_lines_is_refused_and_an_empty_one_leaves_its_field_out() {
        let config = |referrer_policy: &str| HeadersConfig {
            referrer_policy: referrer_policy.to_owned(),
            ..HeadersConfig::default()
        };
        assert!(Headers::try_from(config("a\r\nset-cookie: b")).is_err());
        let headers = Headers::try_from(config("")).expect("values");
        assert!(headers.names().all(|name| *name != REFERRER_POLICY));
    }
}
