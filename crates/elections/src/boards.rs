//! The boards of elections: a public ledger each, opened when it is first asked for.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, OnceLock, PoisonError, RwLock, atomic::AtomicU64},
};

use authz::Actor;
use board::{Election, Hex, Manifest};
use cache::{Cache, Tag};
use clock::Clock;
use ids::Id;
use ledger::{
    Ledger, LedgerConfig, Receipt, Standing, SubmitError, Times, Watcher, checkpoint::LogKeys, note::KeyName,
};
use mixnet::{Polling, Ristretto, TrusteeKeys};
use problem::Problem;
use seal::{Keys, PersonKeys, deployment_schema};
use store::{Databases, Schema, StoreError, Told};
use telemetry::Metrics;
use tokio::sync::{Mutex, OnceCell, watch};

use crate::{
    board_rows::{
        BlobRow, BoardState, CountedRow, DecryptedRow, ListsRow, ManifestRow, MixRow, Phase, RedeemedRow,
        RefusedTokensRow, SaidRow, StagedRow, VerdictRow, VoidRow, VoteRow,
    },
    post::{Post, PostError, Rule},
    sql,
};

/// What boards are opened with.
pub(crate) struct BoardsOpening {
    pub(crate) folder: PathBuf,
    /// What their origins begin with.
    pub(crate) origin: String,
    pub(crate) keys: Keys,
    pub(crate) person_keys: PersonKeys,
    pub(crate) clock: Clock,
    pub(crate) ledger: LedgerConfig,
    pub(crate) databases: Databases,
    pub(crate) cache: Cache,
    pub(crate) open_max: NonZeroUsize,
}

/// All boards that this process has open.
pub(crate) struct Boards {
    opening: BoardsOpening,
    open: RwLock<HashMap<Id<Election>, Arc<Board>>>,
    /// Held while one is opened, so that none is opened twice.
    turn: Mutex<()>,
}

/// One election's board.
pub(crate) struct Board {
    pub(crate) election: Id<Election>,
    pub(crate) ledger: Ledger,
    states: watch::Receiver<BoardState>,
    defined: OnceLock<Arc<Agreed>>,
    /// In how many pieces there is what was found to be whole, by its hash.
    pub(crate) whole: std::sync::Mutex<HashMap<[u8; 32], Arc<OnceCell<u32>>>>,
    /// Entries that stood there when a ceremony was last judged.
    pub(crate) judged: AtomicU64,
    origin: String,
    log_keys: [String; 2],
}

/// All that was decided before the first vote, ready to be used.
pub(crate) struct Agreed {
    pub(crate) manifest: Manifest,
    pub(crate) hash: Hex<32>,
    /// Nothing, if votes are not secret.
    pub(crate) keys: Option<TrusteeKeys<Ristretto>>,
    /// By list.
    pub(crate) pollings: Vec<Polling<Ristretto>>,
}

/// Every table of a board's database.
#[must_use]
pub fn board_schema() -> Schema {
    ledger::schema().and(deployment_schema()).and(
        Schema::new()
            .migration("elections/0002_board", include_str!("../migrations/0002_board.sql"))
            .table::<BoardState>()
            .table::<ManifestRow>()
            .table::<SaidRow>()
            .table::<VoidRow>()
            .table::<VoteRow>()
            .table::<VerdictRow>()
            .table::<MixRow>()
            .table::<RedeemedRow>()
            .table::<ListsRow>()
            .table::<DecryptedRow>()
            .table::<CountedRow>()
            .table::<BlobRow>()
            .migration("elections/0003_staged", include_str!("../migrations/0003_staged.sql"))
            .table::<StagedRow>()
            .migration("elections/0004_refused_tokens", include_str!("../migrations/0004_refused_tokens.sql"))
            .table::<RefusedTokensRow>(),
    )
}

/// What caches keep of an election is dropped by this.
pub(crate) fn tag(election: Id<Election>) -> Tag {
    Tag::of(&format!("election:{election}"))
}

