//! Traces: which parts of the way of a request took how long, sent to a collector in OTLP over HTTP.
//!
//! Few requests are traced, and the others pay for one look at a number. What happens inside of a traced request finds
//! its trace by the task it runs in ([`within`], [`span`]); callers and servers elsewhere by the field
//! `traceparent` (W3C Trace Context).

use std::{
    borrow::Cow,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use clock::Clock;
use opentelemetry::{
    Context, KeyValue, Value,
    trace::{
        Link, Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
        TraceState, Tracer, TracerProvider,
    },
};
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider},
};
use serde::{Deserialize, Serialize};

/// Spans that wait to be sent; more are dropped.
const WAITING_MAX: usize = 4096;
/// How long a collector may take for a batch.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// What is traced, and who is told.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TracesConfig {
    /// Where a collector takes OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`; nothing is traced without.
    pub endpoint: Option<String>,
    /// Of how many requests that nobody else has decided about, in thousandths.
    pub sampled_permille: u16,
    /// Are requests traced whose callers say so in `traceparent`? They cannot make it more than `per-second-max`.
    pub follows_callers: bool,
    pub per_second_max: u32,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self { endpoint: None, sampled_permille: 10, follows_callers: true, per_second_max: 200 }
    }
}

/// Traces that cannot be sent as configured.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("traces cannot be sent to {endpoint}: {error}")]
    Exporter { endpoint: String, error: ExporterBuildError },
    #[error("`{0}` is no place for traces: it begins with http:// or https://")]
    Endpoint(String),
    #[error(
        "a user and a password in the URL for traces would not be sent: what lets in goes into the variable OTEL_EXPORTER_OTLP_HEADERS"
    )]
    User,
    #[error("sampled-permille is {0}; at most all are traced, which is 1000")]
    Share(u16),
}

impl TracesConfig {
    /// Can they be used, as far as it can be told without a collector?
    ///
    /// # Errors
    /// When they cannot.
    pub fn check(&self) -> Result<(), TracesError> {
        if self.sampled_permille > 1000 {
            return Err(TracesError::Share(self.sampled_permille));
        }
        let is_url =
            |endpoint: &&String| ["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme));
        match &self.endpoint {
            Some(endpoint) if !is_url(&endpoint) => Err(TracesError::Endpoint(endpoint.clone())),
            Some(endpoint) if endpoint.contains('@') => Err(TracesError::User),
            Some(_) | None => Ok(()),
        }
    }
}

/// Those of the process.
static TRACES: OnceLock<Arc<Tracing>> = OnceLock::new();

/// Begins traces, for one collector.
#[derive(Debug)]
struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    config: TracesConfig,
    /// The second that is counted, and how many began in it.
    second: AtomicU64,
    begun: AtomicU64,
}

/// What the parts of a trace belong to; cheap to clone.
#[derive(Debug, Clone)]
pub struct Trace {
    tracing: Arc<Tracing>,
    context: SpanContext,
}

/// A part of a trace, until it is dropped.
#[derive(Debug)]
pub struct Span {
    span: opentelemetry_sdk::trace::Span,
    tracing: Arc<Tracing>,
}

tokio::task_local! {
    static CURRENT: Trace;
}

/// Does this with all of its parts in the trace of `span`.
pub async fn within<F: Future>(span: &Span, work: F) -> F::Output {
    CURRENT.scope(span.trace(), work).await
}

/// A part of the trace that the task is in, if it is in one.
#[must_use]
pub fn span(name: impl Into<Cow<'static, str>>) -> Option<Span> {
    CURRENT.try_with(|trace| trace.part(name.into(), SpanKind::Internal)).ok()
}

/// Starts tracing for the whole process, if there is a collector; `process` says what this is, and `region` where, if it
/// stands anywhere. A second call changes nothing.
///
/// # Errors
/// When the settings cannot be used.
pub fn start_traces(
    config: &TracesConfig,
    process: &'static str,
    version: &'static str,
    region: &str,
) -> Result<(), TracesError> {
    if let Some(tracing) = Tracing::new(config, process, version, region)? {
        let _first = TRACES.set(Arc::new(tracing));
    }
    Ok(())
}

/// Is anything traced in this process?
#[must_use]
pub fn is_tracing() -> bool {
    TRACES.get().is_some()
}

/// Begins the trace of a request, or goes on with that of its caller, if it is to be traced: `traceparent` is
/// what the caller sent, and `dice` throws any number that is not foreseen.
#[must_use]
pub fn begin(
    name: impl Into<Cow<'static, str>>,
    traceparent: Option<&[u8]>,
    dice: impl FnOnce() -> u64,
) -> Option<Span> {
    TRACES.get()?.begin(name.into(), traceparent, dice)
}

