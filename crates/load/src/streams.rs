//! The generator for HTTP/2 and for whatever is encrypted: the protocols by a library, one runtime a thread.
//!
//! It costs several times as much as the loop for bare HTTP/1.1, and its timer has a grain of a millisecond; both are in
//! the lag that is reported.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use clock::Stopwatch;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::time::{ClockId, clock_gettime};
use tokio::{task::LocalSet, time};

use super::{Arrivals, Live, Load, Outcome, Record, Shape};
use crate::{
    dial::dial,
    history::{Historian, may_have_happened},
    journey::Source,
};

const TELL_EVERY: Duration = Duration::from_millis(100);

/// What all callers of a thread share.
struct Shared {
    load: Load,
    stopwatch: Stopwatch,
    names: String,
    record: RefCell<Record>,
    historian: RefCell<Historian>,
    lines: RefCell<Lines>,
    inside: RefCell<usize>,
}

/// Connections: those that many use at once, and those that one uses at a time.
#[derive(Default)]
struct Lines {
    together: VecDeque<http2::SendRequest<Full<Bytes>>>,
    alone: Vec<http1::SendRequest<Full<Bytes>>>,
}

/// Runs the share of one thread, as the other generator does.
pub(super) fn run(
    load: &Load,
    number: usize,
    live: &Live,
    stopwatch: &Stopwatch,
) -> anyhow::Result<(Record, f64)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = Rc::new(Shared {
        load: load.clone(),
        stopwatch: stopwatch.clone(),
        names: format!("{}-{number}-", load.names),
        record: RefCell::default(),
        historian: RefCell::new(Historian::open(load, number)?),
        lines: RefCell::default(),
        inside: RefCell::default(),
    });
    let began = stopwatch.elapsed();
    LocalSet::new().block_on(&runtime, come(&shared, number, live));
    let cpu = clock_gettime(ClockId::ThreadCPUTime);
    let cpu = Duration::new(u64::try_from(cpu.tv_sec)?, u32::try_from(cpu.tv_nsec)?);
    let wall = stopwatch.elapsed().saturating_sub(began).as_secs_f64();
    drop(runtime);
    let shared = Rc::into_inner(shared).context("every caller has gone")?;
    shared.historian.borrow_mut().finish()?;
    Ok((shared.record.into_inner(), cpu.as_secs_f64() / wall.max(1e-9)))
}

async fn come(shared: &Rc<Shared>, number: usize, live: &Live) {
    let load = &shared.load;
    let mut dice = StdRng::seed_from_u64(load.seed ^ 0x51ed_270b ^ ((number as u64) << 40));
    let mut told = (0, 0);
    let mut count = 0;
    match &load.shape {
        Shape::Open { phases, spacing } => {
            for at in Arrivals::new(phases, *spacing, load.seed, number, load.threads) {
                let early = at.saturating_sub(shared.stopwatch.elapsed());
                if !early.is_zero() {
                    time::sleep(early).await;
                }
                shared.record.borrow_mut().taken_up(at, shared.stopwatch.elapsed());
                if live.is_stopped() {
                    break;
                }
                count += 1;
                tokio::task::spawn_local(visit(
                    Rc::clone(shared),
                    at,
                    count,
                    dice.random_range(0..usize::MAX),
                ));
                *shared.inside.borrow_mut() += 1;
                if count.is_multiple_of(64) {
                    tell(shared, live, &mut told);
                    // The runtime's own work must not wait for a crowd to end.
                    tokio::task::yield_now().await;
                }
            }
        }
        Shape::Closed { seconds } => {
            let callers = (load.connections_max / load.threads).max(1) * load.depth;
            for caller in 0..callers {
                *shared.inside.borrow_mut() += 1;
                let until = Duration::from_secs_f64(*seconds);
                tokio::task::spawn_local(again(Rc::clone(shared), caller as u64, until));
            }
        }
    }
    while *shared.inside.borrow() > 0 {
        time::sleep(TELL_EVERY).await;
        tell(shared, live, &mut told);
    }
    tell(shared, live, &mut told);
}

fn tell(shared: &Shared, live: &Live, told: &mut (u64, u64)) {
    let counts = shared.record.borrow().counts;
    let bad = |offered: u64, good: u64| offered - good;
    live.add(
        counts.offered - told.0,
        counts.good - told.1,
        bad(counts.offered, counts.good) - bad(told.0, told.1),
    );
    *told = (counts.offered, counts.good);
}

/// One of a closed loop.
async fn again(shared: Rc<Shared>, caller: u64, until: Duration) {
    let mut count = caller << 32;
    while shared.stopwatch.elapsed() < until {
        count += 1;
        *shared.inside.borrow_mut() += 1;
        let drawn = usize::try_from(count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1).unwrap_or_default();
        visit(Rc::clone(&shared), shared.stopwatch.elapsed(), count, drawn).await;
    }
    *shared.inside.borrow_mut() -= 1;
}

