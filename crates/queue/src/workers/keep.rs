//! Keeping schedules: what is due is enqueued, by whichever node comes first.

use std::collections::HashMap;

use authz::Actor;
use clock::Timestamp;
use ledger::SubmitError;
use tokio::sync::watch;

use super::{LOOK_EVERY, run::Worker};
use crate::{
    occur::{Occur, OccurError},
    schedule::Schedule,
    sql,
};

/// Enqueues the occurrences of the schedules of a worker's queues until told to stop. However many were missed while
/// nobody kept them, they are one; a schedule that never had any begins now.
pub(super) async fn keep_schedules(worker: Worker, mut stopped: watch::Receiver<bool>) {
    let began = worker.clock.now();
    let mut told = HashMap::<&str, Timestamp>::new();
    let mut quiet = true;
    while !*stopped.borrow() {
        for schedule in worker.registry.schedules() {
            let due = schedule.last(worker.clock.now());
            let due = due.filter(|due| told.get(schedule.name).is_none_or(|told| told < due));
            let Some(due) = due else { continue };
            match occur(&worker, schedule, due, began).await {
                Ok(()) => {
                    told.insert(schedule.name, due);
                    quiet = true;
                }
                Err(error) => {
                    if std::mem::take(&mut quiet) {
                        tracing::warn!(
                            code = "queue/not-scheduled",
                            error,
                            schedule = schedule.name,
                            "what is due cannot be enqueued for now"
                        );
                    }
                }
            }
        }
        drop(tokio::time::timeout(LOOK_EVERY, stopped.wait_for(|stop| *stop)).await);
    }
}

/// Enqueues an occurrence, unless that was done.
async fn occur(worker: &Worker, schedule: &Schedule, due: Timestamp, began: Timestamp) -> Result<(), String> {
    let name = schedule.name;
    let read = worker.ledger.readers().read(move |snapshot| sql::last_occurrence(snapshot, name)).await;
    let last = read.map_err(|error| error.to_string())?.unwrap_or(began);
    if last >= due {
        return Ok(());
    }
    let command = Occur::of(schedule, due, worker.clock.id());
    let permitted = Actor::service("queue").permit(command).map_err(|error| error.to_string())?;
    match worker.ledger.submit(permitted).await {
        Ok(_) | Err(SubmitError::Refused(OccurError::Past)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
