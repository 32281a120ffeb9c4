//! One connection, talked through by one thread that waits for the answers.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_util::TryStreamExt;
use tokio_postgres::{Client, Error, Row, RowStream, Statement, types::Type};

use super::{
    config::PreparedStatements,
    request::{Answer, Request, Value},
    server::{Server, millis},
    wait::wait,
};
use crate::{
    error::StoreError,
    instruments::{Counted, Role},
};

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Changes that no other node may get in between.
    Batch,
    /// Reading what is committed at one moment.
    Snapshot,
    /// The same, where somebody else can be asked instead of waiting.
    Glance,
    /// The same, for as long as it takes: opening, verifying, and copying whole tables elsewhere.
    LongSnapshot,
    /// Filling a database whose rows come from elsewhere, for as long as that takes.
    LongBatch,
}

/// A connection for the transactions of one thread; made when it is first needed, and again when it is lost.
pub(crate) struct Session {
    server: Server,
    schema: Arc<str>,
    role: Role,
    link: RefCell<Option<Link>>,
    stage: Cell<Stage>,
}

/// How far a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    None,
    /// It begins together with the first thing it asks.
    Opening(Kind),
    Inside(Kind),
}

struct Link {
    client: Client,
    _counted: Counted,
    kept: HashMap<String, Statement>,
}

/// Statements a connection keeps: more than a service has.
const KEPT_MAX: usize = 512;

/// How long a glance may take, a new connection included.
const GLANCE: Duration = Duration::from_millis(200);

/// What the network may add to what the server was given.
const NETWORK: Duration = Duration::from_millis(500);

type Found<'r> = Pin<Box<dyn Future<Output = Result<Answer, Error>> + 'r>>;

