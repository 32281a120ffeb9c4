//! What is decided about a request from its head alone, before anything waits or is done for it: whom it comes from,
//! whether that network is let in, and whether the limits leave room for it.
//!
//! It holds for direct routes and for all others, and its settings can be replaced while requests pass.

mod asker;
mod blocking;
mod known;

use std::{
    cell::OnceCell,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
pub use asker::Asker;
use authz::Actor;
use clock::{Clock, Stopwatch};
use http::{HeaderName, HeaderValue, header};
pub use known::FrontKnown;
use limiter::{Limiter, QuotaError, Shared};
use problem::Problem;
use serde::{Deserialize, Serialize};
use telemetry::Metrics;

use crate::{
    Answer, AttackConfig, AttackMode, Block, ClientsConfig, Cors, Fields, Headers, Identify, Incident,
    IncidentKind, Incidents, LimitsConfig, LimitsError, NetworksConfig, Rooms, RuleState, SignaturesConfig,
    SignersError, Told,
    alarm::Alarm,
    blocks::Blocks,
    challenge::Challenges,
    floods::Floods,
    inspection::{
        BodyInspection, Found, Inspection, InspectionConfig, InspectionError, InspectionState, Teller,
    },
    instruments::Instruments,
    limits::{Limits, Making, Owing, Refused},
    networks::{Networks, Standing},
    rooms::Arrival,
    shared_blocks::SharedBlocks,
    signers::{Remembered, Signers, Whose},
    turned_away::TurnedAwayCount,
};

/// How a proxy was spoken to.
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Everything the front goes by; all of it can be replaced while it is served.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FrontConfig {
    pub clients: ClientsConfig,
    pub networks: NetworksConfig,
    pub limits: LimitsConfig,
    pub attack: AttackConfig,
    pub headers: Headers,
    pub cors: Cors,
    pub inspection: InspectionConfig,
    pub signatures: SignaturesConfig,
}

/// Settings that cannot be held to.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    #[error(transparent)]
    Limits(#[from] LimitsError),
    #[error(transparent)]
    Inspection(#[from] InspectionError),
    #[error(transparent)]
    Signers(#[from] SignersError),
    #[error("flooded connections cannot be counted: {0}")]
    Floods(#[from] QuotaError),
}

/// What of a request is seen before anything is done for it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    /// The host that was asked for.
    pub host: Option<&'a [u8]>,
    pub fields: Fields<'a>,
    /// Who is at the other end of the connection.
    pub peer: Option<IpAddr>,
    /// Did it come encrypted?
    pub secure: bool,
}

/// A request that may go on.
#[derive(Debug, Clone, Default)]
pub struct Admitted {
    /// For whom it was sent: behind proxies that are trusted, the address that they name.
    pub client: Option<IpAddr>,
    /// Who sent it, if that had to be found out.
    pub actor: Option<Actor>,
    /// What its sender is told of the limits.
    pub told: Option<Told>,
    /// How long until its turn comes.
    pub(crate) wait: Duration,
    /// What has to be asked of others before it may go on.
    pub(crate) owing: Option<Arc<Owing>>,
    /// The room before which a number has to be drawn.
    pub(crate) arrival: Option<Arc<Arrival>>,
}

impl Admitted {
    /// Is nothing to be waited for?
    pub const fn is_settled(&self) -> bool {
        self.wait.is_zero() && self.owing.is_none() && self.arrival.is_none()
    }

    /// What is to be waited for, if anything is.
    #[must_use]
    pub fn turn(&mut self) -> Option<Turn> {
        let turn = (!self.is_settled()).then(|| Turn {
            wait: self.wait,
            owing: self.owing.take(),
            arrival: self.arrival.take(),
        });
        self.wait = Duration::ZERO;
        turn
    }
}

/// What is to be waited for before a request may go on.
#[derive(Debug, Clone)]
pub struct Turn {
    wait: Duration,
    owing: Option<Arc<Owing>>,
    arrival: Option<Arc<Arrival>>,
}

/// Why a request's turn does not come.
#[derive(Debug)]
pub enum TurnedAway {
    /// It is beyond a limit.
    Limited(Problem),
    /// Its sender waits, or there is nothing to wait for.
    Waits(Box<Answer>),
}

/// The front of a port. Clones share it; ports that share one share its limits.
#[derive(Clone)]
pub struct Front(Arc<Inner>);

struct Inner {
    table: ArcSwap<Table>,
    blocks: Blocks,
    since_start: Stopwatch,
    shared: Option<Shared>,
    challenges: Challenges,
    siege: Siege,
    instruments: Instruments,
    clock: Clock,
    teller: Teller,
    remembered: Remembered,
    incidents: Incidents,
    shared_blocks: SharedBlocks,
    rooms: OnceLock<Rooms>,
}

/// How it is found out whether this is an attack.
struct Siege {
    /// Is it?
    lasts: AtomicBool,
    turned_away: TurnedAwayCount,
    watch: Mutex<Watch>,
}

#[derive(Default)]
struct Watch {
    alarm: Alarm,
    /// What an operator said; the settings count if nobody did.
    by_hand: Option<AttackMode>,
    /// How many had come when it was last looked.
    came: u64,
}

/// What is replaced when the settings are.
struct Table {
    clients: ClientsConfig,
    networks: Networks,
    limits: Limits,
    attack: AttackConfig,
    headers: Headers,
    cors: Cors,
    inspection: Arc<Inspection>,
    signers: Signers,
    /// Those who prove themselves by waiting.
    patient: Limiter,
    floods: Floods,
}

/// How the front stands, for operators.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontState {
    /// How much of each limit is given at present, in thousandths.
    pub given_permille: u32,
    /// How busy the processors were over the last second, whoever keeps them so, in thousandths.
    pub processors_busy_permille: i64,
    pub rules: Vec<RuleState>,
    pub attack: AttackState,
    pub inspection: InspectionState,
    pub blocks: Vec<Block>,
}

/// Is this an attack, and who says so?
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AttackState {
    pub mode: AttackMode,
    pub lasts: bool,
}

impl Front {
    /// By these settings. What nodes share they count in `shared`; without it each counts for itself. Puzzles and passes
    /// are signed with `key`, which is the same on all nodes.
    ///
    /// # Errors
    /// When they say what cannot be held to.
    pub fn new(
        config: &FrontConfig,
        clock: &Clock,
        metrics: &Metrics,
        shared: Option<Shared>,
        key: [u8; 32],
    ) -> Result<Self, FrontError> {
        let instruments = Instruments::register(metrics);
        let since_start = clock.stopwatch();
        let incidents = Incidents::new(clock.clone());
        let making = Making {
            instruments: &instruments,
            incidents: &incidents,
            shared: shared.as_ref(),
            since_start: &since_start,
        };
        let limits = Limits::new(&config.limits, None, &making)?;
        let challenges = Challenges::new(key, clock.clone());
        let inspection = Inspection::new(&config.inspection, None)?;
        let floods = Floods::new(config.attack.floods, None)?;
        let table = Table::new(config, limits, inspection, floods)?;
        let this = Self(Arc::new(Inner {
            table: ArcSwap::from_pointee(table),
            blocks: Blocks::new(clock.clone()),
            since_start,
            shared,
            challenges,
            siege: Siege {
                lasts: AtomicBool::new(false),
                turned_away: TurnedAwayCount::default(),
                watch: Mutex::default(),
            },
            instruments,
            clock: clock.clone(),
            teller: Teller::default(),
            remembered: Remembered::new(&config.signatures),
            incidents,
            shared_blocks: SharedBlocks::default(),
            rooms: OnceLock::new(),
        }));
        this.watch_siege(None);
        Ok(this)
    }

    /// Goes by these settings from now on. What was used of a limit that stays as it is remains used.
    ///
    /// # Errors
    /// When they say what cannot be held to; nothing changes then.
    pub fn set(&self, config: &FrontConfig) -> Result<(), FrontError> {
        let before = self.0.table.load();
        let Inner { instruments, incidents, shared, since_start, .. } = &*self.0;
        let making = Making { instruments, incidents, shared: shared.as_ref(), since_start };
        let limits = Limits::new(&config.limits, Some(&before.limits), &making)?;
        let inspection = Inspection::new(&config.inspection, Some(&before.inspection))?;
        let floods = Floods::new(config.attack.floods, Some(&before.floods))?;
        self.0.table.store(Arc::new(Table::new(config, limits, inspection, floods)?));
        self.watch_siege(None);
        Ok(())
    }

    /// From now on people wait in these rooms for what bears only so much. To be called once.
    pub fn wait_in(&self, rooms: Rooms) {
        let _first = self.0.rooms.set(rooms);
    }

    /// To be called about once a second: adapts the limits to how busy the machine is (`cpu`, of all of it) and to
    /// how many jobs wait, forgets what is over, and finds out whether this is an attack by how many requests have
    /// come, ever.
    pub fn tend(&self, cpu: f64, jobs_waiting: u64, came: u64) {
        let table = self.0.table.load();
        let permille = table.limits.adapt(cpu, jobs_waiting);
        self.0.instruments.given_permille.set(permille.into());
        #[expect(clippy::cast_possible_truncation, reason = "a share has few thousandths")]
        self.0.instruments.processors_busy_permille.set((cpu * 1000.0).round() as i64);
        self.0.blocks.sweep();
        self.0.instruments.blocks.set(self.0.blocks.len());
        self.0.teller.second();
        self.0
            .instruments
            .signatures_remembered
            .set(i64::try_from(self.0.remembered.len()).unwrap_or(i64::MAX));
        self.watch_siege(Some(came));
    }

    /// Says whether this is an attack, or leaves it to the front to find out, until it is said otherwise or the process
    /// ends.
    pub fn set_attack(&self, mode: AttackMode) {
        self.0.siege.watch.lock().unwrap_or_else(PoisonError::into_inner).by_hand = Some(mode);
        self.watch_siege(None);
    }

    /// Finds out whether this is an attack; a second has gone by where it is known how many requests have come.
    fn watch_siege(&self, came: Option<u64>) {
        let Inner { siege, table, instruments, .. } = &*self.0;
        let mut watch = siege.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let raised = match came {
            Some(came) => {
                let turned_away = siege.turned_away.second();
                // What is not counted as turned away did not come either.
                let new = came.saturating_sub(watch.came).saturating_sub(turned_away.repeated);
                watch.came = came;
                watch.alarm.second(new, turned_away.counted)
            }
            None => watch.alarm.is_raised(),
        };
        let mode = watch.by_hand.unwrap_or(table.load().attack.mode);
        drop(watch);
        let lasts = match mode {
            AttackMode::Off => false,
            AttackMode::On => true,
            AttackMode::Auto => raised,
        };
        instruments.attack.set(lasts.into());
        if siege.lasts.swap(lasts, Relaxed) != lasts {
            let kind = if lasts { IncidentKind::AttackBegan } else { IncidentKind::AttackOver };
            let reason = if mode == AttackMode::Auto { "auto" } else { "operator" };
            self.0.incidents.tell(Incident::now(kind, reason, &self.0.clock));
            let word = if lasts {
                "whoever is not known has to prove that they are a browser"
            } else {
                "it is over"
            };
            tracing::warn!(code = "edge/attack", lasts, "under attack: {word}");
        }
    }

    /// How it stands, with at most so many of its blocks.
    #[must_use]
    pub fn state(&self, blocks_max: usize) -> FrontState {
        let table = self.0.table.load();
        FrontState {
            given_permille: table.limits.given_permille(),
            processors_busy_permille: self.0.instruments.processors_busy_permille.get(),
            rules: table.limits.state(),
            attack: self.attack(),
            inspection: table.inspection.state(self.0.teller.seen()),
            blocks: self.0.blocks.list(blocks_max),
        }
    }

    fn attack(&self) -> AttackState {
        let siege = &self.0.siege;
        let by_hand = siege.watch.lock().unwrap_or_else(PoisonError::into_inner).by_hand;
        let mode = by_hand.unwrap_or(self.0.table.load().attack.mode);
        AttackState { mode, lasts: siege.lasts.load(Relaxed) }
    }

    /// Is nobody let in from there? Asked of each connection, before anything is read.
    pub fn is_shut_to(&self, peer: IpAddr) -> bool {
        let table = self.0.table.load();
        table.networks.standing(peer, || self.0.blocks.has(peer)) == Standing::Blocked
    }

    /// Is it a proxy that speaks for others, who are looked at one by one?
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.0.table.load().clients.trusts(peer)
    }

    pub fn count_refused_connection(&self) {
        self.0.instruments.connections_refused.inc();
    }

    /// How many were turned away in the second that is over now.
    #[cfg(test)]
    pub(crate) fn turned_away(&self) -> u64 {
        self.0.siege.turned_away.second().counted
    }

    /// Waits until the request's turn comes; tells what its sender is to keep then.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn take(&self, turn: Turn) -> Result<Option<(HeaderName, HeaderValue)>, TurnedAway> {
        if let Some(owing) = &turn.owing {
            let limited = |refused| {
                let (Refused::Beyond(wait) | Refused::Crowded(wait)) = refused;
                if let Refused::Beyond(_) = refused {
                    self.0.siege.turned_away.note(owing.client);
                }
                TurnedAway::Limited(too_many_problem(wait))
            };
            owing.settle(&self.0.since_start).await.map_err(limited)?;
        }
        if !turn.wait.is_zero() {
            tokio::time::sleep(turn.wait).await;
        }
        match turn.arrival {
            Some(arrival) => arrival.draw().await.map_err(|answer| TurnedAway::Waits(Box::new(answer))),
            None => Ok(None),
        }
    }

    /// How the body of a request from `client` is to be inspected, if it is.
    #[must_use]
    pub fn inspects(
        &self,
        method: &str,
        path: &str,
        fields: Fields<'_>,
        client: Option<IpAddr>,
    ) -> Option<BodyInspection> {
        let table = self.0.table.load();
        let allowed =
            client.is_some_and(|client| table.networks.standing(client, || false) == Standing::Allowed);
        if allowed { None } else { table.inspection.body(method, path, fields, client) }
    }

    /// May a request with this body, of which this is at least the beginning, go on?
    ///
    /// # Errors
    /// When it carries an attack, or more than is looked at.
    pub fn inspect(&self, how: &BodyInspection, body: &[u8]) -> Result<(), Problem> {
        let inspection = how.inspection();
        match how.look(body) {
            None => Ok(()),
            Some(Found::Attack(attack)) => self.tell(&attack, inspection, how.client),
            Some(Found::Beyond(bound)) => {
                let refused = inspection.refuses_beyond();
                self.0.instruments.body_beyond(bound.word(), refused);
                if refused { Err(inspection.beyond(bound)) } else { Ok(()) }
            }
        }
    }

    /// May this request go on?
    pub fn look(&self, identify: &Identify, seen: &Seen<'_>) -> Result<Admitted, Answer> {
        let table = self.0.table.load();
        let seen = &Seen { secure: table.came_encrypted(seen), ..*seen };
        let client = seen.peer.map(|peer| table.clients.client(peer, seen.fields));
        let standing = client.map_or(Standing::Unlisted, |client| {
            table.networks.standing(client, || self.0.blocks.has(client))
        });
        let whose = Whose {
            identify,
            signers: &table.signers,
            remembered: &self.0.remembered,
            instruments: &self.0.instruments,
            clock: &self.0.clock,
            found: OnceCell::new(),
        };
        let preflight = table.cors.is_preflight(seen);
        let at_once = || preflight.then(|| table.cors.preflight(seen));
        let foreign = || {
            table.cors.refusal(seen).inspect(|_| {
                self.0.instruments.cross_site.inc();
            })
        };
        match standing {
            Standing::Allowed => {
                let admitted = Admitted { client, ..Admitted::default() };
                return at_once().or_else(foreign).map_or_else(|| whose.signed(seen, admitted), Err);
            }
            Standing::Blocked => {
                self.0.instruments.requests_blocked.inc();
                return Err(Answer::refusing(&blocked()));
            }
            Standing::Unlisted => {}
        }
        let now = u64::try_from(self.0.since_start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let turned_away = || self.0.siege.turned_away.note(client);
        let mut admitted =
            table.limits.look(seen, client, &whose, preflight, now).inspect_err(|_| turned_away())?;
        // Browsers add nothing to a preflight that could prove anything.
        if let Some(said) = at_once().or_else(foreign) {
            return Err(said);
        }
        if let Some(own) = self.0.challenges.own(&table.attack, seen, client) {
            return Err(own);
        }
        admitted = whose.signed(seen, admitted).inspect_err(|_| turned_away())?;
        if self.0.siege.lasts.load(Relaxed) {
            // Whoever is known has proven more than a puzzle does.
            admitted.actor = admitted.actor.or_else(|| whose.actor(seen).ok());
            let known = admitted.actor.as_ref().is_some_and(|actor| *actor != Actor::ANONYMOUS);
            if !known
                && let Some(asked) =
                    self.0.challenges.answer(&table.attack, seen, client, &table.patient, now)
            {
                turned_away();
                self.0.instruments.challenged.inc();
                return Err(asked);
            }
        }
        if let Some(attack) = table.inspection.look(seen)
            && let Err(refusal) = self.tell(&attack, &table.inspection, client)
        {
            return Err(Answer::refusing(&refusal));
        }
        match self.0.rooms.get() {
            Some(rooms) => rooms.look(&whose, seen, admitted, now),
            None => Ok(admitted),
        }
    }
}

impl Table {
    fn new(
        config: &FrontConfig,
        limits: Limits,
        inspection: Inspection,
        floods: Floods,
    ) -> Result<Self, SignersError> {
        Ok(Self {
            clients: config.clients.clone(),
            networks: Networks::new(&config.networks),
            limits,
            attack: config.attack.clone(),
            headers: config.headers.clone(),
            cors: config.cors.clone(),
            inspection: Arc::new(inspection),
            signers: Signers::new(&config.signatures)?,
            patient: config.attack.patient(),
            floods,
        })
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Front")
    }
}

fn blocked() -> Problem {
    Problem::forbidden("edge/blocked", "requests from this network are not taken at present")
}

/// The answer to a request beyond a limit.
pub(crate) fn too_many(wait: Duration, told: &Told) -> Answer {
    let answer = Answer::refusing(&too_many_problem(wait));
    told.fields().fold(answer.with_field(header::RETRY_AFTER, seconds(wait)), |answer, (name, value)| {
        answer.with_field(name, value)
    })
}

fn too_many_problem(wait: Duration) -> Problem {
    let detail = "too many requests: wait as long as Retry-After says, in seconds";
    Problem::too_many_requests("edge/too-many-requests", detail, wait)
}

/// Whole seconds, rounded up: whoever comes back then is not too early.
pub(crate) fn seconds(wait: Duration) -> HeaderValue {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).into()
}
