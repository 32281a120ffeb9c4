//! Which other sites' pages may ask here, and read the answer (CORS, as fetch.spec.whatwg.org has it); and that no other
//! site's page makes a browser change something with the cookies it keeps for us.
//!
//! Foreign requests are told as Go's `net/http.CrossOriginProtection` and OWASP's cheat sheet advise: by `Sec-Fetch-Site`,
//! and by `Origin` where a browser does not send that. Who sends neither is no browser.

use std::{fmt, str::FromStr};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, COOKIE, ORIGIN, UPGRADE, VARY,
    },
};
use problem::Problem;
use serde::{Deserialize, Deserializer, de};

use crate::{Answer, Fields, Route, Seen, headers::write};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

static TRUE: HeaderValue = HeaderValue::from_static("true");
static VARY_ORIGIN: HeaderValue = HeaderValue::from_static("origin");

/// Origins in one set of settings: they are compared in a row.
const ORIGINS_MAX: usize = 256;

/// Who may ask from elsewhere, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CorsConfig {
    /// Exactly these, such as `https://app.example.gov`; `*` alone for all, who then bring no cookies.
    pub origins: Vec<Origin>,
    pub methods: Vec<String>,
    /// Fields that they may send.
    pub headers: Vec<String>,
    /// Fields of answers that their scripts may read.
    pub exposed: Vec<String>,
    /// How long browsers need not ask again, in seconds.
    pub max_age_s: u32,
    /// May they bring cookies?
    pub credentials: bool,
    /// What becomes of requests for a change that other sites' pages make.
    pub cross_site: CrossSite,
    /// Routes that other sites' pages may post to, such as those that a sign-in elsewhere comes back to.
    pub cross_site_exempt: Vec<Route>,
}

impl Default for CorsConfig {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            origins: Vec::new(),
            methods: words(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
            headers: words(&[
                "authorization",
                "content-type",
                "idempotency-key",
                "if-match",
                "if-none-match",
                "queue-token",
                "request-timeout-ms",
                "retry-attempt",
                "x-request-id",
            ]),
            exposed: words(&[
                "etag",
                "location",
                "queue-token",
                "ratelimit",
                "ratelimit-policy",
                "retry-after",
                "x-request-id",
            ]),
            max_age_s: 600,
            credentials: false,
            cross_site: CrossSite::RefuseCredentials,
            cross_site_exempt: Vec::new(),
        }
    }
}

/// What becomes of requests for a change that other sites' pages make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrossSite {
    /// All are refused: for ports where being able to reach them is a permission.
    Refuse,
    /// Refused if they bring what browsers add by themselves: cookies, or a password they remember.
    RefuseCredentials,
    /// Whoever answers them knows better.
    Allow,
}

/// A site as browsers name it: a scheme, a host, and a port unless it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// What cannot be an origin, or cannot be allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    #[error(
        "`{0}` is no origin: write `https://app.example.gov`, with a port if it has one and nothing behind it"
    )]
    Origin(String),
    #[error("`null` is the origin of whoever hides theirs: it cannot be allowed")]
    Null,
    #[error(
        "`*` stands alone, and without `credentials = true`: else every page could act for whoever looks at it"
    )]
    Everybody,
    #[error("`{0}` is no name of a method or field")]
    Name(String),
    #[error("there are more than {ORIGINS_MAX} origins")]
    TooMany,
}

impl FromStr for Origin {
    type Err = CorsError;

    fn from_str(text: &str) -> Result<Self, CorsError> {
        let wrong = || CorsError::Origin(text.to_owned());
        match text {
            "*" => return Ok(Self(text.to_owned())),
            "null" => return Err(CorsError::Null),
            _ => {}
        }
        let lower = text.to_ascii_lowercase();
        let (scheme, host) = lower.split_once("://").ok_or_else(wrong)?;
        let own_port = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return Err(wrong()),
        };
        let authority: http::uri::Authority = host.parse().map_err(|_| wrong())?;
        let named =
            !authority.host().is_empty() && !host.contains(['@', '*', '/']) && !host.ends_with([':', '.']);
        if !named {
            return Err(wrong());
        }
        let host = host.strip_suffix(own_port).unwrap_or(host);
        Ok(Self(format!("{scheme}://{host}")))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The rule, made ready.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "CorsConfig")]