/// Begins the trace of a job, if it is to be traced: `cause` is the trace (as a `traceparent`) in which it was asked for, if
/// that is known. It is linked and not gone on with, as the conventions for messaging have it: the job may run hours after
/// its cause has ended, and again.
#[must_use]
pub fn begin_job(
    name: impl Into<Cow<'static, str>>,
    cause: Option<&str>,
    dice: impl FnOnce() -> u64,
) -> Option<Span> {
    TRACES.get()?.begin_job(name.into(), cause, dice)
}

/// Sends what waits; nothing is sent afterwards.
pub fn stop_traces() {
    if let Some(tracing) = TRACES.get()
        && let Err(error) = tracing.provider.shutdown()
    {
        tracing::warn!(code = "telemetry/traces-lost", %error, "the last traces could not be sent");
    }
}

impl Tracing {
    fn new(
        config: &TracesConfig,
        process: &'static str,
        version: &'static str,
        region: &str,
    ) -> Result<Option<Self>, TracesError> {
        config.check()?;
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .with_timeout(SEND_WITHIN)
            .build()
            .map_err(|error| TracesError::Exporter { endpoint: endpoint.clone(), error })?;
        let mut about = vec![KeyValue::new("service.version", version)];
        if !region.is_empty() {
            about.push(KeyValue::new("cloud.region", region.to_owned()));
        }
        let batches = BatchConfigBuilder::default().with_max_queue_size(WAITING_MAX).build();
        let provider = SdkTracerProvider::builder()
            // Whether it is worth it was decided before anything was made.
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(Resource::builder().with_service_name(process).with_attributes(about).build())
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .build();
        let tracer = provider.tracer("holdfast");
        let (second, begun) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Some(Self { provider, tracer, config: config.clone(), second, begun }))
    }

    fn begin(
        self: &Arc<Self>,
        name: Cow<'static, str>,
        traceparent: Option<&[u8]>,
        dice: impl FnOnce() -> u64,
    ) -> Option<Span> {
        let caller = traceparent.and_then(read_traceparent).filter(|_| self.config.follows_callers);
        let wanted = match &caller {
            Some(caller) => caller.is_sampled(),
            None => self.chosen(dice),
        };
        if !wanted || !self.may_begin() {
            return None;
        }
        let parent =
            caller.map_or_else(Context::new, |caller| Context::new().with_remote_span_context(caller));
        let builder = self.tracer.span_builder(name).with_kind(SpanKind::Server);
        let span = self.tracer.build_with_context(builder, &parent);
        Some(Span { span, tracing: self.clone() })
    }

    fn begin_job(
        self: &Arc<Self>,
        name: Cow<'static, str>,
        cause: Option<&str>,
        dice: impl FnOnce() -> u64,
    ) -> Option<Span> {
        let cause =
            cause.and_then(|cause| read_traceparent(cause.as_bytes())).filter(SpanContext::is_sampled);
        // Whoever looks at the cause wants to see what came of it.
        let wanted = cause.is_some() || self.chosen(dice);
        if !wanted || !self.may_begin() {
            return None;
        }
        let links = cause.into_iter().map(Link::with_context).collect();
        let builder = self.tracer.span_builder(name).with_kind(SpanKind::Consumer).with_links(links);
        let span = self.tracer.build_with_context(builder, &Context::new());
        Some(Span { span, tracing: self.clone() })
    }

    /// Is it of those that are traced without anybody asking?
    fn chosen(&self, dice: impl FnOnce() -> u64) -> bool {
        dice() % 1000 < u64::from(self.config.sampled_permille)
    }

    /// Has this second room for another?
    fn may_begin(&self) -> bool {
        let now = Clock::System.now().seconds();
        if self.second.swap(now, Relaxed) != now {
            self.begun.store(0, Relaxed);
        }
        self.begun.fetch_add(1, Relaxed) < u64::from(self.config.per_second_max)
    }
}

impl Trace {
    fn part(&self, name: Cow<'static, str>, kind: SpanKind) -> Span {
        let parent = Context::new().with_remote_span_context(self.context.clone());
        let tracer = &self.tracing.tracer;
        let span = tracer.build_with_context(tracer.span_builder(name).with_kind(kind), &parent);
        Span { span, tracing: self.tracing.clone() }
    }
}

impl Span {
    /// Says more of it; names are those of the OpenTelemetry conventions where they have one. Nothing personal.
    pub fn say(&mut self, name: &'static str, value: impl Into<Value>) {
        self.span.set_attribute(KeyValue::new(name, value.into()));
    }

    /// It did not end well; why, in the words of a code.
    pub fn failed(&mut self, code: &'static str) {
        self.span.set_status(Status::error(code));
    }

    /// Another name, once it is known.
    pub fn rename(&mut self, name: String) {
        self.span.update_name(name);
    }

