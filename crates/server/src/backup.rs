//! `holdfast backup`, and the same inside `holdfast serve`: what is new goes to another place, every second.

mod ledgers;

use std::{
    num::NonZeroU32,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context;
use backup::{Shipped, SnapshotConfig, SnapshotMade, Snapshots, Target, ship_person_keys};
use clap::Args;
use clock::{Clock, Stopwatch};
use futures_util::future::join_all;
use ledgers::Ledgers;
use seal::Keys;
use serde::Deserialize;
use store::Databases;
use telemetry::{
    EncodeLabelSet, Metrics,
    instruments::{family::Family, gauge::Gauge},
};
use tokio::{runtime, sync::watch};

use crate::{
    data_folder::{Places, places},
    kept,
    settings::{Settings, SettingsOptions},
    tell,
};

/// Whether and where backups go while a server serves.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BackupConfig {
    /// A folder, or `s3://BUCKET/PREFIX`; without one nothing is shipped.
    pub target: Option<String>,
    /// How often new entries are shipped.
    pub every_ms: NonZeroU32,
    /// How often persons' keys are shipped: so long may an erased person's key stay in the target.
    pub keys_every_s: NonZeroU32,
    /// When snapshots are made, with which a restore begins.
    pub snapshots: SnapshotConfig,
}

impl Default for BackupConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        let snapshots = SnapshotConfig::default();
        Self { target: None, every_ms: positive(1000), keys_every_s: positive(60), snapshots }
    }
}

/// What to back up, and where to.
#[derive(Debug, Clone, Args)]
pub struct BackupOptions {
    /// A folder, or s3://BUCKET/PREFIX.
    target: String,
    /// Ship what is new, and end.
    #[arg(long)]
    once: bool,
    /// With --once: also make a snapshot, whether or not it is time.
    #[arg(long, requires = "once")]
    snapshot: bool,
    #[command(flatten)]
    settings: SettingsOptions,
}

/// Ships until it is ended; beside a server that runs, too.
///
/// # Errors
/// When something cannot be opened, or with `--once` not be shipped.
pub fn backup(options: &BackupOptions) -> anyhow::Result<()> {
    let settings = options.settings.read()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let keys =
        Keys::open_existing(&places(&settings).keys, &Clock::System).context("cannot open the key file")?;
    runtime.block_on(async {
        let mut ships = Ships::open(&settings, target_of(&options.target)?, &keys).await?;
        if !options.once {
            let told_to_stop = async { drop(tokio::signal::ctrl_c().await) };
            tokio::select! {
                () = ships.run_all(None) => {}
                () = told_to_stop => {}
            }
        }
        let Shipped { entries, at } = ships.ship(true).await?;
        tell(&format!("{entries} entries are in {}, the last new one of {at}", options.target));
        for snapshots in ships.snapshots.iter_mut().filter(|_| options.snapshot) {
            if let Some(SnapshotMade { entries, rows }) = snapshots.make().await? {
                let name = snapshots.service();
                tell(&format!("a snapshot over {entries} entries of {name} holds {rows} rows"));
            }
        }
        Ok(())
    })
}

/// A thread that ships until it is stopped.
#[derive(Debug)]
pub(crate) struct Shipping {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Shipping {
    /// Where to, if the settings say so and name a place that there can be.
    pub(crate) fn target(settings: &Settings) -> anyhow::Result<Option<Target>> {
        settings.backup.target.as_deref().map(target_of).transpose()
    }

    /// Begins to ship. A target that does not answer holds up nobody: it is tried again.
    pub(crate) fn start(
        settings: &Settings,
        target: Target,
        keys: &Keys,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let gauges = metrics.register(Gauges::register);
        let (settings, keys) = (settings.clone(), keys.clone());
        let (stop, stopped) = watch::channel(false);
        let mut told_to_stop = stopped.clone();
        let work = move || {
            runtime.block_on(async {
                let late = async {
                    drop(told_to_stop.wait_for(|stop| *stop).await);
                    tokio::time::sleep(LAST_MAX).await;
                };
                tokio::select! {
                    () = ship_on(&settings, target, &keys, gauges, stopped) => {}
                    () = late => tracing::error!(
                        code = "backup/not-shipped",
                        "the target did not take the last entries in time; they are shipped after the next start"
                    ),
                }
            });
        };
        let thread = thread::Builder::new().name("backup".to_owned()).spawn(work)?;
        Ok(Self { stop, thread })
    }

