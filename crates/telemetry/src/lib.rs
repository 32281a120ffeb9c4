//! Logs and metrics, set up once: one line of JSON an event, one registry a process.

mod control_group;
mod logs;
mod metrics;
mod process;
mod traces;

pub use control_group::{control_groups, memory_allowed};
pub use logs::{LogConfig, LogFormat, start_logs};
pub use metrics::{Metrics, seconds_buckets};
pub use process::resident_bytes;
pub use traces::{
    Span, Trace, TracesConfig, TracesError, begin, begin_job, is_tracing, span, start_traces, stop_traces,
    within,
};
// Named here once, so that every crate counts with the same library.
pub use prometheus_client::{encoding::EncodeLabelSet, metrics as instruments, registry::Registry};
