//! Requests that carry an attack: told of, or refused, and whoever sends many of them is kept out for a while.

mod config;

use std::{
    cell::RefCell,
    fs,
    hash::{BuildHasher, RandomState},
    io,
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use clock::Clock;
use http::{HeaderName, header};
use inspection::{
    Bound, Bounds, Class, Classes, Exempt, Inspector, Place, RulesError, Suspicion, Tally, Written,
};
use limiter::{Algorithm, Limiter, QuotaConfig, QuotaError, Verdict};
use problem::Problem;
use serde::Serialize;

pub use config::{Beyond, ExceptionConfig, InspectionConfig, InspectionMode, PrivateConfig, SendersConfig};

use crate::{Fields, Route, Seen, household, instruments::Instruments};

/// Senders of attacks that are counted at once; 16 bytes of memory each.
const SENDERS_MAX: usize = 1 << 16;

/// Programs that a thread knows nothing to be wrong with.
const AGENTS_KNOWN: usize = 512;

/// Lines of the log in a second about requests that carry an attack.
const TOLD_PER_SECOND_MAX: u64 = 10;

/// Settings by which nothing can be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectionError {
    #[error("the rules in {0} cannot be read: {1}")]
    File(String, #[source] io::Error),
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error("the senders of attacks cannot be counted: {0}")]
    Senders(#[source] QuotaError),
}

/// How inspection stands, for operators.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectionState {
    pub mode: InspectionMode,
    pub threshold: NonZeroU32,
    /// Requests that carried an attack, since the start.
    pub seen: u64,
}

/// The rules in force.
#[derive(Debug)]
pub(crate) struct Inspection {
    config: InspectionConfig,
    inspector: Option<Arc<Inspector>>,
    exceptions: Vec<Exception>,
    senders: Arc<Limiter>,
    /// Of these rules among all that were in force in this process.
    number: u64,
}

#[derive(Debug)]
struct Exception {
    routes: Vec<Route>,
    /// Nothing if all is let through.
    exempt: Option<(Classes, Vec<String>)>,
}

/// A request that carries an attack, as it is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attack {
    pub(crate) class: Class,
    rule: String,
    score: u32,
}

/// What speaks against a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Attack(Attack),
    /// There is more of it than this bound has anybody look at.
    Beyond(Bound),
}

/// Which settings fit the route of a request, by their numbers.
#[derive(Debug, Clone, Copy)]
struct Fits {
    exception: Option<usize>,
    private: Option<usize>,
}

/// How a body is to be inspected once it is there.
#[derive(Debug, Clone)]
pub struct BodyInspection {
    inspection: Arc<Inspection>,
    fits: Fits,
    written: Written,
    pub(crate) client: Option<IpAddr>,
}

impl BodyInspection {
    /// As much of the body as is needed, in bytes: what is looked at, and one that tells that there is more.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.inspection.config.bounds.bytes_max.get().saturating_add(1)
    }

    /// Must the body wait until it has been looked at? Where attacks are only told of, it need not.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.inspection.refuses()
    }

    pub(crate) fn look(&self, body: &[u8]) -> Option<Found> {
        let exempt = self.inspection.exempt(self.fits)?;
        let mut tally = self.inspection.inspector.as_ref()?.tally(exempt);
        tally.body(&self.written, body);
        let beyond = || tally.beyond().map(Found::Beyond);
        self.inspection.judge(&tally).map(Found::Attack).or_else(beyond)
    }

    pub(crate) fn inspection(&self) -> &Inspection {
        &self.inspection
    }
}