    /// Ships a last time, and ends. Call it when the ledgers have stopped.
    pub(crate) fn stop(self) {
        self.stop.send_replace(true);
        if self.thread.join().is_err() {
            tracing::error!(code = "backup/thread-panicked", "the thread of the backup had panicked");
        }
    }
}

fn target_of(place: &str) -> anyhow::Result<Target> {
    Target::open(place).context("cannot use the target of the backup")
}

/// Ships from when it first can until it is told to stop.
async fn ship_on(
    settings: &Settings,
    target: Target,
    keys: &Keys,
    gauges: Gauges,
    mut stopped: watch::Receiver<bool>,
) {
    let (since_begun, mut quiet) = (Clock::System.stopwatch(), true);
    loop {
        let opening = Ships::open(settings, target.clone(), keys);
        match telling_age(Some(&gauges), &since_begun, opening).await {
            Ok(mut ships) => {
                ships.gauges = Some(gauges);
                return ships.run_all(Some(stopped)).await;
            }
            Err(error) if std::mem::take(&mut quiet) => not_shipped(&error),
            Err(_) => {}
        }
        let paused = tokio::time::timeout(OPEN_AGAIN, stopped.wait_for(|stop| *stop));
        if telling_age(Some(&gauges), &since_begun, paused).await.is_ok() {
            return;
        }
    }
}

/// Does something that may take long, and shows meanwhile how old the backup is: a target that swallows what it is
/// sent must be noticed.
async fn telling_age<T>(gauges: Option<&Gauges>, since: &Stopwatch, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        if let Some(gauges) = gauges {
            gauges.age_seconds.set(i64::try_from(since.elapsed().as_secs()).unwrap_or(i64::MAX));
        }
        if let Ok(done) = tokio::time::timeout(TELL_AGE, &mut work).await {
            return done;
        }
    }
}

fn not_shipped(error: &anyhow::Error) {
    tracing::error!(
        code = "backup/not-shipped",
        error = format!("{error:#}"),
        "what is new is not in the backup for now"
    );
}

/// Everything that is shipped.
struct Ships {
    entries: Entries,
    snapshots: Vec<Snapshots>,
    gauges: Option<Gauges>,
}

/// Entries, and persons' keys.
struct Entries {
    ledgers: Ledgers,
    keys: Keys,
    key_databases: Databases,
    target: Target,
    every: Duration,
    keys_every: Duration,
}

/// Pause before a target that could not be looked at is looked at again.
const OPEN_AGAIN: Duration = Duration::from_secs(5);

/// How often the age of the backup is shown at least.
const TELL_AGE: Duration = Duration::from_secs(1);

/// How long a stop waits for the last entries to be shipped.
const LAST_MAX: Duration = Duration::from_secs(10);

/// How often it is looked whether a snapshot is due, at most.
const SNAPSHOT_LOOK: Duration = Duration::from_secs(10);

/// Which ledger a figure is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ledger {
    ledger: String,
}

/// How far the backup is.
#[derive(Debug, Default)]
struct Gauges {
    entries: Gauge,
    age_seconds: Gauge,
    snapshot_entries: Family<Ledger, Gauge>,
    snapshot_age_seconds: Family<Ledger, Gauge>,
}

impl Gauges {
    fn register(registry: &mut telemetry::Registry) -> Self {
        let this = Self::default();
        let registry = registry.sub_registry_with_prefix("backup");
        registry.register("entries", "Entries in the target", this.entries.clone());
        registry.register("age_seconds", "Since everything new was last shipped", this.age_seconds.clone());
        let (entries, age) = (this.snapshot_entries.clone(), this.snapshot_age_seconds.clone());
        registry.register("snapshot_entries", "Entries whose rows the newest snapshot holds", entries);
        registry.register("snapshot_age_seconds", "Since the newest snapshot was made", age);
        this
    }
}