impl Session {
    pub(crate) fn new(server: Server, schema: &str, role: Role) -> Self {
        Self { server, schema: schema.into(), role, link: RefCell::new(None), stage: Cell::new(Stage::None) }
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    pub(crate) const fn server(&self) -> &Server {
        &self.server
    }

    /// Begins a transaction, without a word to the server before there is something to ask.
    pub(crate) fn begin(&self, kind: Kind) {
        self.stage.set(Stage::Opening(kind));
    }

    /// Asks everything at once and waits for all answers.
    pub(crate) fn ask(&self, requests: &[Request<'_>]) -> Result<Vec<Answer>, StoreError> {
        self.exchange(requests, "")
    }

    /// Asks everything, and commits.
    pub(crate) fn commit(&self, requests: &[Request<'_>]) -> Result<(), StoreError> {
        if requests.is_empty() && matches!(self.stage.get(), Stage::Opening(_)) {
            self.stage.set(Stage::None);
            return Ok(());
        }
        let committed = self.exchange(requests, "COMMIT");
        self.stage.set(Stage::None);
        committed.map(drop)
    }

    /// Asks everything in a transaction of its own that changes nothing, with one round trip.
    pub(crate) fn ask_alone(&self, kind: Kind, requests: &[Request<'_>]) -> Result<Vec<Answer>, StoreError> {
        self.begin(kind);
        let answered = self.exchange(requests, "COMMIT");
        match &answered {
            Ok(_) => self.stage.set(Stage::None),
            Err(_) => self.end(),
        }
        answered
    }

    /// Ends a transaction that changed nothing, or nothing that should stay.
    pub(crate) fn end(&self) {
        let stage = self.stage.replace(Stage::None);
        if matches!(stage, Stage::Inside(_)) && self.link.borrow().is_some() {
            self.stage.set(stage);
            let ended = self.exchange(&[], "ROLLBACK");
            self.stage.set(Stage::None);
            if let Err(error) = ended {
                // A connection that is not known to be out of its transaction is of no use.
                drop(self.link.take());
                tracing::debug!(%error, "a transaction was ended by ending its connection");
            }
        }
    }

    /// Runs statements that answer nothing, in a transaction of kind `LongSnapshot` or none.
    pub(crate) fn execute_all(&self, sql: &str) -> Result<(), StoreError> {
        self.exchange(&[], sql).map(drop)
    }

    /// Calls `each` for every row that a statement finds, while they come.
    pub(crate) fn stream(
        &self,
        request: &Request<'_>,
        mut each: impl FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if let Stage::Opening(_) = self.stage.get() {
            self.ask(&[])?;
        }
        let mut link = self.link.borrow_mut();
        let link = link.as_mut().ok_or(StoreError::Lost)?;
        let streaming = async {
            let statement = link.statement(request, self.keeps()).await?;
            let mut rows = std::pin::pin!(link.rows(request, statement).await?);
            while let Some(row) = rows.try_next().await? {
                each(&row)?;
            }
            Ok(())
        };
        wait(streaming, self.patience(None)).ok_or(StoreError::TooSlow)?
    }

    /// One exchange: the transaction's beginning if it has not begun, the requests, and `last`.
    fn exchange(&self, requests: &[Request<'_>], last: &str) -> Result<Vec<Answer>, StoreError> {
        self.server.admit()?;
        let stage = self.stage.get();
        let opening = match stage {
            Stage::None => None,
            Stage::Opening(kind) => Some(kind),
            Stage::Inside(_) => {
                if self.link.borrow().is_none() {
                    return Err(StoreError::Lost);
                }
                None
            }
        };
        let mut answered = self.attempt(requests, opening, last);
        // A connection that died while nobody used it is found out by the first who does; nothing was
        // asked through it yet, so asking again through another is asking once.
        if matches!(answered, Err(StoreError::Lost)) && !matches!(stage, Stage::Inside(_)) && last != "COMMIT"
        {
            answered = self.attempt(requests, opening, last);
        }
        // It has begun also if what was asked with it failed: it must be ended, or the connection stays in it.
        // And also if the connection closed right after it answered: beginning again would mix what was
        // read under one lock with what is read under the next.
        if let Some(kind) = opening {
            self.stage.set(Stage::Inside(kind));
        }
        match &answered {
            Err(StoreError::Lost | StoreError::TooSlow) => {
                self.server.instruments().lost(self.role);
                self.server.told(1, false);
            }
            Ok(_) | Err(_) => self.server.told(1, true),
        }
        answered
    }

    fn attempt(
        &self,
        requests: &[Request<'_>],
        opening: Option<Kind>,
        last: &str,
    ) -> Result<Vec<Answer>, StoreError> {
        let patience = self.patience(opening);
        let mut place = self.link.borrow_mut();
        let link = place.take();
        let work = async {
            let mut link = match link.filter(|link| !link.client.is_closed()) {
                Some(link) => link,
                // Another connection knows nothing of the transaction, nor has it the lock.
                None if matches!(self.stage.get(), Stage::Inside(_)) => return Err(StoreError::Lost),
                None => self.connect().await?,
            };
            let answered = link.exchange(requests, &self.beginning(opening), last, self.keeps()).await;
            Ok::<_, StoreError>((link, answered))
        };
        // What is on its way can no longer be told from what will never come: the connection goes.
        let (link, answered) = wait(work, patience).ok_or(StoreError::TooSlow)??;
        let answered = answered.map_err(StoreError::from);
        if !matches!(answered, Err(StoreError::Lost)) && !link.client.is_closed() {
            *place = Some(link);
        }
        answered
    }

    async fn connect(&self) -> Result<Link, StoreError> {
        let client = self.server.connect(&self.schema).await?;
        if self.keeps() {
            client.batch_execute(&self.settings("SET").join("; ")).await?;
        }
        let counted = self.server.instruments().connected(self.role);
        Ok(Link { client, _counted: counted, kept: HashMap::new() })
    }

    fn keeps(&self) -> bool {
        self.server.config().statements == PreparedStatements::Kept
    }

    fn patience(&self, opening: Option<Kind>) -> Duration {
        let config = self.server.config();
        let waits = match opening {
            Some(Kind::LongSnapshot | Kind::LongBatch) => return Duration::from_hours(1),
            Some(Kind::Glance) => return GLANCE + config.replica_wait(),
            Some(Kind::Batch) => millis(config.lock_ms_max.get()),
            Some(Kind::Snapshot) | None => Duration::ZERO,
        };
        if matches!(self.stage.get(), Stage::Inside(Kind::LongSnapshot | Kind::LongBatch) | Stage::None) {
            return Duration::from_hours(1);
        }
        let connects = if opening.is_some() { millis(config.connect_ms_max.get()) } else { Duration::ZERO };
        millis(config.statement_ms_max.get()).max(connects) + waits + NETWORK
    }

    /// What holds for every transaction of this session.
    fn settings(&self, set: &str) -> Vec<String> {
        let config = self.server.config();
        vec![
            format!("{set} search_path TO \"{}\"", self.schema),
            format!("{set} statement_timeout TO {}", config.statement_ms_max),
            format!("{set} lock_timeout TO {}", config.lock_ms_max),
            format!("{set} idle_in_transaction_session_timeout TO {}", config.idle_in_transaction_ms_max),
        ]
    }

    /// What begins a transaction, in one message.
    fn beginning(&self, opening: Option<Kind>) -> String {
        let Some(kind) = opening else { return String::new() };
        let mut words = match kind {
            Kind::Batch | Kind::LongBatch => vec!["BEGIN ISOLATION LEVEL READ COMMITTED".to_owned()],
            Kind::Snapshot | Kind::Glance | Kind::LongSnapshot => {
                vec!["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned()]
            }
        };
        if !self.keeps() {
            words.extend(self.settings("SET LOCAL"));
        }
        match kind {
            Kind::Batch => {
                // Rows are asked for by key and nothing else: a plan made while a table was small, or
                // before it was analysed, must not read all of it.
                words.extend(
                    ["seqscan", "hashjoin", "mergejoin"]
                        .map(|plan| format!("SET LOCAL enable_{plan} TO off")),
                );
                // Each statement after it sees what the batch before it has committed.
                words.push(format!("SELECT pg_advisory_xact_lock({})", lock_number(&self.schema)));
            }
            Kind::Snapshot | Kind::Glance => {}
            Kind::LongSnapshot => words.extend(for_long()),
            Kind::LongBatch => {
                words.extend(for_long());
                words.push(format!("SELECT pg_advisory_xact_lock({})", lock_number(&self.schema)));
            }
        }
        words.join("; ")
    }
}

/// What a transaction may take that reads or writes a whole database, and waits for other places in between.
fn for_long() -> [String; 2] {
    ["statement_timeout TO 0", "idle_in_transaction_session_timeout TO '1h'"]
        .map(|set| format!("SET LOCAL {set}"))
}

/// The lock that all nodes take before they change anything in a schema.
fn lock_number(schema: &str) -> i64 {
    use sha2::{Digest, Sha256};
    let hash = Sha256::new_with_prefix(b"holdfast/writes/v1\n").chain_update(schema).finalize();
    i64::from_be_bytes(hash.first_chunk().copied().expect("a hash has 32 bytes"))
}

impl Link {
    /// Sends `beginning`, the requests and `last` without waiting in between, then waits for all.
    async fn exchange(
        &mut self,
        requests: &[Request<'_>],
        beginning: &str,
        last: &str,
        keeps: bool,
    ) -> Result<Vec<Answer>, Error> {
        let mut statements = Vec::new();
        for request in requests {
            statements.push(self.statement(request, keeps).await?);
        }
        let this = &*self;
        let begun: Found<'_> = Box::pin(this.words(beginning));
        let asked = requests.iter().zip(statements).map(|(request, statement)| -> Found<'_> {
            Box::pin(async move { collect(this.rows(request, statement).await?).await })
        });
        let ended: Found<'_> = Box::pin(this.words(last));
        let answers = in_order([begun].into_iter().chain(asked).chain([ended]).collect()).await;
        // The first failure is the cause; those after it only say that the transaction is no more.
        let mut answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        answers.remove(0);
        answers.pop();
        Ok(answers)
    }

    async fn words(&self, words: &str) -> Result<Answer, Error> {
        if !words.is_empty() {
            self.client.batch_execute(words).await?;
        }
        Ok(Answer::default())
    }

    /// The kept form of a request's statement, if statements are kept.
    async fn statement(&mut self, request: &Request<'_>, keeps: bool) -> Result<Option<Statement>, Error> {
        if !keeps {
            return Ok(None);
        }
        if let Some(statement) = self.kept.get(request.sql.as_ref()) {
            return Ok(Some(statement.clone()));
        }
        let statement = self.client.prepare_typed(&request.sql, &request.types()).await?;
        if self.kept.len() < KEPT_MAX {
            self.kept.insert(request.sql.clone().into_owned(), statement.clone());
        }
        Ok(Some(statement))
    }

    async fn rows(&self, request: &Request<'_>, statement: Option<Statement>) -> Result<RowStream, Error> {
        match statement {
            Some(statement) => self.client.query_raw(&statement, request.values.iter()).await,
            None => {
                let typed: Vec<(&Value<'_>, Type)> = request.values.iter().zip(request.types()).collect();
                self.client.query_typed_raw(&request.sql, typed).await
            }
        }
    }
}

async fn collect(rows: RowStream) -> Result<Answer, Error> {
    let mut rows = std::pin::pin!(rows);
    let mut found = Vec::new();
    while let Some(row) = rows.try_next().await? {
        found.push(row);
    }
    Ok(Answer { rows: found, touched: rows.rows_affected().unwrap_or_default() })
}

/// Runs all of them to their ends. Each is first polled after those before it: that is when it sends, so
/// the server is asked in this order.
async fn in_order(mut running: Vec<Found<'_>>) -> Vec<Result<Answer, Error>> {
    let mut ended: Vec<_> = running.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, end) in running.iter_mut().zip(&mut ended) {
            if end.is_none()
                && let Poll::Ready(answer) = future.as_mut().poll(cx)
            {
                *end = Some(answer);
            }
        }
        if ended.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    ended.into_iter().flatten().collect()
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("schema", &self.schema).finish_non_exhaustive()
    }
}