    /// What its parts belong to.
    #[must_use]
    pub fn trace(&self) -> Trace {
        Trace { tracing: self.tracing.clone(), context: self.span.span_context().clone() }
    }

    /// As `traceparent`, for whoever does a part of it elsewhere.
    #[must_use]
    pub fn traceparent(&self) -> String {
        let context = self.span.span_context();
        format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags())
    }
}

/// Reads the field of a caller (W3C Trace Context, level 1, section 3.2); nothing if it is none.
fn read_traceparent(field: &[u8]) -> Option<SpanContext> {
    let text = std::str::from_utf8(field).ok()?;
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let sound = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    // Later versions may say more behind; this one does not, and `ff` is none.
    if !sound || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn traces(config: &TracesConfig) -> Arc<Tracing> {
        // Nobody listens there, and nobody minds.
        let endpoint = Some("http://127.0.0.1:9/v1/traces".to_owned());
        let tracing = Tracing::new(&TracesConfig { endpoint, ..config.clone() }, "test", "0", "");
        Arc::new(tracing.expect("it can be used").expect("it has a collector"))
    }

    fn begins(traces: &Arc<Tracing>, traceparent: Option<&str>, dice: u64) -> bool {
        traces.begin("x".into(), traceparent.map(str::as_bytes), || dice).is_some()
    }

    #[test]
    fn what_lets_in_at_a_collector_does_not_stand_in_its_url() {
        let check = |endpoint: &str| {
            TracesConfig { endpoint: Some(endpoint.to_owned()), ..TracesConfig::default() }.check()
        };
        let told =
            check("https://ada:s3cret@collector/v1/traces").expect_err("it would not be sent").to_string();
        assert!(told.contains("OTEL_EXPORTER_OTLP_HEADERS") && !told.contains("s3cret"), "{told}");
        assert!(check("https://collector/v1/traces").is_ok());
    }

    #[test]
    fn callers_are_followed_in_what_they_decided_and_no_further_than_is_allowed() {
        let some = traces(&TracesConfig {
            sampled_permille: 500,
            per_second_max: 1_000_000,
            ..TracesConfig::default()
        });
        assert!(begins(&some, None, 499) && !begins(&some, None, 500));
        assert!(begins(&some, Some(CALLER), 999), "the caller decides");
        assert!(!begins(&some, Some(&CALLER.replace("-01", "-00")), 0), "the caller decides");
        assert!(begins(&some, Some("nonsense"), 0) && !begins(&some, Some("nonsense"), 999));
        let none =
            traces(&TracesConfig { follows_callers: false, sampled_permille: 0, ..TracesConfig::default() });
        assert!(!begins(&none, Some(CALLER), 0));
        let few = traces(&TracesConfig { per_second_max: 3, ..TracesConfig::default() });
        assert!(
            (0..100).filter(|_| begins(&few, Some(CALLER), 0)).count() <= 6,
            "two seconds may be touched"
        );
        let without = Tracing::new(&TracesConfig::default(), "test", "0", "").expect("it can be used");
        assert!(without.is_none(), "without a collector nothing is traced");
    }

    #[tokio::test]
    async fn parts_belong_to_the_trace_of_their_task() {
        let traces = traces(&TracesConfig::default());
        assert!(span("outside").is_none());
        let whole = traces.begin("whole".into(), Some(CALLER.as_bytes()), || 0).expect("it is sampled");
        assert!(whole.traceparent().starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
        assert_ne!(whole.traceparent(), CALLER);
        let part = within(&whole, async { span("part").map(|part| part.traceparent()) }).await;
        let part = part.expect("it is inside");
        assert!(part.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && part != whole.traceparent());
    }

    #[test]
    fn a_job_whose_cause_is_traced_is_traced_in_a_trace_of_its_own() {
        let traces = traces(&TracesConfig { sampled_permille: 500, ..TracesConfig::default() });
        let job = traces.begin_job("job".into(), Some(CALLER), || 999).expect("its cause is traced");
        assert!(!job.traceparent().contains("0af7651916cd43dd8448eb211c80319c"), "{job:?}");
        let unsampled = CALLER.replace("-01", "-00");
        for cause in [None, Some("nonsense"), Some(unsampled.as_str())] {
            let begins = |dice| traces.begin_job("job".into(), cause, || dice).is_some();
            assert!(begins(499) && !begins(500), "{cause:?}: nobody has decided about it");
        }
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for text in [
            "",
            "00",
            "00-0-0-0",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert!(read_traceparent(text.as_bytes()).is_none(), "{text}");
        }
        assert!(read_traceparent(format!("{}-more", CALLER.replace("00-", "01-")).as_bytes()).is_some());
    }
}
