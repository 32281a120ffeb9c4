//! Following a ledger that other nodes write, too.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clock::Clock;
use store::{Cell, News, Readers, Snapshot, StoreError, Told};
use tokio::sync::watch;

use crate::{
    ledger::Head,
    sql,
    tree::{Tree, TreeError},
    writer::{Hearer, NEWS_LIFE, Watcher},
};

/// How often other nodes are listened to.
const EVERY: Duration = Duration::from_millis(25);

/// Entries whose subjects are read together.
const SUBJECTS_OF: u64 = 10_000;

/// Why the ledger could not be followed for now.
#[derive(Debug, thiserror::Error)]
enum TailError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the ledger's tree is damaged")]
    Tree(#[from] TreeError),
}

/// Tells the watchers what other nodes committed, and how far the ledger has come with it.
pub(crate) struct Tail {
    pub(crate) readers: Readers,
    pub(crate) told: Told,
    pub(crate) watchers: Arc<[Watcher]>,
    pub(crate) head: Arc<watch::Sender<Head>>,
    pub(crate) ears: Arc<Ears>,
    /// The root of what others wrote is worked out no more often than it could be published.
    pub(crate) root_every: Duration,
}

/// Who is told whom entries are about, and how far they were told.
pub(crate) struct Ears {
    hearers: Mutex<Vec<Hearer>>,
    /// Entries whose news were heard.
    heard: AtomicU64,
}

impl Ears {
    /// For a database that others write, too, and that has so many entries; what happens to any other, its node
    /// knows at once.
    pub(crate) fn new(shared: Option<u64>) -> Self {
        Self { hearers: Mutex::default(), heard: AtomicU64::new(shared.unwrap_or(u64::MAX)) }
    }

    pub(crate) fn add(&self, hearer: Hearer) {
        self.hearers().push(hearer);
    }

    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    fn hearers(&self) -> MutexGuard<'_, Vec<Hearer>> {
        self.hearers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tail {
    /// Follows until the writer has ended or so much was missed that only a restart can make it good.
    pub(crate) async fn run(mut self, mut ended: watch::Receiver<bool>) {
        // Other nodes live in real time, whatever the clock of the rest says.
        let clock = Clock::System;
        let (mut since_heard, mut since_root) = (clock.stopwatch(), clock.stopwatch());
        let mut quiet = true;
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = ended.wait_for(|ended| *ended) => return,
            }
            match self.listen().await {
                Ok(()) => (since_heard, quiet) = (clock.stopwatch(), true),
                Err(error) if quiet => {
                    tracing::warn!(code = "ledger/not-followed", %error, "what other nodes write is not heard for now");
                    quiet = false;
                }
                Err(_) => {}
            }
            if since_heard.elapsed() > NEWS_LIFE {
                tracing::error!(
                    code = "ledger/news-missed",
                    "this node was cut off for too long; restart it"
                );
                return;
            }
            if since_root.elapsed() >= self.root_every && self.ears.heard() > self.head.borrow().size {
                since_root = clock.stopwatch();
                if let Err(error) = self.catch_up().await {
                    tracing::warn!(code = "ledger/not-followed", %error, cause = ?error, "how far the ledger has come is not known");
                }
            }
        }
    }

    async fn listen(&mut self) -> Result<(), TailError> {
        let heard = self.ears.heard();
        let (size, news) = self.readers.read(move |snapshot| news_since(snapshot, heard)).await?;
        if size > heard {
            self.told.hear(&news, |changes| self.watchers.iter().for_each(|watcher| watcher(changes)))?;
            self.hear_of(heard, size).await?;
            self.ears.heard.store(size, Ordering::Release);
        }
        Ok(())
    }

    /// Tells whom the entries from `from` to before `to` are about.
    async fn hear_of(&self, mut from: u64, to: u64) -> Result<(), TailError> {
        let anybody = !self.ears.hearers().is_empty();
        while anybody && from < to {
            let end = to.min(from + SUBJECTS_OF);
            let subjects = self.readers.read(move |snapshot| sql::subjects(snapshot, from, end)).await?;
            self.ears.hearers().iter().for_each(|hearer| hearer(&subjects));
            from = end;
        }
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), TailError> {
        let (tree, at) = self.readers.read(|snapshot| Ok(Tree::load(snapshot))).await??;
        let head = Head { size: tree.size(), root: tree.root(), at };
        self.head.send_if_modified(|known| {
            let grown = head.size > known.size;
            if grown {
                *known = head;
            }
            grown
        });
        Ok(())
    }
}

/// How many entries there are, and the news of the batches from `heard` on.
fn news_since(snapshot: &Snapshot<'_>, heard: u64) -> Result<(u64, Vec<News>), StoreError> {
    let size = sql::size(snapshot)?;
    let from = Cell::Integer(i64::try_from(heard).unwrap_or(i64::MAX));
    let news = if size > heard {
        snapshot.rows::<News>("WHERE batch >= $1 ORDER BY batch, place", &[from])?
    } else {
        Vec::new()
    };
    Ok((size, news))
}