/// Why a board does not open.
#[derive(Debug, thiserror::Error)]
enum BoardError {
    #[error("more boards are open than may be")]
    TooMany,
    #[error("a board's database cannot be used")]
    Opening(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Boards {
    pub(crate) fn new(opening: BoardsOpening) -> Self {
        Self { opening, open: RwLock::default(), turn: Mutex::default() }
    }

    /// The board of an election, if it is open already.
    pub(crate) fn opened(&self, election: Id<Election>) -> Option<Arc<Board>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(&election).cloned()
    }

    /// All that are open.
    pub(crate) fn all(&self) -> Vec<Arc<Board>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The board of an election that there is.
    pub(crate) async fn of(self: &Arc<Self>, election: Id<Election>) -> Result<Arc<Board>, Problem> {
        if let Some(known) = self.opened(election) {
            return Ok(known);
        }
        let _turn = self.turn.lock().await;
        if let Some(known) = self.opened(election) {
            return Ok(known);
        }
        let this = Arc::clone(self);
        let opened = tokio::task::spawn_blocking(move || this.open(election)).await;
        let opened = opened.map_err(|error| Problem::internal(&error))?;
        opened.map_err(|error| match error {
            BoardError::TooMany => {
                Problem::unavailable("elections/too-many-open", error, std::time::Duration::from_secs(60))
            }
            BoardError::Opening(_) => Problem::internal(&error),
        })
    }

    fn open(&self, election: Id<Election>) -> Result<Arc<Board>, BoardError> {
        let count = self.open.read().unwrap_or_else(PoisonError::into_inner).len();
        if count >= self.opening.open_max.get() && !self.close_one() {
            return Err(BoardError::TooMany);
        }
        let board = self.open_one(election).map_err(BoardError::Opening)?;
        let board = Arc::new(board);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(election, Arc::clone(&board));
        Ok(board)
    }

    /// Closes the board of an election that is over. Whoever reads there now reads on.
    fn close_one(&self) -> bool {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let over = open.values().find(|board| board.phase() >= Phase::Published).map(|board| board.election);
        let closed = over.and_then(|election| open.remove(&election));
        drop(open);
        if let Some(board) = &closed {
            board.ledger.stop();
        }
        closed.is_some()
    }

    fn open_one(&self, election: Id<Election>) -> Result<Board, Box<dyn std::error::Error + Send + Sync>> {
        let BoardsOpening { folder, origin, keys, person_keys, clock, ledger, databases, cache, .. } =
            &self.opening;
        let name = board_name(election);
        let mut store = databases.open(&name, &board_schema())?;
        let empty = store.writer.read(::ledger::is_empty)?;
        person_keys.deployment().claim(&mut store.writer, "an election's board", empty)?;
        let state = store.writer.read(sql::board_state)?;
        let (sender, states) = watch::channel(state);
        let cache = cache.clone();
        let follow: Watcher = Box::new(move |changes| {
            let Some(state) = changes.of::<BoardState>().find_map(|(_, state)| state) else { return };
            // News of other nodes may come late.
            sender.send_if_modified(|known| {
                let newer = state.entries > known.entries;
                if newer {
                    *known = state.clone();
                }
                newer
            });
            cache.drop_here(&[tag(election)]);
        });
        let origin = format!("{origin}/{election}");
        let log_keys = LogKeys::of(&KeyName::new(&origin)?, keys.signing());
        let log_keys = [log_keys.ed25519().to_string(), log_keys.ml_dsa_44().to_string()];
        let ledger = Ledger::open(ledger::Opening {
            name: name.as_str().into(),
            origin: origin.clone(),
            store,
            keys: keys.clone(),
            clock: clock.clone(),
            config: ledger.clone(),
            standing: Standing::LASTING,
            checkpoint_path: folder.join(format!("{name}.checkpoint")),
            watchers: vec![follow],
            told: Told::new().table::<BoardState>(),
            times: Times::Minutes,
            // Names of elections are no closed set of labels.
            metrics: Metrics::new(),
        })?;
        Ok(Board {
            election,
            ledger,
            states,
            defined: OnceLock::new(),
            whole: std::sync::Mutex::default(),
            judged: AtomicU64::new(0),
            origin,
            log_keys,
        })
    }

    /// Ends all of them.
    pub(crate) fn stop(&self) {
        self.all().iter().for_each(|board| board.ledger.stop());
    }
}

/// The name of a board's database.
#[must_use]
pub fn board_name(election: Id<Election>) -> String {
    format!("election-{election}")
}

impl Board {
    /// How far it has come.
    pub(crate) fn phase(&self) -> Phase {
        self.states.borrow().phase()
    }

    /// How far it has come, asked of the database if this node knows of less than what is wanted: another node may
    /// have brought it there a moment ago.
    pub(crate) async fn phase_for(&self, wanted: &[Phase]) -> Result<Phase, Problem> {
        let known = self.phase();
        if wanted.contains(&known) {
            return Ok(known);
        }
        Ok(self.ledger.readers().read(sql::board_state).await?.phase())
    }

    /// Tells of every change.
    pub(crate) fn states(&self) -> watch::Receiver<BoardState> {
        self.states.clone()
    }

    /// The origin of its checkpoints.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Both keys that sign them, as C2SP writes them.
    pub(crate) fn log_keys(&self) -> &[String; 2] {
        &self.log_keys
    }

    /// All that was decided, once it is.
    pub(crate) async fn agreed(&self) -> Result<Option<Arc<Agreed>>, Problem> {
        if let Some(agreed) = self.defined.get() {
            return Ok(Some(Arc::clone(agreed)));
        }
        let Some(row) = self.ledger.readers().read(|snapshot| snapshot.get::<ManifestRow>(&0)).await? else {
            return Ok(None);
        };
        let agreed = Arc::new(Agreed::of(&row)?);
        Ok(Some(Arc::clone(self.defined.get_or_init(|| agreed))))
    }

    /// Puts an entry on the board.
    pub(crate) async fn post<E: Rule>(&self, entry: E) -> Result<Receipt<u64>, SubmitError<PostError>> {
        let permitted = Actor::service(crate::SERVICE).permit(Post(entry)).expect("the service may");
        self.ledger.submit(permitted).await
    }

    /// As [`Board::post`]; that it stands there already, or that the election has gone on without it, is as good.
    pub(crate) async fn post_once<E: Rule>(&self, entry: E) -> Result<(), Problem> {
        match self.post(entry).await {
            Ok(_) | Err(SubmitError::Refused(PostError::AlreadyThere | PostError::NotNow(_))) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Agreed {
    fn of(row: &ManifestRow) -> Result<Self, StoreError> {
        let unreadable = || StoreError::Unreadable { table: "board_manifests".to_owned() };
        let manifest: Manifest = serde_json::from_str(&row.manifest).map_err(|_| unreadable())?;
        let hash = Hex(row.hash);
        let keys = manifest.trustee_keys();
        let pollings = match &keys {
            Some(keys) => manifest.pollings(&hash, *keys.key()).ok_or_else(unreadable)?,
            None => Vec::new(),
        };
        Ok(Self { manifest, hash, keys, pollings })
    }
}
