//! What a gateway does by itself: asks its upstreams whether they are well, and looks over its counts.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

use crate::{
    Asked, Gateway, HealthConfig, Protocol,
    config::millis,
    exchange::Exchange,
    fault::Fault,
    line::Line,
    pool::{Member, Pool},
    streams,
    upstream::Upstream,
};

/// How often breakers, budgets and canaries are told what happened.
const SWEEP_EVERY: Duration = Duration::from_millis(250);

impl Gateway {
    /// Attends to the upstreams until told to stop.
    pub async fn attend(self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.changes();
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checks = self.check_all();
        loop {
            tokio::select! {
                // What is told lies behind a lock, which nobody may hold while waiting.
                () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
                _ = sweeps.tick() => self.table().sweep(self.now_ms()),
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    checks.shutdown().await;
                    checks = self.check_all();
                }
            }
        }
    }

    /// Begins to ask every upstream of the table that there is now, but those that nobody wants asked.
    fn check_all(&self) -> JoinSet<()> {
        let mut checks = JoinSet::new();
        for pool in self.table().pools.values() {
            for Member { upstream, .. } in &pool.members {
                if pool.config.health.active {
                    checks.spawn(check(self.clone(), pool.clone(), upstream.clone()));
                } else {
                    upstream.is_asked_no_more();
                }
            }
        }
        checks
    }
}

/// Asks one upstream again and again.
async fn check(gateway: Gateway, pool: Arc<Pool>, upstream: Arc<Upstream>) {
    let config = &pool.config.health;
    let mut rounds = tokio::time::interval(millis(config.interval_ms));
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let head = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\nuser-agent: holdfast\r\naccept: */*\r\nconnection: close\r\n\r\n",
        config.path,
        config.host.as_deref().unwrap_or(&upstream.address)
    );
    let head = Bytes::from(head);
    loop {
        rounds.tick().await;
        let asked = ask(&pool, &upstream, &head, config);
        let answered = tokio::time::timeout(millis(config.answer_ms_max), asked).await;
        let why_not = match answered {
            Ok(Ok(status)) if config.accepts(status) => None,
            Ok(Ok(status)) => Some(format!("it answered {}", status.as_u16())),
            Ok(Err(fault)) => Some(fault.in_words().to_owned()),
            Err(_) => Some(format!("no answer in {} ms", config.answer_ms_max)),
        };
        let good = why_not.is_none();
        if good {
            pool.found_well(gateway.now_ms());
        }
        if upstream.probed(why_not.as_deref(), config) {
            let (pool, address) = (&*pool.name, &*upstream.address);
            if good {
                tracing::info!(code = "gateway/well", pool, upstream = address, "{address} is well again");
            } else {
                let why = why_not.unwrap_or_default();
                tracing::warn!(
                    code = "gateway/unwell",
                    pool,
                    upstream = address,
                    why,
                    "{address} is not well: {why}"
                );
            }
        }
    }
}

/// What an upstream answers that is asked whether it is well: each time on a connection of its own, as somebody who comes
/// anew would find it.
async fn ask(
    pool: &Arc<Pool>,
    upstream: &Upstream,
    head: &Bytes,
    config: &HealthConfig,
) -> Result<StatusCode, Fault> {
    let mut times = pool.config.times;
    times.connect_ms_max = times.connect_ms_max.min(config.answer_ms_max);
    if pool.config.protocol == Protocol::Http2 {
        let head = streams::request_parts(head, pool)?;
        let answered = streams::converse_anew(pool, upstream, &head, times.connect_ms_max).await;
        return answered.map(|head| head.status);
    }
    let line = Line::open(upstream.number, &upstream.address, pool.secure().as_deref(), &times).await?;
    let mut exchange = Exchange::new(line, pool.clone(), head, None);
    let asked = Asked { head_only: false, upgrade: false };
    let answered = poll_fn(|cx| exchange.poll_answer(cx, asked)).await;
    answered.map(|head| head.status)
}
