//! The service as others hold it, and what it is opened with.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use authz::{Actor, Guarded, Role};
use cache::Cache;
use clock::{Clock, Stopwatch, Timestamp};
use ledger::{Command, Commands, Ledger, LedgerConfig, Receipt, Times, Watcher};
use problem::Problem;
use queue::{Bell, Registry, Schedule};
use seal::{Keys, PersonKeys, deployment_schema};
use serde::{Deserialize, Serialize};
use store::{Databases, Schema, Told};
use telemetry::Metrics;

use crate::{
    BeginErasure, ChangePassword, ChangeStanding, EnrolDeviceKey, ErasePerson, Erasure, Guess, Hasher,
    HasherConfig, KnownPlace, Live, Reason, RecordIncidents, RecordOperation, RefuseSignIn, RegisterPerson,
    RegistrationConfig, RevokeDeviceKey, SERVICE, SignIn, SignOut, SignOutEverywhere, SignedIn, Sweep,
    Throttle, Tokens, TryAgainIn, Whom,
    authenticate::{TOKEN_LIFE, by_itself},
    challenge::UsedChallenge,
    device_key::DeviceKey,
    finish_erasure::FinishErasure,
    instruments::Instruments,
    look_up::LastShown,
    person::{Counter, Person, PersonEpoch, TakenName},
    recent::{Recent, RequestHash},
    refusals::Refusals,
    session::{RevokedSession, Session},
    sql,
    standing::STANDING,
    sweep_expired::SweepExpired,
};

/// How this service works.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IdentityConfig {
    pub passwords: HasherConfig,
    /// How long a token lives: at most 30 days.
    pub token_life_s: NonZeroU32,
    /// How many people one network may register.
    pub registrations: RegistrationConfig,
    /// When what has expired is cleared away, as `cron` has it, in UTC.
    pub sweep: String,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        let life = u32::try_from(TOKEN_LIFE.as_secs()).ok().and_then(NonZeroU32::new);
        Self {
            passwords: HasherConfig::default(),
            token_life_s: life.expect("half a day is a positive time"),
            registrations: RegistrationConfig::default(),
            sweep: "*/5 * * * *".to_owned(),
        }
    }
}

/// What the service is opened with.
pub struct Opening {
    /// The folder that holds the service's newest checkpoint.
    pub folder: PathBuf,
    pub origin: String,
    pub keys: Keys,
    pub person_keys: PersonKeys,
    pub clock: Clock,
    pub config: IdentityConfig,
    pub ledger: LedgerConfig,
    /// Where the service's database is.
    pub databases: Databases,
    pub cache: Cache,
    pub metrics: Metrics,
}

/// The identity service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Identity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ledger: Ledger,
    tokens: Tokens,
    keys: Keys,
    person_keys: PersonKeys,
    hasher: Hasher,
    token_life: Duration,
    throttle: Mutex<Throttle>,
    /// What the throttle counts by: whoever sets the machine's clock keeps nobody out, and lets nobody guess more.
    throttled_since: Stopwatch,
    refusals: Mutex<Refusals>,
    recent: Mutex<Recent>,
    /// Keys the hashes of recent requests, so that what is kept of a password is of no use elsewhere.
    recent_key: [u8; 32],
    live: Arc<Live>,
    last_shown: LastShown,
    sweeps: Schedule,
    bell: Bell,
    instruments: Instruments,
}

/// Every table of the service's database.
#[must_use]
pub fn schema() -> Schema {
    ledger::schema().and(deployment_schema()).and(queue::schema()).and(
        Schema::new()
            .migration("identity/0001_persons", include_str!("../migrations/0001_persons.sql"))
            .table::<Person>()
            .table::<TakenName>()
            .table::<PersonEpoch>()
            .table::<Counter>()
            .table::<DeviceKey>()
            .table::<Session>()
            .table::<RevokedSession>()
            .table::<KnownPlace>()
            .table::<Erasure>()
            .table::<UsedChallenge>(),
    )
}

