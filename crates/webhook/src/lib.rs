//! The operators' webhook: what happens is sent to them, signed, from a queue that is bounded and keeps nobody waiting.

mod config;
mod deliver;
mod error;
mod events;
mod http;
mod queue;

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clock::Clock;
use edge::Incident;
use seal::Keys;
use serde::Serialize;
use signatures::{Algorithm, SigningKey};
use telemetry::{
    Metrics,
    instruments::{counter::Counter, gauge::Gauge},
};
use tokio::sync::{Notify, watch};

pub use config::WebhookConfig;
use deliver::Deliverer;
pub use error::WebhookError;
pub use http::operator_routes;
use queue::Queue;

/// Events in one message.
const BATCH_MAX: usize = 64;
/// How long a process that ends still tries.
const LAST_MAX: Duration = Duration::from_secs(2);

/// A handle to it; nothing is sent if the settings name no place to send it to.
#[derive(Debug, Clone)]
pub struct Webhook(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    config: WebhookConfig,
    deliverer: Deliverer,
    /// Whose events they are.
    source: String,
    key: SigningKey,
    queue: Mutex<Queue>,
    grown: Notify,
    instruments: Instruments,
    last_failure: Mutex<Option<String>>,
}

#[derive(Debug, Clone, Default)]
struct Instruments {
    sent: Counter,
    failed: Counter,
    dropped: Counter,
    queued: Gauge,
}

/// How it stands, for operators.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookState {
    url: String,
    key_id: String,
    /// What its signatures are verified with; absent if it is a secret.
    public_key: Option<String>,
    algorithm: &'static str,
    queued: usize,
    sent: u64,
    failed: u64,
    dropped: u64,
    last_failure: Option<String>,
}

impl Instruments {
    fn register(metrics: &Metrics) -> Self {
        let this = Self::default();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("webhook");
            registry.register("sent", "Events that the operators' webhook took", this.sent.clone());
            registry.register("failed", "Messages that it did not take", this.failed.clone());
            registry.register("dropped", "Events that were given up", this.dropped.clone());
            registry.register("queued", "Events that wait to be sent", this.queued.clone());
        });
        this
    }
}

impl Webhook {
    /// As the settings have it, with the events of `source`. Without a key of its own it signs with one that is derived from
    /// these.
    ///
    /// # Errors
    /// When it could not be sent to.
    pub fn open(
        config: &WebhookConfig,
        source: &str,
        keys: Option<&Keys>,
        metrics: &Metrics,
    ) -> Result<Self, WebhookError> {
        let config = config.clone();
        let Some(url) = config.url.clone() else { return Ok(Self(None)) };
        let key = match (&config.key_file, keys) {
            (Some(file), _) => read_key(file)?,
            (None, Some(keys)) => SigningKey::from_seed(keys.derive("webhook signing", b"").as_bytes())?,
            (None, None) => return Err(WebhookError::NoKey),
        };
        Ok(Self(Some(Arc::new(Inner {
            queue: Mutex::new(Queue::new(config.queue_max)),
            deliverer: Deliverer::new(url, &config)?,
            config,
            source: format!("//{source}"),
            key,
            grown: Notify::new(),
            instruments: Instruments::register(metrics),
            last_failure: Mutex::default(),
        }))))
    }

    /// Takes what has happened, as far as there is room.
    pub fn offer(&self, incidents: &[Incident]) {
        let Some(inner) = self.0.as_ref().filter(|_| !incidents.is_empty()) else { return };
        let events = incidents.iter().map(|incident| events::event(incident, &inner.source, &Clock::System));
        let dropped = inner.queue().offer(events);
        inner.instruments.dropped.inc_by(dropped);
        inner.grown.notify_one();
    }

    /// Sends until told to stop, and then once more.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let Some(inner) = self.0 else { return };
        while !*stop.borrow() {
            inner.instruments.queued.set(i64::try_from(inner.queue().len()).unwrap_or(i64::MAX));
            let wait = inner.queue().wait_until_due(&Clock::System);
            let waiting = async {
                match wait {
                    Some(Duration::ZERO) => {}
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => inner.grown.notified().await,
                }
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                () = waiting => {}
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                () = inner.send_some() => {}
            }
        }
        let last = async {
            // Whoever passes incidents on may have some more to say at the end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            inner.send_some().await;
        };
        if inner.queue().len() > 0 {
            drop(tokio::time::timeout(LAST_MAX, last).await);
        }
    }

    pub fn state(&self) -> Option<WebhookState> {
        let inner = self.0.as_ref()?;
        let Instruments { sent, failed, dropped, .. } = &inner.instruments;
        Some(WebhookState {
            url: inner.config.url.as_ref().map(|url| console::origin(&url.to_string())).unwrap_or_default(),
            key_id: inner.config.key_id.clone(),
            public_key: inner.key.public_key(),
            algorithm: inner.key.algorithm().name(),
            queued: inner.queue().len(),
            sent: sent.get(),
            failed: failed.get(),
            dropped: dropped.get(),
            last_failure: inner.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        })
    }
}

/// Could it be sent to, by a process that has keys of its own or none?
///
/// # Errors
/// When it could not; without a URL nothing has to be sent.
pub fn check(config: &WebhookConfig, has_keys: bool) -> Result<(), WebhookError> {
    let Some(url) = config.url.clone() else { return Ok(()) };
    match &config.key_file {
        Some(file) => drop(read_key(file)?),
        None if has_keys => {}
        None => return Err(WebhookError::NoKey),
    }
    Deliverer::new(url, config).map(drop)
}

fn read_key(file: &Path) -> Result<SigningKey, WebhookError> {
    let unreadable = |source| WebhookError::Unreadable { path: file.to_owned(), source };
    Ok(SigningKey::read(Algorithm::Ed25519, &fs::read_to_string(file).map_err(unreadable)?)?)
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the oldest, and tells the queue how it went.
    async fn send_some(&self) {
        let batch = self.queue().oldest(BATCH_MAX);
        if batch.is_empty() {
            return;
        }
        let body = events::batch(&batch);
        let outcome = self.deliverer.deliver(body, &self.key, &self.config.key_id).await;
        let count = batch.len();
        let events = u64::try_from(count).unwrap_or(u64::MAX);
        match outcome {
            Ok(()) => {
                self.queue().sent(count);
                self.instruments.sent.inc_by(events);
                *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            Err(error) => {
                let error = error.to_string();
                tracing::warn!(
                    code = "server/webhook-failed",
                    error,
                    "the webhook did not take what happened"
                );
                self.instruments.failed.inc();
                let given_up = self.queue().failed(count, &self.config, &Clock::System);
                self.instruments.dropped.inc_by(given_up);
                *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }
    }
}