async fn visit(shared: Rc<Shared>, intended: Duration, number: u64, drawn: usize) {
    let load = &shared.load;
    let all: u32 = load.journeys.iter().map(|(_, weight)| *weight).sum();
    let mut share = u32::try_from(drawn % usize::try_from(all.max(1)).unwrap_or(1)).unwrap_or_default();
    let mut which = 0;
    while which + 1 < load.journeys.len() && share >= load.journeys[which].1 {
        share -= load.journeys[which].1;
        which += 1;
    }
    let journey = &load.journeys[which].0;
    let left = (intended + load.patience).saturating_sub(shared.stopwatch.elapsed());
    let mut step = 0;
    let walked = time::timeout(left, shared.walk(which, drawn, number, &mut step)).await;
    let now = shared.stopwatch.elapsed();
    let outcome = match walked {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => {
            shared.record.borrow_mut().example(|| format!("{error:#}"));
            Outcome::Unknown
        }
        Err(_) => Outcome::Unknown,
    };
    if outcome == Outcome::Unknown
        && let Some(command) = journey.steps.get(step).and_then(|step| step.acknowledges.as_deref())
    {
        shared.historian.borrow_mut().unknown(command, now);
    }
    shared.record.borrow_mut().ended(intended, now, outcome, load.patience);
    *shared.inside.borrow_mut() -= 1;
}

impl Shared {
    async fn walk(&self, which: usize, drawn: usize, number: u64, at: &mut usize) -> anyhow::Result<Outcome> {
        let journey = &self.load.journeys[which].0;
        let person = self.load.people.one(journey.people, drawn);
        let fresh = format!("{}{number}", self.names);
        let mut kept = Vec::new();
        for (index, step) in journey.steps.iter().enumerate() {
            *at = index;
            let source = Source { person, fresh: &fresh, election: &self.load.election, kept: &kept };
            let mut request = Request::builder().method(step.method.as_str());
            for (name, value) in &step.fields {
                request = request.header(name, value.filled(&source));
            }
            let body = step.body.as_ref().map_or_else(String::new, |body| body.filled(&source));
            let path = step.path.filled(&source);
            let (status, bytes) = self.ask(request, &path, Bytes::from(body)).await?;
            if let Some(command) = step.acknowledges.as_deref()
                && may_have_happened(status, &bytes)
            {
                self.historian.borrow_mut().unknown(command, self.stopwatch.elapsed());
            }
            match status {
                status if step.expect.contains(&status) => {}
                status @ (429 | 503) => return Ok(Outcome::of_unexpected(status)),
                status => {
                    let text = || format!("{} of {} gave {status}", step.method, journey.name);
                    self.record.borrow_mut().example(text);
                    return Ok(Outcome::Wrong);
                }
            }
            if step.acknowledges.is_some() || !step.keep.is_empty() {
                let now = self.stopwatch.elapsed();
                let known = self.historian.borrow_mut().acknowledge(step, person, &bytes, now, &mut kept);
                if known.is_none() {
                    return Ok(Outcome::Wrong);
                }
            }
        }
        Ok(Outcome::Good)
    }

    async fn ask(
        &self,
        request: http::request::Builder,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(u16, Bytes)> {
        self.record.borrow_mut().requests += 1;
        let many = self.load.http2 || self.load.target.trust.is_some();
        if many && let Some(mut line) = self.together().await? {
            let scheme = if self.load.target.trust.is_some() { "https" } else { "http" };
            let uri = format!("{scheme}://{}{path}", self.load.target.host);
            let answer = line.send_request(request.uri(uri).body(Full::from(body))?).await?;
            let status = answer.status().as_u16();
            return Ok((status, answer.into_body().collect().await?.to_bytes()));
        }
        let known = self.lines.borrow_mut().alone.pop();
        let mut line = match known {
            Some(line) => line,
            None => {
                let (stream, _) = dial(&self.load.target, true).await?;
                let (line, connection) = http1::handshake(TokioIo::new(stream)).await?;
                tokio::task::spawn_local(connection);
                line
            }
        };
        line.ready().await?;
        let request = request.uri(path).header(http::header::HOST, &self.load.target.host);
        let answer = line.send_request(request.body(Full::from(body))?).await?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await?.to_bytes();
        self.lines.borrow_mut().alone.push(line);
        Ok((status, bytes))
    }

    /// A connection that many use at once, each in its turn; nothing if the target speaks no HTTP/2.
    async fn together(&self) -> anyhow::Result<Option<http2::SendRequest<Full<Bytes>>>> {
        let most = (self.load.connections_max / self.load.threads).max(1);
        let wanted = {
            let mut lines = self.lines.borrow_mut();
            lines.together.retain(|line| !line.is_closed());
            // A new one whenever those there are have `depth` callers each.
            let callers = *self.inside.borrow();
            let wanted = lines.together.len() < most && callers > lines.together.len() * self.load.depth;
            if !wanted && let Some(line) = lines.together.pop_front() {
                lines.together.push_back(line.clone());
                return Ok(Some(line));
            }
            wanted
        };
        debug_assert!(wanted || self.lines.borrow().together.is_empty(), "a line was there");
        let (stream, second) = dial(&self.load.target, false).await?;
        if self.load.target.trust.is_some() && !second {
            return Ok(None);
        }
        let (line, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::task::spawn_local(connection);
        self.lines.borrow_mut().together.push_back(line.clone());
        Ok(Some(line))
    }
}
