//! The limits of a port: every rule that a request is counted in, decided together.

mod counted;
mod owing;

use std::{
    net::IpAddr,
    num::{NonZeroU32, NonZeroU64},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use arrayvec::ArrayVec;
use authz::{Actor, PersonKind};
use clock::Stopwatch;
use counted::Counted;
use limiter::{
    AdaptiveConfig, Algorithm, Leases, Limiter, Quota, QuotaConfig, QuotaError, Shared, TOGETHER_MAX, Taken,
    Verdict, WHOLE_PERMILLE,
};
use owing::Owed;
pub(crate) use owing::{Owing, Refused};
use serde::{Deserialize, Serialize};
use telemetry::instruments::{counter::Counter, gauge::Gauge};

use crate::{
    Admitted, Answer, IncidentKind, Incidents, Seen, Told,
    front::too_many,
    instruments::Instruments,
    rule::{Key, More, Part, RuleConfig, Share, kind, network_of},
    signers::Whose,
};

/// Rules in one set of settings.
const RULES_MAX: usize = 64;
/// Letters of a rule's name.
const NAME_LENGTH_MAX: usize = 64;

/// How much may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitsConfig {
    /// Every rule, instead of those that hold by default. A request is counted in all that it falls under, and
    /// passes if all let it pass.
    pub rules: Vec<RuleConfig>,
    /// Callers that each rule can tell apart at once, at 16 bytes each, and of a shared rule some 200 while they come;
    /// newcomers beyond them share one quota.
    pub keys_max: NonZeroU32,
    /// About how many nodes share what is shared.
    pub nodes: NonZeroU32,
    pub adaptive: AdaptiveConfig,
}

/// Settings of limits that cannot be held to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    #[error("the limit `{rule}`: {error}")]
    Quota { rule: String, error: QuotaError },
    #[error("two limits are called `{0}`")]
    Twice(String),
    #[error("`{0}` is no name of a limit: use up to {NAME_LENGTH_MAX} of a-z, 0-9 and -")]
    Name(String),
    #[error("the limit `{0}` is `by` nothing")]
    ByNothing(String),
    #[error("the limit `{0}` is shared by nodes: it can be neither spaced evenly nor larger for some")]
    Shared(String),
    #[error(
        "the limit `{0}` is shared by nodes: its `burst` must be what comes in an eighth of a second or more"
    )]
    Burst(String),
    #[error("there are more than {RULES_MAX} limits")]
    TooMany,
}

/// How a rule stands, for operators.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleState {
    pub name: String,
    pub by: Vec<Part>,
    /// As it is given at present.
    pub limit: u32,
    pub window_ms: u64,
    /// Requests beyond it, since the start.
    pub refused: u64,
    /// Decisions about newcomers that shared one place.
    pub crowded: u64,
    pub bytes: usize,
}

/// The rules in force. They are locked in their order, which is that of their addresses in memory: two sets of which
/// one replaces the other lock those they share in the same order.
#[derive(Debug)]
pub(crate) struct Limits {
    rules: Vec<Arc<Rule>>,
    adaptive: AdaptiveConfig,
    given_permille: AtomicU32,
    keys_max: NonZeroU32,
    nodes: NonZeroU32,
}

#[derive(Debug)]
struct Rule {
    config: RuleConfig,
    /// Of this node: all there is, or what is gone by while nobody can be asked.
    limiter: Arc<Limiter>,
    /// Of all nodes.
    leases: Option<Arc<Leases>>,
    /// All of it, of all nodes.
    quota: Quota,
    more: Vec<(PersonKind, Arc<Limiter>)>,
    refused: Counter,
    crowded: Gauge,
    incidents: Incidents,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            rules: original(),
            keys_max: NonZeroU32::new(1 << 20).expect("a positive constant"),
            nodes: NonZeroU32::new(7).expect("a positive constant"),
            adaptive: AdaptiveConfig::default(),
        }
    }
}

