//! A service in a folder of its own, on a clock that the test turns.

use std::{
    net::IpAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::Path,
    time::Duration,
};

use authz::{Actor, PersonKind, Role, Roles};
use clock::{Clock, Timestamp};
use identity::{
    Attempt, Audience, Credentials, HasherConfig, Identity, IdentityConfig, NewPerson, Opening, Password,
    Person, Proof, RegistrationConfig, SignedIn, TOKEN_BYTES, TokenError,
};
use ids::Id;
use ledger::{
    Entry, LedgerConfig,
    verify::{Subject, verify},
};
use problem::Problem;
use queue::{WorkerConfig, Workers};
use seal::{Keys, PersonKeys};
use store::Databases;
use telemetry::Metrics;

const ORIGIN: &str = "example.org/identity";
pub(crate) const PASSWORD: &str = "kelp holds fast in winter storms";
/// People whom one network may register here.
pub(crate) const REGISTRATIONS: u32 = 60;

/// A service in a folder of its own, on a clock that the test turns.
pub(crate) struct Town {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Clock,
    pub(crate) identity: Identity,
    pub(crate) person_keys: PersonKeys,
}

/// Opens a service, or says why it does not open.
pub(crate) fn try_open(
    folder: &Path,
    clock: &Clock,
    passwords_waiting_max: usize,
) -> Result<(Identity, PersonKeys), String> {
    let keys = Keys::open(folder, clock).expect("the key file opens");
    let databases = Databases::in_files(folder);
    let person_keys = PersonKeys::open(&databases, keys.clone(), clock.clone());
    let person_keys = person_keys.map_err(|error| error.to_string())?;
    let passwords = HasherConfig {
        // Cheap, because what is tested here is not how hard they are to guess.
        memory_kib: 64.try_into().expect("it is positive"),
        passes: 1.try_into().expect("it is positive"),
        threads: NonZeroUsize::new(1),
        waiting_max: NonZeroUsize::new(passwords_waiting_max).expect("it is positive"),
    };
    let burst = NonZeroU32::new(REGISTRATIONS).expect("it is positive");
    let registrations = RegistrationConfig { burst, ..RegistrationConfig::default() };
    let identity = Identity::open(Opening {
        folder: folder.to_owned(),
        origin: ORIGIN.to_owned(),
        keys,
        person_keys: person_keys.clone(),
        clock: clock.clone(),
        config: IdentityConfig { passwords, registrations, ..IdentityConfig::default() },
        ledger: LedgerConfig::default(),
        databases,
        cache: cache::Cache::open(clock.clone(), &Metrics::new(), &cache::RedisConfig::default())
            .expect("threads start"),
        metrics: Metrics::new(),
    });
    Ok((identity.map_err(|error| error.to_string())?, person_keys))
}

pub(crate) fn open(folder: &Path, clock: &Clock, passwords_waiting_max: usize) -> (Identity, PersonKeys) {
    try_open(folder, clock, passwords_waiting_max).expect("the service opens")
}

/// Somebody to be registered as a citizen, from somewhere.
pub(crate) fn newcomer(name: &str, address: Option<IpAddr>) -> NewPerson {
    NewPerson {
        name: name.parse().expect("it is a name"),
        password: Some(Password::from(PASSWORD.to_owned())),
        device_key: None,
        kind: PersonKind::Citizen,
        roles: Roles::NONE,
        address,
    }
}

/// An attempt to sign in with a password.
pub(crate) fn attempt(name: &str, password: &str) -> Attempt {
    Attempt {
        name: name.parse().expect("it is a name"),
        credentials: Credentials::Password(Password::from(password.to_owned())),
        device_fingerprint: None,
        audience: Audience::named("holdfast"),
        address: None,
    }
}

impl Town {
    pub(crate) fn new() -> Self {
        Self::with_passwords_waiting_max(100)
    }

    pub(crate) fn with_passwords_waiting_max(max: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // An hour before midnight.
        let clock = Clock::manual(Timestamp::from_millis(1_772_406_000_000), 1);
        let (identity, person_keys) = open(folder.path(), &clock, max);
        Self { folder, clock, identity, person_keys }
    }

