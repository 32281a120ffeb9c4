//! What the front did against somebody, passed on: to the ledger, aggregated, and to the operators' webhook.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clock::{Clock, Stopwatch};
use edge::{Front, Incident};
use identity::{Identity, RecordIncidents};
use telemetry::{
    Metrics,
    instruments::{counter::Counter, gauge::Gauge},
};
use tokio::sync::watch;
use webhook::Webhook;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An entry a minute, however much happens; what somebody did by hand is recorded at once.
const RECORD_EVERY: Duration = Duration::from_secs(60);
/// Incidents that wait for their entry while the ledger is away.
const WAITING_MAX: usize = 10_000;

/// Records incidents in the ledger.
struct Recorder {
    identity: Identity,
    last: Option<Stopwatch>,
    /// The last attempt did: who failed tries again in its time, whatever waits.
    failed: bool,
    waiting: Arc<Waiting>,
}

/// Incidents that wait for their entry.
#[derive(Debug)]
struct Waiting {
    incidents: Mutex<VecDeque<Incident>>,
    instruments: Instruments,
}

#[derive(Debug, Clone, Default)]
struct Instruments {
    recorded: Counter,
    dropped: Counter,
    waiting: Gauge,
}

impl Instruments {
    fn register(metrics: &Metrics) -> Self {
        let this = Self::default();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("incidents");
            registry.register("recorded", "Incidents that stand in the ledger", this.recorded.clone());
            registry.register("dropped", "Incidents that were never recorded", this.dropped.clone());
            registry.register("waiting", "Incidents that wait for their entry", this.waiting.clone());
        });
        this
    }
}

/// Passes on what happens until told to stop. The webhook hears of it also while the ledger takes nothing.
pub(crate) async fn pass_on(
    front: Front,
    identity: Identity,
    webhook: Webhook,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let (incidents, instruments) = (Mutex::default(), Instruments::register(&metrics));
    let waiting = Arc::new(Waiting { incidents, instruments });
    let recorder = Recorder { identity, last: None, failed: false, waiting: waiting.clone() };
    let (over, is_over) = watch::channel(false);
    let collecting = async move {
        let mut lost = 0;
        loop {
            let stopped = *stop.borrow();
            let due = front.incidents().due();
            webhook.offer(&due);
            let lost_now = front.incidents().lost();
            waiting.instruments.dropped.inc_by(lost_now - std::mem::replace(&mut lost, lost_now));
            waiting.take(due);
            if stopped {
                break;
            }
            drop(tokio::time::timeout(LOOK_EVERY, stop.wait_for(|stop| *stop)).await);
        }
        over.send_replace(true);
    };
    tokio::join!(collecting, recorder.run(is_over));
}

/// The same without a ledger, as at a gateway.
pub(crate) async fn tell(front: Front, webhook: Webhook, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        drop(tokio::time::timeout(LOOK_EVERY, stop.wait_for(|stop| *stop)).await);
        webhook.offer(&front.incidents().due());
    }
}

impl Waiting {
    fn take(&self, due: Vec<Incident>) {
        let mut incidents = self.lock();
        incidents.extend(due);
        let beyond = incidents.len().saturating_sub(WAITING_MAX);
        incidents.drain(..beyond);
        self.instruments.dropped.inc_by(u64::try_from(beyond).unwrap_or(u64::MAX));
    }

    /// All of them, put aside.
    fn take_all(&self) -> Vec<Incident> {
        self.lock().drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Incident>> {
        self.incidents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Records until nothing more comes.
    async fn run(mut self, mut is_over: watch::Receiver<bool>) {
        loop {
            let last = *is_over.borrow();
            if self.is_due(last) {
                self.record().await;
            }
            let waiting = self.waiting.lock().len();
            self.waiting.instruments.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
            if last {
                return;
            }
            drop(tokio::time::timeout(LOOK_EVERY, is_over.wait_for(|over| *over)).await);
        }
    }

    fn is_due(&self, last: bool) -> bool {
        let waiting = self.waiting.lock();
        let by_hand = waiting.iter().any(|incident| incident.by.is_some());
        let due = self.last.as_ref().is_none_or(|last| last.elapsed() >= RECORD_EVERY);
        !waiting.is_empty() && (last || due || (by_hand && !self.failed))
    }

    /// Gives the command.
    async fn record(&mut self) {
        let incidents = self.waiting.take_all();
        let recorded = self.identity.record(RecordIncidents::of(&incidents)).await;
        self.failed = recorded.is_err();
        match recorded {
            Ok(()) => {
                let recorded = u64::try_from(incidents.len()).unwrap_or(u64::MAX);
                self.waiting.instruments.recorded.inc_by(recorded);
            }
            // They wait for the next time.
            Err(problem) => {
                let problem = problem.code();
                tracing::warn!(code = "server/incidents-wait", problem, "incidents could not be recorded");
                self.waiting.take(incidents);
            }
        }
        self.last = Some(Clock::System.stopwatch());
    }
}
