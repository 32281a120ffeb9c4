//! Services elsewhere that sign what they ask (RFC 9421), with keys that the settings name.

use std::{
    cell::OnceCell,
    fs,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use authz::{Actor, Role, Signer};
use clock::Clock;
use http::{
    HeaderName,
    header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING},
};
use problem::Problem;
use serde::Deserialize;
use signatures::{
    Algorithm, KeyError, Malformed, Message, NotFresh, Policy, Replays, Signature, VerifyingKey,
};

use crate::{Admitted, Answer, Fields, Identify, Seen, instruments::Instruments};

const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// Signatures that are tagged for something else are passed over, and those that are tagged so go before others.
const TAG: &str = "holdfast";
/// Lines of a field that are looked at.
const LINES_MAX: usize = 8;
/// Services in one set of settings.
const SERVICES_MAX: usize = 1000;
/// Letters of a service's name.
const NAME_LENGTH_MAX: usize = 64;

/// Who may sign, and how fresh a signature must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SignaturesConfig {
    pub services: Vec<ServiceConfig>,
    /// How old a signature may be, in seconds; as long is it remembered, so that it counts once.
    pub age_s_max: NonZeroU32,
    /// How far the clocks of services may be before ours, in seconds.
    pub ahead_s_max: u32,
    /// Signatures remembered at once, some 100 bytes each; beyond them none counts until one is over.
    pub remembered_max: NonZeroUsize,
}

impl Default for SignaturesConfig {
    fn default() -> Self {
        Self {
            services: Vec::new(),
            age_s_max: NonZeroU32::new(60).expect("a positive constant"),
            ahead_s_max: 5,
            remembered_max: NonZeroUsize::new(1 << 20).expect("a positive constant"),
        }
    }
}

/// A service elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServiceConfig {
    /// By this the ledger knows it.
    pub name: String,
    /// By this its signatures name the key; its own name if absent. A service may stand here with two keys, while one
    /// replaces the other.
    #[serde(default)]
    pub key_id: Option<String>,
    pub algorithm: Algorithm,
    /// Its public key: PEM, or base64.
    #[serde(default)]
    pub key: Option<String>,
    /// A file that holds it; for a shared secret there is no other way.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// What it may do, as persons with these roles.
    #[serde(default)]
    pub roles: Vec<Role>,
}

/// Settings of services that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignersError {
    #[error("`{0}` is no name of a service: use up to {NAME_LENGTH_MAX} of a-z, 0-9 and -")]
    Name(String),
    #[error("the key of the service `{name}`: {error}")]
    Key { name: String, error: KeyError },
    #[error("the service `{0}` has one of `key` and `key-file`, and a shared secret stands in a file")]
    Place(String),
    #[error("cannot read the key file of the service `{name}`: {error}")]
    File { name: String, error: std::io::Error },
    #[error("two services have the key `{0}`")]
    Twice(String),
    #[error("there are more than {SERVICES_MAX} services")]
    TooMany,
}

/// The services, by the names of their keys.
#[derive(Debug)]
pub(crate) struct Signers {
    known: Vec<(String, VerifyingKey, Actor)>,
    policy: Policy,
}

impl Signers {
    pub(crate) fn new(config: &SignaturesConfig) -> Result<Self, SignersError> {
        if config.services.len() > SERVICES_MAX {
            return Err(SignersError::TooMany);
        }
        let mut known: Vec<(String, VerifyingKey, Actor)> = Vec::with_capacity(config.services.len());
        for service in &config.services {
            let (key_id, key) = service.key()?;
            if known.iter().any(|(other, ..)| *other == key_id) {
                return Err(SignersError::Twice(key_id));
            }
            let roles = service.roles.iter().copied().collect();
            known.push((key_id, key, Actor::signer(Signer { name: service.name.as_str().into(), roles })));
        }
        // They are searched by halves.
        known.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let policy =
            Policy { age_s_max: config.age_s_max.get().into(), ahead_s_max: config.ahead_s_max.into() };
        Ok(Self { known, policy })
    }