pub struct Cors {
    origins: Vec<HeaderValue>,
    everybody: bool,
    credentials: bool,
    methods: HeaderValue,
    headers: HeaderValue,
    exposed: HeaderValue,
    max_age: HeaderValue,
    cross_site: CrossSite,
    cross_site_exempt: Vec<Route>,
}

impl Default for Cors {
    fn default() -> Self {
        Self::try_from(CorsConfig::default()).expect("the defaults can be held to")
    }
}

impl TryFrom<CorsConfig> for Cors {
    type Error = CorsError;

    fn try_from(config: CorsConfig) -> Result<Self, CorsError> {
        let everybody = config.origins.iter().any(|origin| origin.0 == "*");
        if everybody && (config.credentials || config.origins.len() > 1) {
            return Err(CorsError::Everybody);
        }
        if config.origins.len() > ORIGINS_MAX {
            return Err(CorsError::TooMany);
        }
        let methods = listed(&config.methods, |word| Method::from_bytes(word.as_bytes()).is_ok())?;
        let fit = |word: &str| word.parse::<HeaderName>().is_ok();
        let value = |text: &str| HeaderValue::try_from(text).map_err(|_| CorsError::Name(text.to_owned()));
        let origins = config.origins.iter().map(|origin| value(&origin.0)).collect::<Result<_, _>>()?;
        Ok(Self {
            origins,
            everybody,
            credentials: config.credentials,
            methods,
            headers: listed(&config.headers, fit)?,
            exposed: listed(&config.exposed, fit)?,
            max_age: config.max_age_s.into(),
            cross_site: config.cross_site,
            cross_site_exempt: config.cross_site_exempt,
        })
    }
}

fn listed(words: &[String], fit: impl Fn(&str) -> bool) -> Result<HeaderValue, CorsError> {
    // A star would mean all of them to browsers.
    if let Some(word) = words.iter().find(|word| *word == "*" || !fit(word)) {
        return Err(CorsError::Name(word.clone()));
    }
    let text = words.join(", ");
    HeaderValue::try_from(&text).map_err(|_| CorsError::Name(text))
}

/// The place in the list of whoever asks.
pub(crate) type Listed = Option<u16>;

impl Cors {
    /// All requests for a change from other sites' pages are refused.
    #[must_use]
    pub fn refusing_all() -> Self {
        Self { cross_site: CrossSite::Refuse, ..Self::default() }
    }

    /// Whoever answers knows who may ask.
    #[must_use]
    pub fn allowing_all() -> Self {
        Self { cross_site: CrossSite::Allow, ..Self::default() }
    }

    /// Which of the origins asks.
    pub(crate) fn listed(&self, fields: Fields<'_>) -> Listed {
        if self.origins.is_empty() {
            return None;
        }
        let origin = fields.get(&ORIGIN)?;
        let place = if self.everybody {
            Some(0)
        } else {
            self.origins.iter().position(|known| known.as_bytes() == origin)
        };
        place.and_then(|place| u16::try_from(place).ok())
    }

    /// Does a browser ask only what it might ask?
    pub(crate) fn is_preflight(&self, seen: &Seen<'_>) -> bool {
        !self.origins.is_empty()
            && seen.method == "OPTIONS"
            && seen.fields.get(&ORIGIN).is_some()
            && seen.fields.get(&ACCESS_CONTROL_REQUEST_METHOD).is_some()
    }

