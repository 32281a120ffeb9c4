//! One request on its way through a pool: attempts, one after the other or, if asked for, side by side.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::request::Parts;

use crate::{
    answer_head::{AnswerHead, Asked},
    exchange::{Exchange, Outgoing},
    fault::Fault,
    gateway::{Gateway, dice},
    line::Line,
    pool::{Chosen, Pool},
    streams::{self, Following},
    upstream::InFlight,
};

/// An answer whose head has come.
pub(crate) struct Arrived {
    pub(crate) head: AnswerHead,
    pub(crate) rest: Rest,
    pub(crate) in_flight: InFlight,
}

/// Where what follows the head comes from.
pub(crate) enum Rest {
    Line(Exchange),
    Stream(Following),
}

/// The head of a request, in what its upstream speaks.
pub(crate) enum Told {
    Http1(Bytes),
    Http2(Box<Parts>),
}

/// A request, as it is sent to whoever takes it.
pub(crate) struct Trip<'g> {
    pub(crate) gateway: &'g Gateway,
    pub(crate) pool: Arc<Pool>,
    pub(crate) told: Told,
    pub(crate) asked: Asked,
    /// What stays together when requests are balanced by hash.
    pub(crate) key: u64,
    /// It may happen twice (RFC 9110, section 9.2.2).
    pub(crate) idempotent: bool,
}

