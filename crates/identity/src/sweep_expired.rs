//! The job that clears away what has expired, helping by helping.

use clock::Timestamp;
use problem::Problem;
use queue::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};

use crate::{
    Identity,
    finish_erasure::later,
    known_place::PLACE_LIFE,
    sql,
    sweep::{SWEPT_MAX, Sweep},
};

/// Clears away all that has expired by now.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SweepExpired {}

/// How much there was.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SweptAway {
    sessions: usize,
    places: usize,
}

/// What one command may clear away.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Helping {
    sweep: Sweep,
    /// When the first of the short-lived rows expired, if one has.
    first_mark: Option<Timestamp>,
}

impl Job for SweepExpired {
    const NAME: &'static str = "identity/sweep";
    const QUEUE: &'static str = "sweeps";
    type Context = Identity;
    type Done = SweptAway;

    async fn run(self, identity: Identity, attempt: Attempt) -> Result<SweptAway, JobError> {
        let mut swept = SweptAway { sessions: 0, places: 0 };
        let until = identity.clock().now();
        let mut last = None;
        while let Some(helping) = identity.expired(until).await.map_err(|problem| later(&problem))? {
            // The ledger's time may be behind the clock: what it does not take for expired is left to the next.
            if last.as_ref() == Some(&helping) {
                break;
            }
            identity.give(helping.sweep.clone()).await.map_err(|problem| later(&problem))?;
            swept.sessions += helping.sweep.sessions.len();
            swept.places += helping.sweep.places.len();
            attempt.progress.tell(0, &format!("{} sessions and {} places", swept.sessions, swept.places));
            last = Some(helping);
        }
        Ok(swept)
    }
}

impl Identity {
    /// One helping of what has expired, if anything has.
    async fn expired(&self, until: Timestamp) -> Result<Option<Helping>, Problem> {
        let read = self.ledger().readers().read(move |snapshot| {
            let places = sql::forgotten_places(snapshot, until.minus(PLACE_LIFE), SWEPT_MAX)?;
            let sessions = sql::expired_sessions(snapshot, until, SWEPT_MAX)?;
            let first_mark = sql::first_expired_mark(snapshot, until)?;
            Ok(Helping { sweep: Sweep { until, sessions, places }, first_mark })
        });
        let helping = read.await?;
        let Helping { sweep: Sweep { sessions, places, .. }, first_mark } = &helping;
        let nothing = sessions.is_empty() && places.is_empty() && first_mark.is_none();
        Ok((!nothing).then_some(helping))
    }
}