    /// The one of these that is for us. Proxies on the way may have added theirs, before it or behind (RFC 9421, section
    /// 4.3).
    fn ours<'s>(&self, signatures: &'s [Signature]) -> Option<&'s Signature> {
        let ours = signatures.iter().filter(|one| one.params.tag.as_deref().is_none_or(|tag| tag == TAG));
        let is_known =
            |one: &Signature| one.params.key_id.as_deref().is_some_and(|id| self.find(id).is_some());
        // Of those that are alike in this, the first.
        ours.min_by_key(|one| (one.params.tag.is_none(), !is_known(one)))
    }

    fn find(&self, key_id: &str) -> Option<(&VerifyingKey, &Actor)> {
        let at = self.known.binary_search_by(|(known, ..)| known.as_str().cmp(key_id)).ok()?;
        self.known.get(at).map(|(_, key, actor)| (key, actor))
    }
}

impl ServiceConfig {
    fn key(&self) -> Result<(String, VerifyingKey), SignersError> {
        let name = || self.name.clone();
        let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.name.is_empty() || self.name.len() > NAME_LENGTH_MAX || !self.name.bytes().all(fit) {
            return Err(SignersError::Name(name()));
        }
        let text = match (&self.key, &self.key_file) {
            (Some(key), None) if self.algorithm != Algorithm::HmacSha256 => key.clone(),
            (None, Some(file)) => {
                fs::read_to_string(file).map_err(|error| SignersError::File { name: name(), error })?
            }
            _ => return Err(SignersError::Place(name())),
        };
        let key = VerifyingKey::read(self.algorithm, &text);
        let key = key.map_err(|error| SignersError::Key { name: name(), error })?;
        Ok((self.key_id.clone().unwrap_or_else(name), key))
    }
}

/// What has been signed lately, whatever the settings were.
#[derive(Debug)]
pub(crate) struct Remembered(Mutex<Replays>);

impl Remembered {
    pub(crate) fn new(config: &SignaturesConfig) -> Self {
        Self(Mutex::new(Replays::new(config.remembered_max.get())))
    }

    fn take(&self, key_id: &str, nonce: &str, until: u64, now: u64) -> Result<(), NotFresh> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(key_id, nonce, until, now)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Who sent one request: found out when it is first asked for, and once.
pub(crate) struct Whose<'a> {
    pub(crate) identify: &'a Identify,
    pub(crate) signers: &'a Signers,
    pub(crate) remembered: &'a Remembered,
    pub(crate) instruments: &'a Instruments,
    pub(crate) clock: &'a Clock,
    pub(crate) found: OnceCell<Result<Actor, Problem>>,
}