impl Trip<'_> {
    /// The answer of the first who gives one, or that of the last who was tried.
    pub(crate) async fn make(&self, mut outgoing: Option<Outgoing>) -> Result<Arrived, Fault> {
        let retries = self.pool.config.retries;
        let mut tried = Vec::new();
        let mut attempts_left = retries.attempts_max.max(1);
        loop {
            attempts_left -= 1;
            let had_body = outgoing.is_some();
            let chosen = [AtomicU64::new(0), AtomicU64::new(0)];
            let arrived = match retries.hedge_after_ms.filter(|_| self.idempotent && !had_body) {
                // Apart, so that requests without it do not carry the state of two attempts.
                Some(after_ms) => Box::pin(self.attempt_twice(&tried, &chosen, after_ms)).await,
                None => self.attempt(&tried, &chosen[0], &mut outgoing).await,
            };
            let chosen = chosen.map(AtomicU64::into_inner).into_iter().filter(|number| *number > 0);
            let elsewhere = tried.len() + chosen.clone().count() < self.pool.upstreams();
            let may = match &arrived {
                // A body that an upstream was sent any of is gone.
                Err(fault) => {
                    let untouched = had_body == outgoing.is_some();
                    fault.may_be_tried_again(self.idempotent)
                        && untouched
                        && (elsewhere || !fault.is_absence())
                }
                Ok(arrived) => is_away(&arrived.head) && self.idempotent && !had_body && elsewhere,
            };
            if !may || attempts_left == 0 || !self.pool.may_retry(self.gateway.now_ms()) {
                return arrived;
            }
            tried.extend(chosen);
        }
    }

    /// A second attempt begins elsewhere, if there is anybody else, when the first takes long; whichever serves first is
    /// heard.
    async fn attempt_twice(
        &self,
        tried: &[u64],
        [one, other]: &[AtomicU64; 2],
        after_ms: u32,
    ) -> Result<Arrived, Fault> {
        let begun = self.gateway.now();
        let mut first = Box::pin(async { self.attempt(tried, one, &mut None).await });
        let after = Duration::from_millis(after_ms.into());
        if let Ok(arrived) = tokio::time::timeout(after, first.as_mut()).await {
            return arrived;
        }
        let others: Vec<_> = tried.iter().copied().chain([one.load(Relaxed)]).collect();
        let now_ms = self.gateway.now_ms();
        if !self.pool.has_other(now_ms, &others) || !self.pool.may_retry(now_ms) {
            return first.await;
        }
        self.pool.hedges.fetch_add(1, Relaxed);
        let hedged = self.gateway.now();
        let mut none = None;
        let second = pin!(self.attempt(&others, other, &mut none));
        let (arrived, late, since) = match select(first, second).await {
            Either::Left((arrived, second)) if !serves(&arrived) => return second.await.or(arrived),
            Either::Right((arrived, first)) if !serves(&arrived) => return first.await.or(arrived),
            Either::Left((arrived, _)) => (arrived, other, hedged),
            Either::Right((arrived, _)) => (arrived, one, begun),
        };
        if arrived.as_ref().is_ok_and(|arrived| !arrived.head.status.is_server_error()) {
            let now = self.gateway.now();
            self.pool.overtaken(late.load(Relaxed), now.saturating_sub(since), now, after);
        }
        arrived
    }

    /// Sends the request to one upstream, and tells what it did.
    async fn attempt(
        &self,
        tried: &[u64],
        chosen: &AtomicU64,
        outgoing: &mut Option<Outgoing>,
    ) -> Result<Arrived, Fault> {
        let begun = self.gateway.now();
        let Chosen { place, in_flight, trial } = self
            .pool
            .choose(crate::gateway::millis(begun), dice(), self.key, tried)
            .map_err(Fault::Nobody)?;
        chosen.store(in_flight.0.number, Relaxed);
        let arrived = self.converse(in_flight, outgoing).await;
        let now = self.gateway.now();
        let (now_ms, took) = (crate::gateway::millis(now), now.saturating_sub(begun));
        match &arrived {
            Ok(arrived) if arrived.head.holds_back() => self.pool.heard_of(now_ms),
            Ok(arrived) if arrived.head.status.is_server_error() => self.pool.failed(place, now_ms, false),
            Ok(_) => {
                let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                self.pool.succeeded(place, took_us, now_ms);
            }
            Err(fault) if fault.is_of_the_upstream() => {
                // One that sends what cannot be passed on is there all the same.
                self.pool.failed(place, now_ms, !matches!(fault, Fault::BadAnswer(_)));
            }
            // It says nothing of the upstream.
            Err(_) => return arrived,
        }
        if let Some(trial) = trial {
            trial.end();
        }
        arrived
    }

    async fn converse(&self, in_flight: InFlight, outgoing: &mut Option<Outgoing>) -> Result<Arrived, Fault> {
        let upstream = in_flight.0.clone();
        let arrived = |(head, exchange), in_flight| Arrived { head, rest: Rest::Line(exchange), in_flight };
        let head = match &self.told {
            Told::Http1(head) => head,
            Told::Http2(head) => {
                // Apart, so that requests in HTTP/1.1 do not carry its state.
                let conversing = Box::pin(streams::converse(&self.pool, &upstream, head, outgoing));
                let (head, body) = conversing.await?;
                return Ok(Arrived { head, rest: Rest::Stream(body), in_flight });
            }
        };
        // Before a line is taken: between the look at whether it still stands and the first byte nobody else has a turn.
        edge::others_first().await;
        if let Some(line) = Line::idle(upstream.number) {
            let had_body = outgoing.is_some();
            match self.ask(line, head, outgoing.take()).await {
                // The upstream closed an idle connection just when it was to be used: that is no failure of it.
                Err(Fault::Lost { nothing_sent }) if !had_body && (nothing_sent || self.idempotent) => {}
                answered => return answered.map(|answered| arrived(answered, in_flight)),
            }
        }
        // Apart, so that requests on open connections do not carry the state of opening one.
        let line = Box::pin(Line::open(
            upstream.number,
            &upstream.address,
            self.pool.secure().as_deref(),
            &self.pool.config.times,
        ))
        .await?;
        Ok(arrived(self.ask(line, head, outgoing.take()).await?, in_flight))
    }

    async fn ask(
        &self,
        line: Box<Line>,
        head: &Bytes,
        outgoing: Option<Outgoing>,
    ) -> Result<(AnswerHead, Exchange), Fault> {
        let mut exchange = Exchange::new(line, self.pool.clone(), head, outgoing);
        let head = poll_fn(|cx| exchange.poll_answer(cx, self.asked)).await?;
        Ok((head, exchange))
    }
}

/// Is it an answer after which nobody else need be asked?
fn serves(arrived: &Result<Arrived, Fault>) -> bool {
    arrived.as_ref().is_ok_and(|arrived| !is_away(&arrived.head))
}

/// Does an answer say that whoever gave it cannot do its work now, and perhaps another can?
fn is_away(head: &AnswerHead) -> bool {
    matches!(head.status.as_u16(), 502..=504) && !head.holds_back()
}
