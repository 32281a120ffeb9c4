//! While an attack lasts, whoever is not known proves that their browser works: by some hundred thousand hashes, or,
//! without scripts, by patience.
//!
//! Nothing is kept of anybody. Puzzles and passes are signed, short-lived, and bound to the address and the browser they
//! were made for. It is a tax and no wall: whoever pays passes.

mod page;

use std::{
    net::IpAddr,
    num::{NonZeroU32, NonZeroU64},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clock::Clock;
use http::{
    HeaderValue, StatusCode,
    header::{ACCEPT, RETRY_AFTER, SET_COOKIE, USER_AGENT},
};
use limiter::{Algorithm, Limiter, QuotaConfig, Verdict};
use problem::Problem;
use serde::{Deserialize, Deserializer, de};
use sha2::{Digest, Sha256};

use crate::{Answer, AttackMode, FloodsConfig, Seen, cookies::values, household, rule::Route};

/// Where the front answers itself.
const OWN: &str = "/.holdfast/";
const SOLVE: &str = "/.holdfast/challenge";
/// What a pass is kept as, without and with encryption: browsers take the second from nobody but us.
const PASS: &str = "holdfast-pass";
const SECURE_PASS: &str = "__Host-holdfast-pass";

/// Bytes of what is signed: what it is, from when and until when it holds.
const BODY_BYTES: usize = 17;
const TAG_BYTES: usize = 16;

/// How long a puzzle may be worked at, in milliseconds.
const PUZZLE_MS: u64 = 300_000;

/// How many addresses can be told apart that have no scripts.
const PATIENT_MAX: usize = 1 << 16;

/// How long a number in a solution may be.
const NONCE_DIGITS_MAX: usize = 10;

/// What must be done to pass, and for how long it is good.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AttackConfig {
    pub mode: AttackMode,
    /// A solution takes about two to this power hashes: 18 are half a second of a phone. At most 32: beyond it nobody
    /// would pass.
    #[serde(deserialize_with = "bits")]
    pub bits: NonZeroU32,
    /// How long a pass is good, in seconds.
    pub pass_s: NonZeroU32,
    /// How long whoever has no scripts waits, in milliseconds.
    pub patience_ms: NonZeroU32,
    /// So many may be patient at one address in a minute.
    pub patience_per_minute: NonZeroU32,
    /// Routes that ask nothing of anybody.
    pub exempt: Vec<Route>,
    /// Who is kept out because their connections had to be ended; whether or not an attack lasts.
    pub floods: FloodsConfig,
}

impl Default for AttackConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        let exempt = ["/health", "/ready", "/openapi.json", "/.well-known/*", "/problems/*", "/ledger/*"];
        Self {
            mode: AttackMode::Auto,
            bits: positive(18),
            pass_s: positive(1800),
            patience_ms: positive(10_000),
            patience_per_minute: positive(10),
            exempt: exempt.map(|route| route.parse().expect("a route")).into(),
            floods: FloodsConfig::default(),
        }
    }
}

/// Bits that a puzzle may ask for: more take the fastest machine minutes, and a phone hours.
const BITS_MAX: u32 = 32;

fn bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NonZeroU32, D::Error> {
    let bits = NonZeroU32::deserialize(deserializer)?;
    let solvable = bits.get() <= BITS_MAX;
    solvable.then_some(bits).ok_or_else(|| {
        de::Error::custom(format!("bits = {bits} is a puzzle that nobody solves: use at most {BITS_MAX}"))
    })
}

/// Makes and checks puzzles and passes.
pub(crate) struct Challenges {
    key: [u8; 32],
    clock: Clock,
}

impl AttackConfig {
    /// How many may be patient at one address.
    pub(crate) fn patient(&self) -> Limiter {
        let quota = QuotaConfig {
            algorithm: Algorithm::SlidingWindow,
            limit: self.patience_per_minute.min(NonZeroU32::new(1 << 19).expect("a positive constant")),
            window_ms: NonZeroU64::new(60_000).expect("a positive constant"),
            burst: None,
            block_ms: None,
        };
        Limiter::new(quota.quota().expect("a limit within its range"), PATIENT_MAX)
    }
}