impl Ships {
    async fn open(settings: &Settings, target: Target, keys: &Keys) -> anyhow::Result<Self> {
        let Places { keys: key_folder, services } = places(settings);
        let config = settings.database_config();
        let (databases, key_databases) =
            (Databases::new(&services, &config)?, Databases::new(&key_folder, &config)?);
        let mut snapshots = Vec::new();
        for service in [kept::identity(settings), kept::elections(settings)] {
            // The second is not there before a server has served with this version.
            if service.name == identity::SERVICE || databases.exists(&service.name)? {
                let (name, config) = (service.name.clone(), settings.backup.snapshots);
                let (databases, target, keys) = (databases.clone(), target.clone(), keys.clone());
                let opened = Snapshots::open(service, databases, target, keys, Clock::System, config).await;
                snapshots.push(opened.with_context(|| format!("cannot look for snapshots of {name}"))?);
            }
        }
        let ledgers = Ledgers::open(settings, databases, services, target.clone(), keys.clone()).await?;
        let entries = Entries {
            ledgers,
            keys: keys.clone(),
            key_databases,
            target,
            every: Duration::from_millis(settings.backup.every_ms.get().into()),
            keys_every: Duration::from_secs(settings.backup.keys_every_s.get().into()),
        };
        Ok(Self { entries, snapshots, gauges: None })
    }

    async fn ship(&mut self, with_keys: bool) -> anyhow::Result<Shipped> {
        self.entries.ship(with_keys).await
    }

    /// Ships and makes snapshots again and again, neither waiting for the other.
    async fn run_all(&mut self, stopped: Option<watch::Receiver<bool>>) {
        let Self { entries, snapshots, gauges } = self;
        let gauges = gauges.as_ref();
        // A snapshot that is not complete when the process stops is made after the next start.
        tokio::select! {
            () = entries.run(stopped, gauges) => {}
            _ = join_all(snapshots.iter_mut().map(|snapshots| run_snapshots(snapshots, gauges))) => {}
        }
    }
}

/// Makes snapshots whenever it is time; what fails is tried again, and said.
async fn run_snapshots(snapshots: &mut Snapshots, gauges: Option<&Gauges>) {
    loop {
        let mut pause = snapshots.every().min(SNAPSHOT_LOOK);
        match snapshots.tend().await {
            Ok(None) => {}
            Ok(Some(SnapshotMade { entries, rows })) => {
                tracing::info!(code = "backup/snapshot-made", entries, rows, "a snapshot is complete");
            }
            Err(error) => {
                tracing::error!(
                    code = "backup/snapshot-failed",
                    %error,
                    cause = ?error,
                    "there is no new snapshot for now: a restore would take longer"
                );
                // It may have read the whole database for nothing.
                pause = snapshots.every() / 20;
            }
        }
        if let (Some(gauges), Some((entries, made_at))) = (gauges, snapshots.newest()) {
            let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            let ledger = Ledger { ledger: snapshots.service().to_owned() };
            gauges.snapshot_entries.get_or_create(&ledger).set(number(entries));
            gauges
                .snapshot_age_seconds
                .get_or_create(&ledger)
                .set(number(Clock::System.now().since(made_at).as_secs()));
        }
        tokio::time::sleep(pause).await;
    }
}

impl Entries {
    async fn ship(&mut self, with_keys: bool) -> anyhow::Result<Shipped> {
        let shipped = self.ledgers.ship().await?;
        if with_keys {
            ship_person_keys(&self.key_databases, &self.target, &self.keys, &Clock::System).await?;
        }
        Ok(shipped)
    }

    /// Ships again and again; what fails is tried again, and said once.
    async fn run(&mut self, mut stopped: Option<watch::Receiver<bool>>, gauges: Option<&Gauges>) {
        let (mut since_keys, mut since_shipped) = (None, Clock::System.stopwatch());
        let mut quiet = true;
        loop {
            let ends = stopped.as_ref().is_some_and(|stopped| *stopped.borrow());
            let with_keys = ends
                || since_keys.as_ref().is_none_or(|since: &Stopwatch| since.elapsed() >= self.keys_every);
            match telling_age(gauges, &since_shipped, self.ship(with_keys)).await {
                Ok(shipped) => {
                    since_shipped = Clock::System.stopwatch();
                    quiet = true;
                    if with_keys {
                        since_keys = Some(Clock::System.stopwatch());
                    }
                    if let Some(gauges) = gauges {
                        gauges.entries.set(i64::try_from(shipped.entries).unwrap_or(i64::MAX));
                    }
                }
                Err(error) if std::mem::take(&mut quiet) => not_shipped(&error),
                Err(_) => {}
            }
            if let Some(gauges) = gauges {
                gauges.age_seconds.set(i64::try_from(since_shipped.elapsed().as_secs()).unwrap_or(i64::MAX));
            }
            if ends {
                return;
            }
            match &mut stopped {
                Some(stopped) => {
                    drop(tokio::time::timeout(self.every, stopped.wait_for(|stop| *stop)).await);
                }
                None => tokio::time::sleep(self.every).await,
            }
        }
    }
}
