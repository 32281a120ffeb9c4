//! What all rooms of a node share: the drops, the clock, and a thread for work that nobody waits for.

use std::{
    collections::HashSet,
    fmt,
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use clock::{Clock, Stopwatch};
use store::Changes;
use telemetry::Metrics;
use tokio::{runtime::Handle, sync::watch};

use crate::{
    entry::Moment,
    shared::{Board, BoardRoom, Exchanged, LineChange, Redis, RedisConfig},
    tag::{Drops, Tag},
};

/// Called for each batch of a ledger, as its watchers are.
pub type Watch = Box<dyn Fn(&Changes<'_>) + Send + Sync>;

/// So that an entry another node made before this one started has a moment, too.
const START: Moment = 1 << 42;

/// Readings wait for databases; it takes few threads to begin and end them.
const THREADS_MAX: usize = 4;

/// A node's caches. Clones are handles to the same.
#[derive(Clone)]
pub struct Cache(Arc<Shared>);

struct Shared {
    drops: Arc<Drops>,
    redis: Option<Redis>,
    clock: Clock,
    since_start: Stopwatch,
    metrics: Metrics,
    /// One a thread. Readings run there and not on the runtimes of those who ask, which may stand still or
    /// end before others have their answer.
    background: Box<[Handle]>,
    next: AtomicUsize,
    /// How each room is emptied.
    rooms: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
    /// Its end ends the threads.
    _open: watch::Sender<()>,
}

impl Cache {
    /// A node's caches. With Redis or without: it is joined later, whenever it is there.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open(clock: Clock, metrics: &Metrics, redis: &RedisConfig) -> io::Result<Self> {
        let (open, closed) = watch::channel(());
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        let background =
            (0..threads.min(THREADS_MAX)).map(|_| start_thread(closed.clone())).collect::<Result<_, _>>()?;
        let drops = Arc::new(Drops::new());
        let with = |config: &RedisConfig| {
            Redis::start(config.clone(), Arc::clone(&drops), clock.clone(), metrics, closed.clone())
        };
        let redis = (!redis.urls.is_empty()).then(|| with(redis)).transpose()?;
        let since_start = clock.stopwatch();
        let (metrics, next) = (metrics.clone(), AtomicUsize::new(0));
        let shared = Shared {
            drops,
            redis,
            clock,
            since_start,
            metrics,
            background,
            next,
            rooms: Mutex::default(),
            _open: open,
        };
        Ok(Self(Arc::new(shared)))
    }

    /// Is there a Redis in the settings that this node has to go on without for now?
    #[must_use]
    pub fn goes_alone(&self) -> bool {
        self.0.redis.as_ref().is_some_and(|redis| !redis.is_up())
    }

    /// Nothing that was read before now, and has one of these tags, is served on this node once this has
    /// returned. It neither waits nor fails.
    pub fn drop_tags(&self, tags: &[Tag]) {
        if let Some(redis) = &self.0.redis {
            redis.owe(tags);
        }
        self.0.drops.drop_tags(tags);
    }

    /// The same for what only this process keeps: nobody else is told.
    pub fn drop_here(&self, tags: &[Tag]) {
        self.0.drops.drop_tags(tags);
    }

    /// What a ledger calls for each batch, its own or another node's: drops the tags of what changed.
    pub fn watch(&self, tags: impl Fn(&Changes<'_>) -> Vec<Tag> + Send + Sync + 'static) -> Watch {
        let cache = self.clone();
        Box::new(move |changes| {
            let tags = tags(changes);
            if !tags.is_empty() {
                cache.drop_tags(&tags);
            }
        })
    }

    /// Replaces a number that all nodes share by another, if it still is what it was thought to be (0 if there was
    /// none); it is forgotten after `life`. Nothing if there is no Redis, or it does not answer in time.
    pub async fn exchange(&self, key: &str, known: u64, new: u64, life: Duration) -> Option<Exchanged> {
        self.0.redis.as_ref()?.exchange(key, known, new, life).await
    }

    /// Changes a board that all nodes share, of each line once, and tells the names of lines for which it has no room;
    /// nothing if Redis cannot be asked.
    pub async fn write_board(
        &self,
        name: &str,
        changes: &[LineChange],
        room: BoardRoom,
    ) -> Option<HashSet<String>> {
        self.0.redis.as_ref()?.write_board(name, changes, room).await
    }

    /// What stands on a board: nothing if Redis cannot be asked, and no board if it has the version that is known.
    pub async fn read_board(&self, name: &str, known: &str, most: usize) -> Option<Option<Board>> {
        self.0.redis.as_ref()?.read_board(name, known, most).await
    }

    /// Waits until some node has changed a board; without Redis for ever. It is a hint: who does not hear it must look.
    pub async fn board_changed(&self, name: &str) {
        match &self.0.redis {
            Some(redis) => redis.board_changed(name).await,
            None => std::future::pending().await,
        }
    }

    /// Forgets what this process keeps, because memory is short. It is read anew when it is asked for.
    pub fn shrink(&self) {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|empty| empty());
    }

    /// Has a room emptied with all others.
    pub(crate) fn shrink_by(&self, empty: impl Fn() + Send + Sync + 'static) {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(empty));
    }

    pub(crate) fn drops(&self) -> &Drops {
        &self.0.drops
    }

    pub(crate) fn redis(&self) -> Option<&Redis> {
        self.0.redis.as_ref()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn now(&self) -> Moment {
        START + u64::try_from(self.0.since_start.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }

    pub(crate) fn dice(&self) -> u64 {
        u64::from_le_bytes(self.0.clock.random())
    }

    /// Begins something at once, and has a thread of our own run it to its end, whoever asked for it. What
    /// can end at once costs no other thread. A panic ends it and nothing else.
    pub(crate) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        let next = self.0.next.fetch_add(1, Ordering::Relaxed) % self.0.background.len();
        let background = &self.0.background[next];
        let mut work = Box::pin(work);
        // Timers and sockets that it makes belong to the thread that will run it.
        let entered = background.enter();
        let mut context = Context::from_waker(Waker::noop());
        let first = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut context)));
        drop(entered);
        if first.is_ok_and(|polled| polled.is_pending()) {
            drop(background.spawn(work));
        }
    }
}

/// A thread with a runtime that runs until the cache is gone.
fn start_thread(mut closed: watch::Receiver<()>) -> io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new().name("cache".to_owned()).spawn(move || {
        runtime.block_on(async { while closed.changed().await.is_ok() {} });
    })?;
    Ok(handle)
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("open_for", &Duration::from_millis(self.now() - START))
            .finish_non_exhaustive()
    }
}