/// What is asked of somebody, as it is written on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Puzzle {
    seed: String,
    bits: u32,
    /// Without scripts: how long to wait, in seconds, if one may.
    patience_s: Option<u64>,
}

/// What a signed value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Puzzle = 1,
    Pass = 2,
}

/// Whom a signed value is made for.
#[derive(Debug, Clone, Copy)]
struct Whom<'a> {
    client: Option<IpAddr>,
    browser: &'a [u8],
}

impl Challenges {
    /// That sign with this key, which is the same on all nodes.
    pub(crate) const fn new(key: [u8; 32], clock: Clock) -> Self {
        Self { key, clock }
    }

    /// What is answered at once: a page of our own, or that something must be proven first. Nothing for whoever has a
    /// pass.
    pub(crate) fn answer(
        &self,
        config: &AttackConfig,
        seen: &Seen<'_>,
        client: Option<IpAddr>,
        patient: &Limiter,
        now: u64,
    ) -> Option<Answer> {
        if config.exempt.iter().any(|route| route.matches(seen.method, seen.path)) {
            return None;
        }
        let whom = Whom { client, browser: seen.fields.get(&USER_AGENT).unwrap_or_default() };
        let at = self.clock.now().millis();
        let passes = || {
            let values = values(seen.fields, pass_name(seen.secure));
            values.filter_map(|pass| self.open(Kind::Pass, whom, pass)).filter(|(_, until)| at < *until)
        };
        if passes().any(|(from, _)| from <= at) {
            return None;
        }
        // Whoever waits already goes on waiting, and does not begin again.
        if let Some((from, _)) = passes().next() {
            return Some(self.ask(config, seen, whom, (from - at).div_ceil(1000), None));
        }
        let decision = patient.decide(&client.map(household), 1, now);
        let may_wait = decision.verdict == Verdict::Pass;
        let patience = u64::from(config.patience_ms.get());
        let from = at + patience;
        let pass = may_wait.then(|| self.sign(Kind::Pass, whom, from, from + life_ms(config)));
        Some(self.ask(config, seen, whom, if may_wait { patience.div_ceil(1000) } else { 0 }, pass))
    }

    /// Files of the page, and the check of solutions: whether or not there is an attack.
    pub(crate) fn own(
        &self,
        config: &AttackConfig,
        seen: &Seen<'_>,
        client: Option<IpAddr>,
    ) -> Option<Answer> {
        let name = seen.path.strip_prefix(OWN)?;
        if let Some(file) = page::file(name) {
            return Some(file);
        }
        if seen.path != SOLVE {
            return None;
        }
        let whom = Whom { client, browser: seen.fields.get(&USER_AGENT).unwrap_or_default() };
        let solved = seen.query.and_then(|query| self.solved(config, whom, query));
        Some(match solved {
            Some(()) => {
                let at = self.clock.now().millis();
                let pass = self.sign(Kind::Pass, whom, at, at + life_ms(config));
                let done = Answer::json(b"{\"passed\":true}".as_slice()).not_stored();
                done.with_field(SET_COOKIE, set_cookie(&pass, config, seen.secure))
            }
            None => {
                let detail = "this does not solve a puzzle of yours; ask for a page again, and solve the one it comes with";
                Answer::refusing(&Problem::forbidden("edge/not-solved", detail))
            }
        })
    }

    fn ask(
        &self,
        config: &AttackConfig,
        seen: &Seen<'_>,
        whom: Whom<'_>,
        patience_s: u64,
        pass: Option<String>,
    ) -> Answer {
        let at = self.clock.now().millis();
        let seed = self.sign(Kind::Puzzle, whom, at, at + PUZZLE_MS);
        let patience_s = (patience_s > 0).then_some(patience_s);
        let puzzle = Puzzle { seed, bits: config.bits.get(), patience_s };
        let reads_pages = seen
            .fields
            .get(&ACCEPT)
            .is_some_and(|accept| accept.windows(9).any(|part| part.eq_ignore_ascii_case(b"text/html")));
        let answer = if reads_pages {
            page::page(&puzzle, seen.method == "GET")
        } else {
            let detail = "the service is under attack: send a valid token, or find a number so that the SHA-256 of seed, a \
                colon and the number in decimal begins with so many zero bits, GET \
                /.holdfast/challenge?seed=SEED&nonce=NUMBER, and send the cookie that it sets";
            let problem = Problem::unavailable("edge/prove-work", detail, std::time::Duration::from_secs(1));
            Answer::refusing(&problem.with("seed", puzzle.seed.clone()).with("bits", puzzle.bits))
        };
        let answer = answer.with_status(StatusCode::SERVICE_UNAVAILABLE).not_stored();
        let answer = answer.with_field(RETRY_AFTER, puzzle.patience_s.unwrap_or(1).into());
        match pass {
            Some(pass) => answer.with_field(SET_COOKIE, set_cookie(&pass, config, seen.secure)),
            None => answer,
        }
    }