impl Inspection {
    /// By these settings. What `before` has alike is kept.
    pub(crate) fn new(config: &InspectionConfig, before: Option<&Self>) -> Result<Self, InspectionError> {
        let text = match (&config.rules_file, config.mode) {
            (None, _) | (_, InspectionMode::Off) => None,
            (Some(path), _) => Some(
                fs::read_to_string(path)
                    .map_err(|error| InspectionError::File(path.display().to_string(), error))?,
            ),
        };
        let quota = QuotaConfig {
            algorithm: Algorithm::SlidingWindow,
            limit: config.senders.attacks_max,
            window_ms: config.senders.window_ms,
            burst: None,
            block_ms: None,
        };
        let quota = quota.quota().map_err(InspectionError::Senders)?;
        let inspector = match config.mode {
            InspectionMode::Off => None,
            InspectionMode::Detect | InspectionMode::Block => {
                // Patterns take a while to make ready: those that are built in are made so once in a process.
                let standard = text.is_none() && config.built_in && config.bounds == Bounds::default();
                Some(if standard {
                    Inspector::standard()
                } else {
                    Arc::new(Inspector::new(text.as_deref(), config.built_in, config.bounds)?)
                })
            }
        };
        let exceptions = config.exceptions.iter().map(|exception| Exception::new(exception, &config.private));
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let same = before.filter(|before| before.config.senders == config.senders);
        Ok(Self {
            config: config.clone(),
            inspector,
            exceptions: exceptions.collect(),
            number: NUMBERS.fetch_add(1, Relaxed),
            senders: same
                .map_or_else(|| Arc::new(Limiter::new(quota, SENDERS_MAX)), |before| before.senders.clone()),
        })
    }

    pub(crate) const fn refuses(&self) -> bool {
        matches!(self.config.mode, InspectionMode::Block)
    }

    /// Is a body of which there is more than is looked at refused?
    pub(crate) const fn refuses_beyond(&self) -> bool {
        self.refuses() && matches!(self.config.beyond, Beyond::Refuse)
    }

    /// What the sender of such a body is told.
    pub(crate) fn beyond(&self, bound: Bound) -> Problem {
        let Bounds { bytes_max, values_max } = self.config.bounds;
        let (max, what) = match bound {
            Bound::Bytes => (bytes_max, "bytes"),
            Bound::Values => (values_max, "names and values that have to be"),
        };
        let detail = format!(
            "the body has more than the {max} {what} that are looked at here, and nothing was done: send less at once"
        );
        Problem::content_too_large("edge/not-inspected", detail)
            .with("bound", bound.word())
            .with("max", max.get())
    }

    fn fits(&self, method: &str, path: &str) -> Fits {
        let fit = |routes: &[Route]| routes.iter().any(|route| route.matches(method, path));
        Fits {
            exception: self.exceptions.iter().position(|exception| fit(&exception.routes)),
            private: self.config.private_on.iter().position(|private| fit(&private.routes)),
        }
    }

    /// What is not looked for; nothing if nothing is.
    fn exempt(&self, fits: Fits) -> Option<Exempt<'_>> {
        let private = fits.private.and_then(|at| self.config.private_on.get(at));
        let names_here = private.map_or(&[][..], |private| &private.names);
        match fits.exception.and_then(|at| self.exceptions.get(at)) {
            None => Some(Exempt { classes: Classes::default(), names: &self.config.private, names_here }),
            Some(exception) => {
                let (classes, names) = exception.exempt.as_ref()?;
                Some(Exempt { classes: *classes, names, names_here })
            }
        }
    }

    /// Does the head of a request carry an attack?
    pub(crate) fn look(&self, seen: &Seen<'_>) -> Option<Attack> {
        let inspector = self.inspector.as_deref()?;
        let exempt = self.exempt(self.fits(seen.method, seen.path))?;
        let mut tally = inspector.begin(seen.path, seen.query, exempt);
        for (name, value) in seen.fields.all() {
            let Some(place) = place(name) else { continue };
            let plain = if place == Place::Agent {
                self.is_known_agent(inspector, value)
            } else {
                inspection::is_plain_field(value)
            };
            if plain {
                continue;
            }
            let tally = tally.get_or_insert_with(|| inspector.tally(exempt));
            if exempt.has(name.as_bytes()) {
                continue;
            }
            if name.eq_ignore_ascii_case(header::COOKIE.as_str()) {
                tally.cookies(value);
            } else {
                tally.value(place, value, false);
            }
        }
        self.judge(&tally?)
    }

    /// Does nothing speak against this program? There are few, and each is looked at once.
    fn is_known_agent(&self, inspector: &Inspector, agent: &[u8]) -> bool {
        thread_local! {
            static HASHER: RandomState = RandomState::new();
            static KNOWN: RefCell<[u64; AGENTS_KNOWN]> = const { RefCell::new([0; AGENTS_KNOWN]) };
        }
        let hash = HASHER.with(|hasher| hasher.hash_one((self.number, agent)));
        let slot = usize::try_from(hash % AGENTS_KNOWN as u64).unwrap_or_default();
        if KNOWN.with_borrow(|known| known[slot]) == hash {
            return true;
        }
        let mut tally = inspector.tally(Exempt::default());
        tally.value(Place::Agent, agent, false);
        let known = tally.suspicion().is_none();
        if known {
            KNOWN.with_borrow_mut(|known| known[slot] = hash);
        }
        known
    }

    /// How the body of a request is to be inspected, if it is.
    pub(crate) fn body(
        self: &Arc<Self>,
        method: &str,
        path: &str,
        fields: Fields<'_>,
        client: Option<IpAddr>,
    ) -> Option<BodyInspection> {
        self.inspector.as_ref()?;
        let fits = self.fits(method, path);
        self.exempt(fits)?;
        let types = fields.last::<2>(&header::CONTENT_TYPE);
        // Of two types each reader takes the one it likes.
        let written = if types.len() > 1 { Written::Text } else { Written::by(types.first().copied())? };
        Some(BodyInspection { inspection: self.clone(), fits, written, client })
    }

    fn judge(&self, tally: &Tally<'_>) -> Option<Attack> {
        let Suspicion { score, class, rule } = tally.suspicion()?;
        (score >= self.config.threshold.get()).then(|| Attack { class, rule: rule.to_owned(), score })
    }

    /// Counts an attack of this sender; for how long its network is to be kept out now, if it is.
    pub(crate) fn strike(&self, client: IpAddr, now: u64) -> Option<Duration> {
        let verdict = self.senders.decide(&household(client), 1, now).verdict;
        let block = Duration::from_millis(self.config.senders.block_ms.get());
        matches!(verdict, Verdict::Refuse { .. }).then_some(block)
    }

    pub(crate) const fn state(&self, seen: u64) -> InspectionState {
        InspectionState { mode: self.config.mode, threshold: self.config.threshold, seen }
    }
}