/// The limits of the guides that this server answers.
fn original() -> Vec<RuleConfig> {
    let rule = |name: &str, route: Option<&str>, by: &[Part], limit: u32, window_ms: u64| RuleConfig {
        name: name.to_owned(),
        routes: route.map(|route| route.parse().expect("a route")).into_iter().collect(),
        by: by.to_vec(),
        kinds: Vec::new(),
        quota: QuotaConfig {
            algorithm: Algorithm::SlidingWindow,
            limit: NonZeroU32::new(limit).expect("a positive constant"),
            window_ms: NonZeroU64::new(window_ms).expect("a positive constant"),
            burst: None,
            block_ms: None,
        },
        more: Vec::new(),
        share: Share::Node,
        announced: true,
        adapts: true,
    };
    let minute = 60_000;
    let address = &[Part::Address];
    let mut flood = rule("address", None, address, 1000, 1000);
    flood.quota.algorithm = Algorithm::FixedWindow;
    flood.quota.block_ms = NonZeroU64::new(minute);
    flood.more = vec![More { kind: PersonKind::Government, times: NonZeroU32::new(10).expect("ten") }];
    flood.announced = false;
    let voter = &["header:x-voter-key".parse().expect("a field"), Part::Address];
    vec![
        flood,
        rule("ballots", Some("POST /api/v1/voting/submit"), voter, 10, minute),
        // A key costs nothing: a household, an office or a carrier's customers vote from one address, nobody fills a board.
        rule("ballots-by-address", Some("POST /api/v1/voting/submit"), address, 600, minute),
        rule("voting-tokens", Some("POST /api/v1/voting/token"), &[Part::Person], 5, minute),
        rule("elections", Some("GET /api/v1/elections/*"), address, 100, minute),
        rule("pages", Some("GET /elections/*"), address, 100, minute),
        rule("public-reads", Some("GET /api/v1/public/*"), address, 1000, minute),
    ]
}

impl Limits {
    /// By these settings. Rules that `before` had alike keep what was used of them.
    pub(crate) fn new(
        config: &LimitsConfig,
        before: Option<&Self>,
        making: &Making<'_>,
    ) -> Result<Self, LimitsError> {
        if config.rules.len() > RULES_MAX {
            return Err(LimitsError::TooMany);
        }
        let given_permille = before.map_or(WHOLE_PERMILLE, Self::given_permille);
        let mut rules: Vec<Arc<Rule>> = Vec::new();
        for rule in &config.rules {
            check(rule)?;
            if rules.iter().any(|other| other.config.name == rule.name) {
                return Err(LimitsError::Twice(rule.name.clone()));
            }
            let alike = |before: &&Self| (before.keys_max, before.nodes) == (config.keys_max, config.nodes);
            let same = before.filter(alike);
            let same =
                same.and_then(|before| before.rules.iter().find(|other| other.config.counts_alike(rule)));
            rules.push(Arc::new(Rule::new(rule, same.map(|same| &**same), config, making)?));
        }
        rules.sort_by_key(|rule| Arc::as_ptr(&rule.limiter));
        let this = Self {
            rules,
            adaptive: config.adaptive,
            given_permille: AtomicU32::new(given_permille),
            keys_max: config.keys_max,
            nodes: config.nodes,
        };
        this.give(given_permille);
        Ok(this)
    }

    pub(crate) fn given_permille(&self) -> u32 {
        self.given_permille.load(Relaxed)
    }

    /// Gives as much of the limits as the machine bears; tells how much, in thousandths.
    pub(crate) fn adapt(&self, cpu: f64, jobs_waiting: u64) -> u32 {
        let given = self.adaptive.next(self.given_permille(), cpu, jobs_waiting);
        self.give(given);
        for rule in &self.rules {
            rule.crowded.set(i64::try_from(rule.limiter.crowded()).unwrap_or(i64::MAX));
            rule.leases.iter().for_each(|leases| leases.sweep());
        }
        given
    }

    fn give(&self, permille: u32) {
        self.given_permille.store(permille, Relaxed);
        for rule in self.rules.iter().filter(|rule| rule.config.shrinks()) {
            rule.limiter.scale(permille);
            rule.more.iter().for_each(|(_, limiter)| limiter.scale(permille));
        }
    }

    pub(crate) fn state(&self) -> Vec<RuleState> {
        let mut states: Vec<RuleState> = self.rules.iter().map(|rule| rule.state()).collect();
        states.sort_by(|one, other| one.name.cmp(&other.name));
        states
    }