/// Every command of the service, for replays.
#[must_use]
pub fn commands() -> Commands {
    queue::commands(Commands::new())
        .with::<RegisterPerson>()
        .with::<ChangePassword>()
        .with::<ChangeStanding>()
        .with::<EnrolDeviceKey>()
        .with::<RevokeDeviceKey>()
        .with::<SignIn>()
        .with::<RefuseSignIn>()
        .with::<RecordIncidents>()
        .with::<RecordOperation>()
        .with::<SignOut>()
        .with::<SignOutEverywhere>()
        .with::<BeginErasure>()
        .with::<ErasePerson>()
        .with::<Sweep>()
}

impl Identity {
    /// Opens the service's database and ledger, and loads what tokens are checked against.
    ///
    /// # Errors
    /// When the database or ledger does not open, or the costs of passwords are out of range.
    pub fn open(opening: Opening) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let Opening { folder, origin, keys, person_keys, clock, config, .. } = opening;
        let Opening { ledger, databases, cache, metrics, .. } = opening;
        let mut store = databases.open(SERVICE, &schema())?;
        let empty = store.writer.read(ledger::is_empty)?;
        person_keys.deployment().claim(&mut store.writer, SERVICE, empty)?;
        let now = clock.now();
        let live = Arc::new(store.writer.read(|snapshot| Live::load(snapshot, now))?);
        let followed = Arc::clone(&live);
        let follow: Watcher = Box::new(move |changes| followed.follow(changes));
        let (sweeps, bell) =
            (Schedule::new("identity/sweep", &config.sweep, &SweepExpired {})?, Bell::default());
        let ledger = Ledger::open(ledger::Opening {
            name: SERVICE.into(),
            origin,
            store,
            keys: keys.clone(),
            clock: clock.clone(),
            config: ledger,
            standing: STANDING,
            checkpoint_path: folder.join("identity.checkpoint"),
            watchers: vec![follow, bell.watcher(), LastShown::watch(&cache)],
            told: Told::new().table::<PersonEpoch>().table::<RevokedSession>(),
            times: Times::Exact,
            metrics: metrics.clone(),
        })?;
        ledger.tell_subjects(LastShown::hear(&cache));
        Ok(Self(Arc::new(Shared {
            ledger,
            tokens: Tokens::new(keys.clone(), clock.clone(), Arc::clone(&live)),
            keys,
            person_keys,
            hasher: Hasher::start(&config.passwords, clock.clone())?,
            token_life: Duration::from_secs(config.token_life_s.get().into())
                .min(Duration::from_hours(24 * 30)),
            throttle: Mutex::new(Throttle::new(config.registrations)),
            throttled_since: clock.stopwatch(),
            refusals: Mutex::default(),
            recent: Mutex::default(),
            recent_key: clock.random(),
            live,
            last_shown: LastShown::new(&cache),
            sweeps,
            bell,
            instruments: metrics.register(Instruments::register),
        })))
    }

    /// The service's ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// The service's jobs, and when those come that come again.
    #[must_use]
    pub fn jobs(&self) -> Registry {
        Registry::new()
            .with::<FinishErasure>(self.clone())
            .with::<SweepExpired>(self.clone())
            .scheduled(self.0.sweeps.clone())
    }

    /// Rings when there are jobs.
    #[must_use]
    pub fn bell(&self) -> &Bell {
        &self.0.bell
    }

    /// The service of tokens.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// The store of persons' keys.
    #[must_use]
    pub fn person_keys(&self) -> &PersonKeys {
        &self.0.person_keys
    }

    pub(crate) fn last_shown(&self) -> &LastShown {
        &self.0.last_shown
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.0.ledger.clock()
    }

    /// When a token that is made now ends: tokens tell whole seconds.
    pub(crate) fn token_end(&self) -> Timestamp {
        let end = self.clock().now().plus(self.0.token_life);
        Timestamp::from_millis(end.seconds() * 1000)
    }

    pub(crate) fn instruments(&self) -> &Instruments {
        &self.0.instruments
    }

    pub(crate) fn admit(&self, guess: &Guess) -> Result<(), TryAgainIn> {
        let now = self.steady();
        self.0.throttle.lock().expect("arithmetic does not panic").admit(guess, now)
    }

    /// The time by a clock that nobody sets.
    fn steady(&self) -> Timestamp {
        Timestamp::EPOCH.plus(self.0.throttled_since.elapsed())
    }

    /// May somebody be registered? Those whose task it is to register others are not counted.
    pub(crate) fn admit_registration(
        &self,
        actor: &Actor,
        address: Option<IpAddr>,
    ) -> Result<(), TryAgainIn> {
        let trusted = actor.is_service() || actor.has(Role::Administrator);
        let Some(address) = address.filter(|_| !trusted) else { return Ok(()) };
        let now = self.steady();
        self.0.throttle.lock().expect("arithmetic does not panic").admit_registration(address, now)
    }

    pub(crate) fn forgive(&self, guess: &Guess) {
        self.0.throttle.lock().expect("arithmetic does not panic").forgive(guess);
    }

    pub(crate) fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.0.refusals.lock().expect("counting does not panic")
    }

    /// Records a refusal: now and durably, or, in a flood, soon and together with others.
    pub(crate) async fn note_refusal(&self, whom: Whom, reason: Reason) -> Result<(), Problem> {
        self.instruments().signed_in("refused");
        let alone = self.refusals().count(whom, reason, self.clock().now());
        if let Some(command) = alone {
            self.ledger().submit(by_itself(command)?).await?;
        }
        Ok(())
    }

    /// Records what was done against networks, and waits until it is durable.
    ///
    /// # Errors
    /// When the ledger takes nothing.
    pub async fn record(&self, incidents: RecordIncidents) -> Result<(), Problem> {
        self.give(incidents).await.map(drop)
    }

    /// The hash under which a whole request's answer may be given again for a second.
    pub(crate) fn request_hash(&self, parts: &[&[u8]]) -> RequestHash {
        let mut hash = blake3::Hasher::new_keyed(&self.0.recent_key);
        for part in parts {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        *hash.finalize().as_bytes()
    }

    /// The answer that the same request got less than a second ago, if its session has not ended since.
    pub(crate) fn recent(&self, request: &RequestHash) -> Option<Receipt<SignedIn>> {
        let found = self.recents().find(request, self.clock().now())?;
        (!self.has_ended(&found.done)).then_some(found)
    }

    /// Has the session of a sign-in ended since, by a sign-out?
    pub(crate) fn has_ended(&self, signed_in: &SignedIn) -> bool {
        self.0.live.revoked().contains(signed_in.session)
            || self.0.live.epoch(signed_in.number) != signed_in.epoch
    }

    /// Is there an administrator who can sign in?
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_administrator(&self) -> Result<bool, Problem> {
        Ok(self.ledger().readers().read(sql::administrators).await? > 0)
    }

    pub(crate) fn keep_recent(&self, request: RequestHash, receipt: Receipt<SignedIn>) {
        self.recents().keep(request, receipt, self.clock().now());
    }

    fn recents(&self) -> MutexGuard<'_, Recent> {
        self.0.recent.lock().expect("keeping answers does not panic")
    }

    /// Brings the gauges up to date, for `/metrics`.
    pub fn measure(&self) {
        let gauge = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.instruments().passwords_waiting.set(gauge(self.hasher().waiting()));
        self.instruments().sessions_revoked.set(gauge(self.0.live.revoked().len()));
    }

    /// Gives a command by this service itself, and waits until it is durable.
    pub(crate) async fn give<C: Command + Guarded>(&self, command: C) -> Result<Receipt<C::Done>, Problem> {
        Ok(self.ledger().submit(by_itself(command)?).await?)
    }
}