impl Exception {
    fn new(config: &ExceptionConfig, private: &[String]) -> Self {
        let all = config.classes.is_empty() && config.names.is_empty();
        let names = || private.iter().chain(&config.names).cloned().collect();
        let exempt = (!all).then(|| (config.classes.iter().copied().collect(), names()));
        Self { routes: config.routes.clone(), exempt }
    }
}

/// As what a field is looked at; nothing for those that only the protocol, and credentials, are made of.
fn place(name: &str) -> Option<Place> {
    const NEVER: [HeaderName; 9] = [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::CONNECTION,
        header::HOST,
        HeaderName::from_static("signature"),
        HeaderName::from_static("signature-input"),
    ];
    let begins = |with: &str| name.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    if name.eq_ignore_ascii_case(header::USER_AGENT.as_str()) {
        return Some(Place::Agent);
    }
    let never = begins("accept")
        || begins("sec-")
        || NEVER.iter().any(|never| name.eq_ignore_ascii_case(never.as_str()));
    (!never).then_some(Place::Field)
}

/// What is told of attacks: all are counted, and as many stand in the log as somebody can read.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    seen: AtomicU64,
    /// In this second.
    told: AtomicU64,
    untold: AtomicU64,
}

impl Teller {
    /// Tells of one, and gives it a name by which its sender and operators mean the same.
    pub(crate) fn tell(
        &self,
        attack: &Attack,
        refused: bool,
        instruments: &Instruments,
        clock: &Clock,
    ) -> String {
        self.seen.fetch_add(1, Relaxed);
        instruments.attack_seen(attack.class.word(), refused);
        let incident = format!("{:016x}", u64::from_be_bytes(clock.random()));
        if self.told.fetch_add(1, Relaxed) < TOLD_PER_SECOND_MAX {
            let Attack { class, rule, score } = attack;
            let class = class.word();
            tracing::warn!(
                code = "edge/attack-seen",
                class,
                rule,
                score,
                refused,
                incident,
                "a request carried an attack: {class}"
            );
        } else {
            self.untold.fetch_add(1, Relaxed);
        }
        incident
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Relaxed)
    }

    /// To be called once a second.
    pub(crate) fn second(&self) {
        self.told.store(0, Relaxed);
        let count = self.untold.swap(0, Relaxed);
        if count > 0 {
            tracing::warn!(code = "edge/attacks-seen", count, "{count} more requests carried an attack");
        }
    }
}