    /// May this request go on?
    pub(crate) fn look(
        &self,
        seen: &Seen<'_>,
        client: Option<IpAddr>,
        whose: &Whose<'_>,
        preflight: bool,
        now: u64,
    ) -> Result<Admitted, Answer> {
        let mut admitted = Admitted { client, ..Admitted::default() };
        if self.rules.is_empty() {
            return Ok(admitted);
        }
        let mut shared: ArrayVec<(&Arc<Rule>, usize), TOGETHER_MAX> = ArrayVec::new();
        let mut counted: ArrayVec<Counted<'_>, TOGETHER_MAX> = ArrayVec::new();
        for rule in &self.rules {
            let Some(route) = rule.config.route(seen.method, seen.path) else { continue };
            // What a browser asks before it asks is no use of the route. And whoever writes more rules than that for one
            // route is held to the first of them.
            if (preflight && !rule.config.routes.is_empty()) || shared.len() + counted.len() == TOGETHER_MAX {
                continue;
            }
            if rule.config.asks_who() && admitted.actor.is_none() {
                // Nobody if they cannot prove it, which they are told later.
                admitted.actor = whose.actor(seen).ok();
            }
            let key = rule.key(seen, &admitted, route);
            if !key.is_whole() || !rule.config.counts(admitted.actor.as_ref()) {
                continue;
            }
            if rule.leases.is_some() {
                shared.push((rule, route));
            } else {
                counted.push(Counted { rule, limiter: &rule.limiter, ticket: rule.limiter.ticket(&key) });
            }
        }
        let decisions = counted::decide(
            &mut counted,
            |rule, limiter| {
                if !rule.more.is_empty() && admitted.actor.is_none() {
                    admitted.actor = whose.actor(seen).ok();
                }
                rule.larger(limiter, admitted.actor.as_ref()?)
            },
            now,
        );
        let mut told = Told::default();
        let mut refused = None;
        for (Counted { rule, limiter, .. }, decision) in counted.iter().zip(&decisions) {
            if rule.config.announced {
                told.add(&rule.config.name, limiter.quota(), decision);
            }
            match decision.verdict {
                Verdict::Pass => {}
                Verdict::PassAfter(turn) => admitted.wait = admitted.wait.max(turn),
                Verdict::Refuse { retry_after } => {
                    refused = refused.max(Some(rule.refuse(retry_after)));
                    rule.tell(client);
                }
            }
        }
        // What is shared is taken last: what is refused here must cost the fleet nothing.
        let taken = refused.map_or_else(
            || {
                let shared = shared.iter().map(|(rule, route)| {
                    let key = rule.key(seen, &admitted, *route).everywhere();
                    Owed { rule: Arc::clone(rule), key }
                });
                take_shared(shared, &counted, client, now)
            },
            Err,
        );
        admitted.owing = taken.map_err(|retry_after| too_many(retry_after, &told))?;
        admitted.told = (!told.is_empty()).then_some(told);
        Ok(admitted)
    }
}

/// Takes what all nodes share of what this one has leased; tells what has to be asked of others, or for how long nothing
/// will pass. Then what was counted here is given back.
fn take_shared(
    shared: impl Iterator<Item = Owed>,
    counted: &[Counted<'_>],
    client: Option<IpAddr>,
    now: u64,
) -> Result<Option<Arc<Owing>>, Duration> {
    let mut owing: Option<Owing> = None;
    for owed in shared {
        match owed.take_at_once(now) {
            Some(Taken::Passed) => {}
            Some(Taken::Refused { retry_after }) => {
                counted.iter().for_each(|counted| counted.give_back(now));
                owed.rule.tell(client);
                return Err(owed.rule.refuse(retry_after));
            }
            Some(Taken::Away | Taken::Crowded { .. }) | None => owing.get_or_insert_default().owed.push(owed),
        }
    }
    Ok(owing.map(|owing| {
        let booked = counted.iter().map(|counted| counted.booked(now)).collect();
        Arc::new(Owing { booked, client, ..owing })
    }))
}

/// What rules are made with.
pub(crate) struct Making<'a> {
    pub(crate) instruments: &'a Instruments,
    pub(crate) incidents: &'a Incidents,
    pub(crate) shared: Option<&'a Shared>,
    pub(crate) since_start: &'a Stopwatch,
}

fn check(rule: &RuleConfig) -> Result<(), LimitsError> {
    let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if rule.name.is_empty() || rule.name.len() > NAME_LENGTH_MAX || !rule.name.bytes().all(fit) {
        return Err(LimitsError::Name(rule.name.clone()));
    }
    let spaced = rule.quota.algorithm == Algorithm::EvenSpacing;
    if rule.share != Share::Node && (spaced || !rule.more.is_empty()) {
        return Err(LimitsError::Shared(rule.name.clone()));
    }
    if rule.share != Share::Node && !rule.quota.can_be_leased() {
        return Err(LimitsError::Burst(rule.name.clone()));
    }
    if rule.by.is_empty() {
        return Err(LimitsError::ByNothing(rule.name.clone()));
    }
    Ok(())
}