impl Whose<'_> {
    /// Does it bring a signature that may be one of ours? A token has the first word.
    pub(crate) fn is_signed(&self, seen: &Seen<'_>) -> bool {
        !self.signers.known.is_empty()
            && seen.fields.get(&SIGNATURE_INPUT).is_some()
            && seen.fields.get(&AUTHORIZATION).is_none()
    }

    /// Who sent it.
    pub(crate) fn actor(&self, seen: &Seen<'_>) -> Result<Actor, Problem> {
        let find = || match self.is_signed(seen) {
            true => self.signer(seen),
            false => self.identify.actor(seen.fields),
        };
        self.found.get_or_init(find).clone()
    }

    /// The request, with its sender if it is signed; a signature that does not count is refused here.
    pub(crate) fn signed(&self, seen: &Seen<'_>, admitted: Admitted) -> Result<Admitted, Answer> {
        if !self.is_signed(seen) {
            return Ok(admitted);
        }
        let actor = self.actor(seen).map_err(|problem| Answer::refusing(&problem))?;
        Ok(Admitted { actor: Some(actor), ..admitted })
    }

    fn signer(&self, seen: &Seen<'_>) -> Result<Actor, Problem> {
        let (word, found) = match self.verified(seen) {
            Ok(Some(actor)) => ("accepted", Ok(actor)),
            Ok(None) => return self.identify.actor(seen.fields),
            Err(refusal) => (refusal.word(), Err(refusal.into())),
        };
        self.instruments.signed(word);
        found
    }

    /// Nobody if none of its signatures is for us.
    fn verified(&self, seen: &Seen<'_>) -> Result<Option<Actor>, Refusal> {
        let lines = |name| {
            let mut lines = seen.fields.last::<LINES_MAX>(name);
            lines.reverse();
            lines
        };
        let signatures = signatures::read(lines(&SIGNATURE_INPUT), lines(&SIGNATURE))?;
        let Some(signature) = self.signers.ours(&signatures) else { return Ok(None) };
        let now = self.clock.now().millis() / 1000;
        let required: &[&'static str] =
            if may_have_body(seen) { &["@method", "content-digest"] } else { &["@method"] };
        let counts = self.signers.policy.judge(signature, required, seen.query.is_some(), now)?;
        let (key, actor) = self.signers.find(counts.key_id).ok_or(Refusal::Wrong)?;
        let fields = |name: &str| values(seen.fields, name);
        let host = seen.host.and_then(|host| std::str::from_utf8(host).ok()).unwrap_or_default();
        let message = Message {
            method: seen.method,
            scheme: if seen.secure { "https" } else { "http" },
            authority: host,
            path: seen.path,
            query: seen.query,
            status: None,
            fields: &fields,
        };
        if !signature.is_by(key, &message).map_err(Malformed::from)? {
            return Err(Refusal::Wrong);
        }
        // Last, so that nobody but the key's holder uses up its nonces.
        self.remembered.take(counts.key_id, counts.nonce, counts.until, now)?;
        Ok(Some(actor.clone()))
    }
}

/// All values of the fields of a name in small letters.
fn values(fields: Fields<'_>, name: &str) -> Vec<Vec<u8>> {
    let found = fields.all().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_vec()).collect()
}

/// A body that is there must be signed too; the edge compares it with its digest.
fn may_have_body(seen: &Seen<'_>) -> bool {
    let said = |name: &HeaderName| seen.fields.get(name).is_some();
    let length = seen.fields.get(&CONTENT_LENGTH);
    let posts = matches!(seen.method, "POST" | "PUT" | "PATCH") && length != Some(b"0");
    posts || length.is_some_and(|length| length != b"0") || said(&TRANSFER_ENCODING) || said(&CONTENT_DIGEST)
}

/// Why a signature does not count.
enum Refusal {
    Malformed(Malformed),
    Policy(signatures::Refused),
    /// Nobody's key, or not its signature: which, strangers do not learn.
    Wrong,
    Seen,
    Full,
}

impl Refusal {
    const fn word(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Policy(refused) => refused.word(),
            Self::Wrong => "wrong",
            Self::Seen => "seen",
            Self::Full => "full",
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl From<signatures::Refused> for Refusal {
    fn from(refused: signatures::Refused) -> Self {
        Self::Policy(refused)
    }
}

impl From<NotFresh> for Refusal {
    fn from(error: NotFresh) -> Self {
        match error {
            NotFresh::Seen => Self::Seen,
            NotFresh::Full => Self::Full,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        const SCHEME: &str = "Signature";
        let reason = refusal.word();
        let refused = |detail: String| {
            Self::unauthorized("edge/signature-refused", detail, SCHEME).with("reason", reason)
        };
        match refusal {
            Refusal::Malformed(error) => {
                let detail = format!("the request is signed in a way that cannot be read: {error}");
                Self::bad_request("edge/malformed-signature", detail)
            }
            Refusal::Policy(why) => refused(format!("the signature does not count: {why}")),
            Refusal::Wrong => {
                refused("it is no signature of this request by a key that is known here".to_owned())
            }
            Refusal::Seen => {
                let detail = "this was asked before under the same nonce: sign each request anew";
                Self::unauthorized("edge/signature-replayed", detail, SCHEME)
            }
            Refusal::Full => {
                let detail = "too many signed requests came in a short time; nothing was done";
                Self::unavailable("edge/too-many-signatures", detail, std::time::Duration::from_secs(1))
            }
        }
    }
}