    /// What a browser is told that asks so. Whoever is not listed is told nothing, which means no.
    pub(crate) fn preflight(&self, seen: &Seen<'_>) -> Answer {
        let answer = Answer::of_type(HeaderValue::from_static("text/plain"), b"".as_slice())
            .with_status(StatusCode::NO_CONTENT);
        if self.listed(seen.fields).is_none() {
            return answer;
        }
        answer
            .with_field(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone())
            .with_field(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone())
            .with_field(ACCESS_CONTROL_MAX_AGE, self.max_age.clone())
    }

    /// The refusal of a request for a change that another site's page made a browser send.
    pub(crate) fn refusal(&self, seen: &Seen<'_>) -> Option<Answer> {
        let foreign = self.cross_site != CrossSite::Allow
            && changes(seen)
            && (self.everybody || self.listed(seen.fields).is_none())
            && is_foreign(seen)
            && (self.cross_site == CrossSite::Refuse || brings_what_browsers_add(seen.fields))
            && !self.cross_site_exempt.iter().any(|route| route.matches(seen.method, seen.path));
        foreign.then(|| {
            let detail =
                "a page of another site asked for a change with what your browser keeps for this one";
            Answer::refusing(&Problem::forbidden("edge/cross-site", detail))
        })
    }

    /// The fields by which a browser lets another site's page read the answer.
    fn fields(&self, listed: Listed) -> impl Iterator<Item = (HeaderName, &HeaderValue)> {
        let vary = (!self.origins.is_empty() && !self.everybody).then_some((VARY, &VARY_ORIGIN));
        let origin = listed.and_then(|place| self.origins.get(usize::from(place)));
        let credentials =
            (origin.is_some() && self.credentials).then_some((ACCESS_CONTROL_ALLOW_CREDENTIALS, &TRUE));
        let exposed = (origin.is_some() && !self.exposed.is_empty())
            .then_some((ACCESS_CONTROL_EXPOSE_HEADERS, &self.exposed));
        let origin = origin.map(|origin| (ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        [vary, origin, credentials, exposed].into_iter().flatten()
    }

    pub(crate) fn write(&self, outbox: &mut Vec<u8>, listed: Listed) {
        self.fields(listed).for_each(|(name, value)| write(outbox, &name, value));
    }

    /// Is nothing said to pages of other origins?
    pub(crate) const fn is_off(&self) -> bool {
        self.origins.is_empty()
    }

    /// Adds them, unless whoever answers has said it themselves.
    pub(crate) fn put(&self, headers: &mut HeaderMap, listed: Listed) {
        if self.origins.is_empty() || headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        for (name, value) in self.fields(listed) {
            headers.append(name, value.clone());
        }
    }
}

/// Does it ask for more than an answer? A handshake of WebSocket opens the way for changes.
fn changes(seen: &Seen<'_>) -> bool {
    let safe = matches!(seen.method, "GET" | "HEAD" | "OPTIONS" | "TRACE");
    !safe || seen.fields.get(&UPGRADE).is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

/// Did a page of another site make a browser send it?
fn is_foreign(seen: &Seen<'_>) -> bool {
    match seen.fields.get(&SEC_FETCH_SITE) {
        Some(b"same-origin" | b"none") => return false,
        Some(_) => return true,
        None => {}
    }
    seen.fields.get(&ORIGIN).is_some_and(|origin| {
        let host = memchr::memmem::find(origin, b"://").map(|at| &origin[at + 3..]);
        !host.zip(seen.host).is_some_and(|(host, ours)| host.eq_ignore_ascii_case(ours))
    })
}

/// Does it bring what browsers add by themselves? Nobody's browser adds a token.
fn brings_what_browsers_add(fields: Fields<'_>) -> bool {
    let remembered =
        |value: &[u8]| !value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
    fields.get(&COOKIE).is_some() || fields.get(&AUTHORIZATION).is_some_and(remembered)
}

#[cfg(test)]
#[path = "cors/tests.rs"]
mod tests;