    /// Is this the solution of a puzzle that was made for them?
    fn solved(&self, config: &AttackConfig, whom: Whom<'_>, query: &str) -> Option<()> {
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
                .map(|(_, value)| value)
        };
        let (seed, nonce) = (value("seed")?, value("nonce")?);
        let (from, until) = self.open(Kind::Puzzle, whom, seed)?;
        let digits =
            (1..=NONCE_DIGITS_MAX).contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_digit());
        let in_time = (from..until).contains(&self.clock.now().millis());
        (digits && in_time && zero_bits(seed, nonce) >= config.bits.get()).then_some(())
    }

    fn sign(&self, kind: Kind, whom: Whom<'_>, from: u64, until: u64) -> String {
        let mut bytes = [0; BODY_BYTES + TAG_BYTES];
        bytes[0] = kind as u8;
        bytes[1..9].copy_from_slice(&from.to_be_bytes());
        bytes[9..17].copy_from_slice(&until.to_be_bytes());
        let tag = self.tag(&bytes[..BODY_BYTES], whom);
        bytes[BODY_BYTES..].copy_from_slice(&tag);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// From when and until when a value holds, if it is one of ours, of this kind, and theirs.
    fn open(&self, kind: Kind, whom: Whom<'_>, text: impl AsRef<[u8]>) -> Option<(u64, u64)> {
        let mut bytes = [0; BODY_BYTES + TAG_BYTES];
        let read = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (body, tag) = bytes.split_at(BODY_BYTES);
        // Hashes are compared in constant time.
        let given = blake3::Hash::from_bytes(widened(tag));
        let ours = blake3::Hash::from_bytes(widened(&self.tag(body, whom)));
        if read != bytes.len() || given != ours || body[0] != kind as u8 {
            return None;
        }
        let number = |range: std::ops::Range<usize>| body[range].try_into().ok().map(u64::from_be_bytes);
        Some((number(1..9)?, number(9..17)?))
    }

    fn tag(&self, body: &[u8], whom: Whom<'_>) -> [u8; TAG_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(body);
        // Of fixed width, and the last of any width: no two look alike.
        hasher.update(&whom.client.map_or(0, household).to_be_bytes()).update(whom.browser);
        let hash = hasher.finalize();
        hash.as_bytes().first_chunk().copied().unwrap_or_default()
    }
}

fn widened(tag: &[u8]) -> [u8; 32] {
    let mut wide = [0; 32];
    wide[..TAG_BYTES].copy_from_slice(tag);
    wide
}

fn life_ms(config: &AttackConfig) -> u64 {
    u64::from(config.pass_s.get()) * 1000
}

/// With how many zero bits the hash begins.
fn zero_bits(seed: &str, nonce: &str) -> u32 {
    let hash = Sha256::new().chain_update(seed).chain_update(":").chain_update(nonce).finalize();
    let whole = hash.iter().take_while(|byte| **byte == 0).count();
    let rest = hash.get(whole).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(whole).unwrap_or_default() * 8 + rest
}

const fn pass_name(secure: bool) -> &'static str {
    if secure { SECURE_PASS } else { PASS }
}

fn set_cookie(pass: &str, config: &AttackConfig, secure: bool) -> HeaderValue {
    let life = u64::from(config.pass_s.get()) + u64::from(config.patience_ms.get()).div_ceil(1000);
    let name = pass_name(secure);
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={pass}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
