//! The memory that nodes share: Redis, asked quickly or not at all.
//!
//! Each tag has a number in Redis, and an entry there stands while its tags have the numbers they had before
//! it was read. A drop gives a tag a new random number. Until Redis has confirmed that, this node believes
//! nothing there that has the tag. When Redis is not the server it was (restarted, failed over), drops may be
//! lost: then the *era* changes, which is part of every stamp, and everything there is forgotten.

mod board;
mod config;
mod exchange;
mod keeper;
mod link;
mod operations;
mod owed;
mod stored;

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use board::{Board, BoardRoom, Line, LineChange};
use clock::{Clock, Stopwatch};
pub use config::{RedisConfig, RedisUrl, RedisUrlError};
pub use exchange::Exchanged;
use link::{Link, LinkError};
use store::Breaker;
pub(crate) use stored::{Stamp, Stored};
use telemetry::{
    Metrics,
    instruments::{counter::Counter, gauge::Gauge},
};
use tokio::sync::{Notify, Semaphore, broadcast, watch};

use crate::tag::{Drops, Tag};
use owed::Owed;

/// Hints about boards that wait to be heard; who misses some looks all the same.
const BOARD_HINTS_MAX: usize = 64;

/// A node's handle on Redis.
#[derive(Clone)]
pub(crate) struct Redis(Arc<Inner>);

struct Inner {
    config: RedisConfig,
    drops: Arc<Drops>,
    owed: Owed,
    /// Is there somebody to ask?
    up: AtomicBool,
    link: Mutex<Option<Link>>,
    breaker: Mutex<Breaker>,
    since_start: Stopwatch,
    places: Semaphore,
    /// The connection is to be given up.
    broken: Notify,
    /// A board was changed by some node.
    board_changed: broadcast::Sender<String>,
    /// By which other nodes tell this one's words from theirs.
    node: [u8; 8],
    clock: Clock,
    instruments: Instruments,
}

#[derive(Debug, Clone, Default)]
struct Instruments {
    up: Gauge,
    operations: Counter,
    failures: Counter,
    connections: Counter,
    hints: Counter,
}

impl Instruments {
    fn register(metrics: &Metrics) -> Self {
        let this = Self::default();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("cache_redis");
            registry.register(
                "up",
                "Is Redis asked (1), or does this node go on alone (0)?",
                this.up.clone(),
            );
            let counters = [
                ("operations", "Operations that Redis was asked for", &this.operations),
                ("failures", "Operations that it did not answer in time, or refused", &this.failures),
                ("connections", "Times that Redis was joined", &this.connections),
                ("hints", "Drops that other nodes told of by publishing", &this.hints),
            ];
            for (name, help, counter) in counters {
                registry.register(name, help, counter.clone());
            }
        });
        this
    }
}

/// What Redis has of a key, and under which stamp something read now may be put there.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) stamp: Stamp,
    pub(crate) stored: Option<Stored>,
}

impl Redis {
    /// Starts the thread that keeps the connections. It returns at once, whatever Redis does.
    pub(crate) fn start(
        config: RedisConfig,
        drops: Arc<Drops>,
        clock: Clock,
        metrics: &Metrics,
        mut closed: watch::Receiver<()>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Connections live in real time, whatever the clock of the rest says.
        let since_start = Clock::System.stopwatch();
        let redis = Self(Arc::new(Inner {
            owed: Owed::default(),
            up: AtomicBool::new(false),
            link: Mutex::new(None),
            breaker: Mutex::new(Breaker::new(config.breaker)),
            since_start,
            places: Semaphore::new(
                usize::try_from(config.operations_max.get()).unwrap_or(Semaphore::MAX_PERMITS),
            ),
            broken: Notify::new(),
            board_changed: broadcast::Sender::new(BOARD_HINTS_MAX),
            node: Clock::System.random(),
            clock,
            instruments: Instruments::register(metrics),
            drops,
            config,
        }));
        let keeper = redis.clone();
        std::thread::Builder::new().name("redis".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = keeper.keep() => {}
                    () = async { while closed.changed().await.is_ok() {} } => {}
                }
            });
        })?;
        Ok(redis)
    }

    /// Is Redis asked, or does this node go on alone?
    pub(crate) fn is_up(&self) -> bool {
        self.0.up.load(Ordering::Acquire)
    }

    /// To be called before the drop itself: whoever reads after that must not believe Redis.
    pub(crate) fn owe(&self, tags: &[Tag]) {
        self.0.owed.owe(tags);
    }

    /// Waits until a node has changed this board.
    pub(crate) async fn board_changed(&self, board: &str) {
        let mut hints = self.0.board_changed.subscribe();
        // Hints that were missed are taken for one.
        while hints.recv().await.is_ok_and(|changed| changed != board) {}
    }

    fn link(&self) -> Option<Link> {
        if !self.is_up() {
            return None;
        }
        self.0.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_link(&self, link: Option<Link>) {
        *self.0.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    /// Waits for an operation, not for long, and tells the breaker how it went.
    async fn within<T>(&self, operation: impl Future<Output = Result<T, LinkError>>) -> Option<T> {
        let _place = self.0.places.try_acquire().ok()?;
        self.0.instruments.operations.inc();
        let outcome = tokio::time::timeout(self.0.config.timeout(), operation).await;
        let broken = match &outcome {
            Ok(Err(LinkError::Redis(error))) => error.is_unrecoverable_error(),
            Ok(Err(LinkError::Emptied | LinkError::Replica)) => true,
            Ok(_) | Err(_) => false,
        };
        let went_well = matches!(outcome, Ok(Ok(_)));
        let mut breaker = self.0.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        breaker.told(self.0.since_start.elapsed(), 1, went_well);
        let broken = broken || breaker.is_open();
        drop(breaker);
        if !went_well {
            self.0.instruments.failures.inc();
        }
        if broken {
            // From here on nobody asks; the keeper makes a new connection.
            self.0.up.store(false, Ordering::Release);
            self.0.broken.notify_one();
        }
        outcome.ok()?.ok()
    }

    fn key(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.0.config.prefix)
    }

    fn millis_now(&self) -> u64 {
        self.0.clock.now().millis()
    }

    /// How long ago, by the clocks of both nodes.
    pub(crate) fn age(&self, made_at_ms: u64) -> Duration {
        Duration::from_millis(self.millis_now().saturating_sub(made_at_ms))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("up", &self.is_up()).finish_non_exhaustive()
    }
}
