//! Load as a country makes it: callers who come when they come, whatever became of those before them.
//!
//! Each thread of the generator has a loop of its own over its own connections; requests are written and
//! answers read as bytes. A latency counts from the moment at which the caller was meant to come, so a target that stands
//! still is seen to (the mistake called coordinated omission does not happen).

pub mod again;
mod answer;
mod arrivals;
pub mod blocking;
pub mod client;
mod connection;
pub mod dial;
pub mod ending;
mod engine;
pub mod following;
pub mod history;
mod hold;
pub mod journey;
mod knee;
mod live;
pub mod pause;
pub mod people;
pub mod proxy;
pub mod put_off;
mod record;
mod streams;
pub mod target;

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc, thread, time::Duration};

use anyhow::{Context, anyhow};
pub use arrivals::float;
pub use arrivals::{Arrivals, Phase, Spacing};
pub use hold::{Held, Hold, Kept, PORTS, hold};
pub use knee::{Knee, Search, Trial};
pub use live::Live;
pub use record::{Counts, Outcome, Record, Second, milliseconds};

use crate::{history::Commands, journey::Journey, people::People, target::Target};

/// How callers come.
#[derive(Debug, Clone)]
pub enum Shape {
    /// At a rate of their own.
    Open { phases: Vec<Phase>, spacing: Spacing },
    /// Each as soon as the one before on its connection has its answer: shows capacity, and hides what waiting is like.
    Closed { seconds: f64 },
}

/// What is asked, of whom, by whom, and how.
#[derive(Debug, Clone)]
pub struct Load {
    pub target: Target,
    /// Each with its share of all.
    pub journeys: Vec<(Arc<Journey>, u32)>,
    pub people: Arc<People>,
    pub shape: Shape,
    pub threads: usize,
    /// Connections of all threads together, at most.
    pub connections_max: usize,
    /// Requests at once on one connection.
    pub depth: usize,
    /// HTTP/2, from the first byte on where nothing is encrypted.
    pub http2: bool,
    /// How long a caller waits from the moment they were meant to come.
    pub patience: Duration,
    pub seed: u64,
    /// What names of new things begin with; no two runs on one target may have the same.
    pub names: String,
    /// The election that journeys vote in; empty if there is none.
    pub election: String,
    /// Where acknowledgements are kept, one file a thread; nowhere if there is none.
    pub history: Option<PathBuf>,
    /// The commands that may be acknowledged, of all loads with one history.
    pub commands: Commands,
    /// Addresses to come from, in turn; the system's choice if there are none.
    pub from: Vec<Ipv4Addr>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Ran {
    pub record: Record,
    /// How busy the busiest thread of the generator was, of one core.
    pub busy: f64,
    pub took: Duration,
}

/// How late the generator may be itself, in milliseconds, at its 99th percentile, before it is the limit.
pub const LAG_MS_MAX: f64 = 25.0;

impl Ran {
    /// Why this run says nothing about the target, if so.
    #[must_use]
    pub fn invalid(&self) -> Option<String> {
        let lag = self.record.lag_ms(99.0);
        (lag > LAG_MS_MAX).then(|| {
            format!(
                "the generator was {lag:.0} ms late itself (99th percentile, at most {LAG_MS_MAX:.0} are allowed), and \
                 {:.0} % busy",
                self.busy * 100.0
            )
        })
    }

    /// Why this run says nothing about the target, if so, because the target has a limit on whoever asks.
    #[must_use]
    pub fn limited(&self) -> Option<String> {
        let Counts { limited, offered, .. } = self.record.counts;
        (limited > 0).then(|| {
            format!(
                "the drill's own address is limited: {limited} of {offered} were refused because it asked too often (429); the target \
                 must let it ([networks] allowed)"
            )
        })
    }

    /// Good ends a second, as they came, over the whole run.
    #[must_use]
    pub fn goodput_per_s(&self) -> f64 {
        float(self.record.counts.good) / self.took.as_secs_f64()
    }
}

/// Runs a load to its end.
///
/// # Errors
/// When the generator cannot be set up, or a thread of it ends early.
pub fn run(load: &Load, live: &Arc<Live>) -> anyhow::Result<Ran> {
    run_from(load, live, &clock::Clock::System.stopwatch())
}

/// The same by somebody else's stopwatch, which just began: its times are those of the history.
///
/// # Errors
/// When the generator cannot be set up, or a thread of it ends early.
pub fn run_from(load: &Load, live: &Arc<Live>, stopwatch: &clock::Stopwatch) -> anyhow::Result<Ran> {
    let threads: Vec<_> = (0..load.threads)
        .map(|number| {
            let (load, live, stopwatch) = (load.clone(), Arc::clone(live), stopwatch.clone());
            thread::Builder::new()
                .name(format!("drill-load-{number}"))
                .spawn(move || match load.http2 || load.target.trust.is_some() {
                    true => streams::run(&load, number, &live, &stopwatch),
                    false => engine::run(&load, number, &live, &stopwatch),
                })
                .context("cannot start a thread")
        })
        .collect::<anyhow::Result<_>>()?;
    let mut ran = Ran { record: Record::default(), busy: 0.0, took: Duration::ZERO };
    for thread in threads {
        let (record, busy) = thread.join().map_err(|_| anyhow!("a thread of the generator panicked"))??;
        ran.record.merge(&record);
        ran.busy = ran.busy.max(busy);
    }
    ran.took = match &load.shape {
        // Who came last may still have waited; a run that was told to end is as long as it was.
        Shape::Open { phases, .. } => {
            let planned = phases.iter().map(|phase| phase.seconds).sum();
            stopwatch.elapsed().min(Duration::from_secs_f64(planned))
        }
        Shape::Closed { .. } => stopwatch.elapsed(),
    };
    Ok(ran)
}