/// What the sender of an attack is told: not by which rule, so that it cannot be tried out what passes.
pub(crate) fn refusal(attack: &Attack, incident: &str) -> Problem {
    let detail = "the request looks like an attack, and nothing was done; if it is none, tell the operators \
                  of this service the number of the incident";
    Problem::forbidden("edge/inspected", detail).with("incident", incident).with("class", attack.class.word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use httparse::Header;

    fn inspection(settings: &str) -> Arc<Inspection> {
        let config = toml::from_str(settings).expect("settings");
        Arc::new(Inspection::new(&config, None).expect("rules"))
    }

    fn seen<'a>(path: &'a str, query: Option<&'a str>, fields: &'a [Header<'a>]) -> Seen<'a> {
        let fields = Fields::read(fields);
        Seen { method: "GET", path, query, host: None, fields, peer: None, secure: false }
    }

    fn class(inspection: &Inspection, seen: &Seen<'_>) -> Option<Class> {
        inspection.look(seen).map(|attack| attack.class)
    }

    #[test]
    fn every_part_of_a_head_is_looked_at() {
        let all = inspection("");
        let field = |name, value: &'static [u8]| [Header { name, value }];
        assert_eq!(class(&all, &seen("/a/../../etc", None, &[])), Some(Class::Traversal));
        assert_eq!(class(&all, &seen("/a", Some("b=1%20or%201=1"), &[])), Some(Class::Sql));
        for (name, value) in
            [("Referer", b"x' or 1=1 --".as_slice()), ("X-Own", b"1 or 1=1"), ("Cookie", b"a=1; b=1 or 1=1")]
        {
            assert_eq!(class(&all, &seen("/a", None, &field(name, value))), Some(Class::Sql), "{name}");
        }
        let agent = field("User-Agent", b"sqlmap/1.8 (https://sqlmap.org)");
        assert_eq!(class(&all, &seen("/a", None, &agent)), Some(Class::Scanner));
    }

    #[test]
    fn nothing_that_stands_before_it_hides_an_attack_in_a_head() {
        let all = inspection("mode = \"block\"");
        let union = "q=1 UNION SELECT password FROM users";
        for before in ["&", "a&", "a=%20&", "=&"] {
            let (some, many) = (before.repeat(600), before.repeat(2000));
            for before in [some, many] {
                let query = format!("{before}{union}");
                assert_eq!(class(&all, &seen("/", Some(&query), &[])), Some(Class::Sql));
                let fields = [Header { name: "X-Own", value: b"1 or 1=1" }];
                assert_eq!(class(&all, &seen("/", Some(&before), &fields)), Some(Class::Sql));
                let fields = [Header { name: "Cookie", value: b"a=1; b=1 or 1=1" }];
                assert_eq!(class(&all, &seen("/", Some(&before), &fields)), Some(Class::Sql));
            }
        }
        let cookies = format!("{}b=1 or 1=1", "a=(;".repeat(2000));
        let fields = [Header { name: "Cookie", value: cookies.as_bytes() }];
        assert_eq!(class(&all, &seen("/", None, &fields)), Some(Class::Sql));
    }

    #[test]
    fn a_body_with_more_than_is_looked_at_is_refused_unless_it_is_to_pass() {
        let found = |settings: &str, body: &str| {
            let fields = [Header { name: "Content-Type", value: b"application/json" }];
            let inspection = inspection(settings);
            let how = inspection.body("POST", "/", Fields::read(&fields), None).expect("it is looked at");
            assert!(how.bytes_max() > 40, "one that tells of more is asked for too");
            (how.look(body.as_bytes()), inspection.refuses_beyond())
        };
        let few = "bounds = { bytes-max = 40, values-max = 2 }\n";
        let block = format!("mode = \"block\"\n{few}");
        let (many, long) = (r#"["a b", "c d", "e f"]"#, r#"["plain"]                                   "#);
        assert_eq!(found(&block, many), (Some(Found::Beyond(Bound::Values)), true));
        assert_eq!(found(&block, long), (Some(Found::Beyond(Bound::Bytes)), true));
        assert_eq!(found(&block, r#"["a b", "c d", "plain", ""]"#), (None, true));
        assert!(matches!(found(&block, r#"["a b", "1 or 1=1", "e f"]"#).0, Some(Found::Attack(_))));
        for passes in [format!("{block}beyond = \"pass\""), few.to_owned()] {
            assert_eq!(found(&passes, many), (Some(Found::Beyond(Bound::Values)), false), "{passes}");
        }
        let problem = inspection(&block).beyond(Bound::Values);
        assert_eq!((problem.status(), problem.code()), (413, "edge/not-inspected"));
        assert!(problem.detail().contains("more than the 2 names and values"), "{}", problem.detail());
    }

    #[test]
    fn what_browsers_send_is_no_attack() {
        let all = inspection("");
        let fields = [
            ("Host", "example.org"),
            (
                "User-Agent",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
            ),
            ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"),
            ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
            ("Sec-CH-UA", "\"Chromium\";v=\"131\", \"Not_A Brand\";v=\"24\""),
            ("Referer", "https://example.org/search?q=o%27brien&page=2"),
            ("Cookie", "_ga=GA1.2.1234.5678; prefs={\"theme\":\"dark\"}; note=it's%20fine"),
            ("If-None-Match", "W/\"or 1=1\""),
            ("Authorization", "Bearer 1 or 1=1"),
        ];
        let fields = fields.map(|(name, value)| Header { name, value: value.as_bytes() });
        assert_eq!(class(&all, &seen("/search", Some("q=o%27brien&page=2"), &fields)), None);
    }

    #[test]
    fn exceptions_hold_on_their_routes_only() {
        let some = inspection(
            "exceptions = [{ routes = [\"/pages/*\"], classes = [\"script\"] }, \
             { routes = [\"GET /notes\"], names = [\"text\"] }, { routes = [\"/raw\"] }]",
        );
        let script = Some("text=<script>alert(1)</script>");
        let sql = Some("text=1+or+1%3D1");
        for (path, query, expected) in [
            ("/", script, Some(Class::Script)),
            ("/pages/7", script, None),
            ("/pages/7", sql, Some(Class::Sql)),
            ("/notes", sql, None),
            ("/notes", Some("other=1+or+1%3D1"), Some(Class::Sql)),
            ("/raw", sql, None),
        ] {
            assert_eq!(class(&some, &seen(path, query, &[])), expected, "{path} {query:?}");
        }
        let body = some.body("POST", "/raw", Fields::read(&[]), None);
        assert!(body.is_none(), "bodies of exempt routes are not even read");
    }

    #[test]
    fn what_passwords_are_called_is_private_everywhere_and_other_words_where_they_are_passwords() {
        let union = |name: &str| format!("{name}=1 UNION SELECT password FROM users");
        let mut config: InspectionConfig =
            toml::from_str("exceptions = [{ routes = [\"/own\"], names = [\"text\"] }]").expect("settings");
        let names = vec!["new".to_owned()];
        config.private_on.push(PrivateConfig { routes: vec!["GET /own".parse().expect("a route")], names });
        let inspection = Inspection::new(&config, None).expect("rules");
        for (path, name, expected) in [
            ("/", "newPassword", None),
            ("/", "new", Some(Class::Sql)),
            ("/", "current", Some(Class::Sql)),
            ("/", "proof", Some(Class::Sql)),
            ("/own", "New", None),
            ("/own", "text", None),
            ("/own", "password", None),
            ("/own", "current", Some(Class::Sql)),
        ] {
            assert_eq!(class(&inspection, &seen(path, Some(&union(name)), &[])), expected, "{path} {name}");
        }
    }

    #[test]
    fn nothing_is_looked_for_where_it_is_off() {
        let off = inspection("mode = \"off\"");
        assert_eq!(class(&off, &seen("/a", Some("b=1+or+1%3D1"), &[])), None);
        assert!(off.body("POST", "/a", Fields::read(&[]), None).is_none());
    }

    #[test]
    fn a_sender_of_many_attacks_is_kept_out_for_a_while() {
        let one = inspection("mode = \"block\"\nsenders = { attacks-max = 2 }");
        let (client, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let strikes = [client, client, client, other].map(|client| one.strike(client, 1));
        assert_eq!(strikes, [None, None, Some(Duration::from_secs(600)), None]);
    }

    #[test]
    fn rules_that_cannot_be_used_are_refused_with_their_file() {
        let config = toml::from_str("rules-file = \"/nowhere/rules.toml\"").expect("settings");
        let error = Inspection::new(&config, None).expect_err("there is no such file").to_string();
        assert!(error.contains("/nowhere/rules.toml"), "{error}");
    }
}
