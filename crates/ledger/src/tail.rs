//! Following a ledger that other nodes write, too.

use std::{sync::Arc, time::Duration};

use clock::Clock;
use store::{Cell, News, Readers, Snapshot, StoreError, Told};
use tokio::sync::watch;

use crate::{
    ledger::Head,
    sql,
    tree::{Tree, TreeError},
    writer::{NEWS_LIFE, Watcher},
};

/// How often other nodes are listened to.
const EVERY: Duration = Duration::from_millis(25);

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
    /// Entries whose news were heard.
    pub(crate) heard: u64,
    /// The root of what others wrote is worked out no more often than it could be published.
    pub(crate) root_every: Duration,
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
            if since_root.elapsed() >= self.root_every && self.heard > self.head.borrow().size {
                since_root = clock.stopwatch();
                if let Err(error) = self.catch_up().await {
                    tracing::warn!(code = "ledger/not-followed", %error, cause = ?error, "how far the ledger has come is not known");
                }
            }
        }
    }

    async fn listen(&mut self) -> Result<(), TailError> {
        let heard = self.heard;
        let (size, news) = self.readers.read(move |snapshot| news_since(snapshot, heard)).await?;
        if size > heard {
            self.told.hear(&news, |changes| self.watchers.iter().for_each(|watcher| watcher(changes)))?;
            self.heard = size;
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