impl Rule {
    fn new(
        config: &RuleConfig,
        same: Option<&Self>,
        all: &LimitsConfig,
        making: &Making<'_>,
    ) -> Result<Self, LimitsError> {
        let keys_max = usize::try_from(all.keys_max.get()).unwrap_or(usize::MAX);
        let limiter = |limit: NonZeroU32| {
            let quota = QuotaConfig { limit, ..config.quota }.quota();
            let failed = |error| LimitsError::Quota { rule: config.name.clone(), error };
            Ok(Arc::new(Limiter::new(quota.map_err(failed)?, keys_max)))
        };
        let (own, more) = match same {
            Some(same) => (same.limiter.clone(), same.more.clone()),
            None => {
                let limit = config.quota.limit;
                let more = config.more.iter().map(|more| {
                    let larger = limit.saturating_mul(more.times);
                    Ok((more.kind, limiter(larger)?))
                });
                let more = more.collect::<Result<_, LimitsError>>()?;
                // Where nobody can be asked, a strict limit leaves each node its part.
                let part = NonZeroU32::new(limit.get() / all.nodes).unwrap_or(NonZeroU32::MIN);
                (limiter(if config.share == Share::Strict { part } else { limit })?, more)
            }
        };
        let leases = match (same, config.share) {
            (Some(same), _) => same.leases.clone(),
            (None, Share::Node) => None,
            (None, Share::Fleet | Share::Strict) => making.shared.map(|shared| {
                let since_start = making.since_start.clone();
                let leases =
                    Leases::new(&config.name, shared.clone(), all.nodes.get(), since_start, keys_max);
                Arc::new(leases)
            }),
        };
        let quota =
            config.quota.quota().map_err(|error| LimitsError::Quota { rule: config.name.clone(), error })?;
        Ok(Self {
            config: config.clone(),
            limiter: own,
            leases,
            quota,
            more,
            refused: making.instruments.refused(&config.name),
            crowded: making.instruments.crowded(&config.name),
            incidents: making.incidents.clone(),
        })
    }

    fn key<'a>(&'a self, seen: &'a Seen<'_>, admitted: &'a Admitted, route: usize) -> Key<'a> {
        let (client, actor) = (admitted.client, admitted.actor.as_ref());
        Key { by: &self.config.by, seen, client, actor, route }
    }

    /// Where this person is counted beyond `limiter`, if they have more.
    fn larger(&self, limiter: &Arc<Limiter>, actor: &Actor) -> Option<Counted<'_>> {
        let (_, larger) = self.more.iter().find(|(kind_of, _)| Some(*kind_of) == kind(actor))?;
        let ticket = larger.ticket(&(actor.by().person(), actor.by().signer()));
        (!Arc::ptr_eq(larger, limiter)).then_some(Counted { rule: self, limiter: larger, ticket })
    }

    /// All of it as it is given at present.
    fn quota_now(&self) -> Quota {
        self.limiter.given_of(self.quota)
    }

    /// Operators hear of networks that a limit blocks, and not of everybody who is told to wait a little.
    fn tell(&self, client: Option<IpAddr>) {
        if self.config.quota.block_ms.is_some() {
            let network = client.map(network_of);
            self.incidents.count(IncidentKind::LimitBlocked, network, &self.config.name);
        }
    }

    /// Counts a refusal.
    fn refuse(&self, retry_after: Duration) -> Duration {
        self.refused.inc();
        retry_after
    }

    fn state(&self) -> RuleState {
        let quota = self.limiter.quota();
        RuleState {
            name: self.config.name.clone(),
            by: self.config.by.clone(),
            limit: quota.limit(),
            window_ms: u64::try_from(quota.window().as_millis()).unwrap_or(u64::MAX),
            refused: self.refused.get(),
            crowded: self.limiter.crowded(),
            bytes: self.limiter.bytes()
                + self.more.iter().map(|(_, limiter)| limiter.bytes()).sum::<usize>()
                + self.leases.as_ref().map_or(0, |leases| leases.bytes()),
        }
    }
}

#[cfg(test)]
mod tests;
