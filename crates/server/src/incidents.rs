//! What the front did against somebody, passed on: to the ledger, aggregated, and to the operators' webhook.

use std::{collections::VecDeque, time::Duration};

use clock::{Clock, Stopwatch};
use edge::{Front, Incident};
use identity::{Identity, RecordIncidents};
use telemetry::{
    Metrics,
    instruments::{counter::Counter, gauge::Gauge},
};
use tokio::sync::watch;

use crate::webhook::Webhook;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An entry a minute, however much happens; what somebody did by hand is recorded at once.
const RECORD_EVERY: Duration = Duration::from_secs(60);
/// Incidents that wait for their entry while the ledger is away.
const WAITING_MAX: usize = 10_000;

/// Records incidents in the ledger.
struct Recorder {
    identity: Identity,
    waiting: VecDeque<Incident>,
    last: Option<Stopwatch>,
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

/// Passes on what happens until told to stop.
pub(crate) async fn pass_on(
    front: Front,
    identity: Identity,
    webhook: Webhook,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let instruments = Instruments::register(&metrics);
    let mut recorder = Recorder { identity, waiting: VecDeque::new(), last: None, instruments };
    let mut lost = 0;
    loop {
        let stopped = *stop.borrow();
        let due = front.incidents().due();
        webhook.offer(&due);
        recorder.take(due);
        let lost_now = front.incidents().lost();
        recorder.instruments.dropped.inc_by(lost_now - std::mem::replace(&mut lost, lost_now));
        recorder.record(stopped).await;
        if stopped {
            return;
        }
        drop(tokio::time::timeout(LOOK_EVERY, stop.wait_for(|stop| *stop)).await);
    }
}

/// The same without a ledger, as at a gateway.
pub(crate) async fn tell(front: Front, webhook: Webhook, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        drop(tokio::time::timeout(LOOK_EVERY, stop.wait_for(|stop| *stop)).await);
        webhook.offer(&front.incidents().due());
    }
}

impl Recorder {
    fn take(&mut self, due: Vec<Incident>) {
        self.waiting.extend(due);
        let beyond = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..beyond);
        self.instruments.dropped.inc_by(u64::try_from(beyond).unwrap_or(u64::MAX));
    }

    /// Gives the command if it is time to.
    async fn record(&mut self, at_once: bool) {
        let by_hand = self.waiting.iter().any(|incident| incident.by.is_some());
        let due = self.last.as_ref().is_none_or(|last| last.elapsed() >= RECORD_EVERY);
        if !self.waiting.is_empty() && (at_once || by_hand || due) {
            let command = RecordIncidents::of(self.waiting.make_contiguous());
            match self.identity.record(command).await {
                Ok(()) => {
                    let recorded = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
                    self.instruments.recorded.inc_by(recorded);
                    self.waiting.clear();
                }
                // They wait for the next time.
                Err(problem) => {
                    let code = problem.code().to_owned();
                    tracing::warn!(
                        code = "server/incidents-wait",
                        problem = code,
                        "incidents could not be recorded"
                    );
                }
            }
            self.last = Some(Clock::System.stopwatch());
        }
        self.instruments.waiting.set(i64::try_from(self.waiting.len()).unwrap_or(i64::MAX));
    }
}