    pub(crate) async fn register(&self, name: &str) -> Id<authz::Person> {
        let registered = self.identity.register(&Actor::ANONYMOUS, newcomer(name, None), None).await;
        registered.expect("they are new").done.person
    }

    pub(crate) async fn register_with(&self, name: &str, roles: &[Role]) -> Id<authz::Person> {
        let new = NewPerson {
            kind: PersonKind::Staff,
            roles: roles.iter().copied().collect(),
            ..newcomer(name, None)
        };
        let registered = self.identity.register(&Actor::service("test"), new, None).await;
        registered.expect("they are new").done.person
    }

    pub(crate) async fn try_sign_in(&self, name: &str, password: &str) -> Result<SignedIn, Problem> {
        self.identity.authenticate(attempt(name, password), None).await.map(|receipt| receipt.done)
    }

    /// Somebody who is signed in.
    pub(crate) async fn actor(&self, name: &str) -> Actor {
        let signed_in = self.try_sign_in(name, PASSWORD).await.expect("they sign in");
        Actor::person(signed_in.token().claims)
    }

    pub(crate) async fn person(&self, id: Id<authz::Person>) -> Option<Person> {
        let read = self.identity.ledger().readers().read(move |snapshot| snapshot.get::<Person>(&id)).await;
        read.expect("it reads")
    }

    /// What the service finds out by checking the password that the person has now.
    pub(crate) async fn proof(&self, id: Id<authz::Person>) -> Proof {
        let person = self.person(id).await.expect("there is such a person");
        Proof::Password { verifier: person.password.expect("they have one") }
    }

    /// The same service after the process was killed: nothing of the old one does anything any more.
    pub(crate) fn crash(self) -> Self {
        let Self { folder, clock, identity, person_keys } = self;
        identity.ledger().stop();
        person_keys.stop();
        drop((identity, person_keys));
        let (identity, person_keys) = open(folder.path(), &clock, 100);
        Self { folder, clock, identity, person_keys }
    }

    /// Begins to work at the service's jobs.
    pub(crate) fn work(&self) -> Workers {
        let (ledger, bell) = (self.identity.ledger().clone(), self.identity.bell().clone());
        let config = WorkerConfig::default();
        let started = Workers::start("town", ledger, self.identity.jobs(), bell, &config, self.clock.clone());
        started.expect("they start")
    }

    /// Lets some minutes pass, and what is due be done.
    pub(crate) async fn minutes_pass(&self) {
        let workers = self.work();
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.clock.advance(Duration::from_mins(5));
        tokio::time::sleep(Duration::from_millis(800)).await;
        tokio::task::spawn_blocking(move || workers.stop()).await.expect("they stop");
    }

    pub(crate) async fn sign_in(&self, name: &str) -> [u8; TOKEN_BYTES] {
        let signed_in = self.try_sign_in(name, PASSWORD).await.expect("they sign in");
        self.identity.tokens().mint(&signed_in)
    }

    pub(crate) fn check(&self, token: &[u8; TOKEN_BYTES]) -> Result<(), TokenError> {
        self.identity.tokens().check(token).map(|_| ())
    }

    pub(crate) async fn log(&self) -> Vec<Entry> {
        self.identity.ledger().entries(0, 1000).await.expect("they can be read")
    }

    pub(crate) async fn entries(&self, command: &str) -> usize {
        self.log().await.iter().filter(|entry| entry.command == command).count()
    }

    pub(crate) fn stop(&self) {
        self.identity.ledger().stop();
        self.person_keys.stop();
    }

    pub(crate) fn verify(&self) {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let report = verify(&Subject {
            service: "identity",
            databases: &Databases::in_files(self.folder.path()),
            checkpoint: &self.folder.path().join("identity.checkpoint"),
            origin: ORIGIN,
            keys: &Keys::open_existing(self.folder.path(), &Clock::System).expect("the key file opens"),
            schema: identity::schema(),
            commands: identity::commands(),
            scratch: scratch.path(),
        });
        report.expect("it is in order");
    }
}
