//! A process's work at one queue, from its start until it is told to stop.

use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};

use futures_util::future::join_all;
use ids::Id;
use ledger::OperateError;
use tokio::{sync::watch, task::JoinSet};

use super::{
    Bell, LOOK_EVERY, QueueConfig,
    run::{Worker, attend},
};
use crate::{
    claim::{Claim, Claimed, QueueLimits},
    release::Release,
    rows::{AnyJob, Lease},
    sql,
};

/// How long giving back what did not end in time may take.
const GIVE_BACK_MAX: Duration = Duration::from_secs(2);

/// The leases of the jobs that run, as they are now.
pub(super) type Leases = Rc<RefCell<HashMap<Id<AnyJob>, Lease>>>;

/// Those who work at one queue.
pub(super) struct Shift {
    worker: Rc<Worker>,
    queue: &'static str,
    limits: QueueLimits,
    /// Jobs that run here at the same time.
    at_once: u32,
    drain: Duration,
    leases: Leases,
    running: JoinSet<()>,
    /// Did the last claim find jobs? Then the next one need not look first whether there may be some.
    busy: bool,
    /// Has nothing been said yet of claims that fail?
    quiet: bool,
}

impl Shift {
    pub(super) fn new(worker: Worker, queue: &'static str, config: QueueConfig, drain: Duration) -> Self {
        Self {
            worker: Rc::new(worker),
            queue,
            limits: config.limits(),
            at_once: config.per_process().get(),
            drain,
            leases: Leases::default(),
            running: JoinSet::new(),
            busy: false,
            quiet: true,
        }
    }

    /// Works until told to stop; lets what runs end within its time then, and gives the rest back.
    pub(super) async fn run(mut self, bell: Bell, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            // Heard from here on, so that nothing that is put in line during the claim is missed.
            let rung = bell.0.notified();
            let found_some = self.take_some().await;
            let full = self.free() == 0;
            if found_some && !full {
                continue;
            }
            tokio::select! {
                Some(_) = self.running.join_next() => {
                    // Others that ended meanwhile make room as well.
                    while self.running.try_join_next().is_some() {}
                }
                () = rung, if !full => {}
                () = tokio::time::sleep(LOOK_EVERY), if !full => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        }
        let running = &mut self.running;
        let ended = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(self.drain, ended).await.is_err() {
            self.give_back().await;
        }
    }

    fn free(&self) -> u32 {
        self.at_once.saturating_sub(u32::try_from(self.running.len()).unwrap_or(u32::MAX))
    }

    /// Takes as many jobs as there is room for, and begins them. Were there any?
    async fn take_some(&mut self) -> bool {
        let claimed = match self.free() {
            0 => Ok(Vec::new()),
            free => self.claim(free).await,
        };
        let claimed = match claimed {
            Ok(claimed) => {
                self.quiet = true;
                claimed
            }
            Err(error) => {
                if std::mem::take(&mut self.quiet) {
                    let queue = self.queue;
                    tracing::warn!(code = "queue/no-claims", %error, queue, "no jobs can be taken for now");
                }
                Vec::new()
            }
        };
        self.busy = !claimed.is_empty();
        for claimed in claimed {
            self.running.spawn_local(attend(Rc::clone(&self.worker), Rc::clone(&self.leases), claimed));
        }
        self.busy
    }

    async fn claim(&self, wanted: u32) -> Result<Vec<Claimed>, OperateError> {
        let Worker { ledger, clock, name, lease, .. } = &*self.worker;
        let (queue, now) = (self.queue, clock.now());
        let look = move |snapshot: &store::Snapshot<'_>| sql::may_claim(snapshot, queue, now);
        if !self.busy && !ledger.readers().read(look).await? {
            return Ok(Vec::new());
        }
        let (limits, token, traced) = (self.limits, clock.random(), telemetry::is_tracing());
        ledger
            .operate(Claim { queue, worker: name.clone(), wanted, limits, lease: *lease, token, traced })
            .await
    }

    /// Breaks off what still runs, and lets others go on with it at once.
    async fn give_back(mut self) {
        self.running.shutdown().await;
        let leases: Vec<_> = self.leases.borrow_mut().drain().map(|(_, lease)| lease).collect();
        tracing::warn!(
            code = "queue/jobs-broken-off",
            queue = self.queue,
            jobs = leases.len(),
            "jobs did not end in time and were broken off; they are tried again"
        );
        let releases = leases.into_iter().map(|lease| {
            let failure = Some("its worker was told to stop, and it did not end in time".to_owned());
            self.worker.ledger.operate(Release { lease, failure })
        });
        // What cannot be given back now is taken back when the leases end.
        drop(tokio::time::timeout(GIVE_BACK_MAX, join_all(releases)).await);
    }
}
