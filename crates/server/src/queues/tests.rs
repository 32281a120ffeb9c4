//! What operators do to jobs that were given up.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use authz::Actor;
use clock::{Clock, Timestamp};
use identity::{Identity, IdentityConfig};
use ids::Id;
use ledger::LedgerConfig;
use queue::{AnyJob, Claim, JobStatus, Occur, Outcome, QueueConfig, QueueLimits, QueueStatus, Settle};
use seal::{Keys, PersonKeys};
use serde_json::value::to_raw_value;
use store::Databases;
use telemetry::Metrics;

use super::{Queues, wanted_workers};
use crate::jobs::Crew;

const SERVICE: Actor = Actor::service("test");

struct House {
    _folder: tempfile::TempDir,
    identity: Identity,
    queues: Queues,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (clock, metrics) = (Clock::System, Metrics::new());
        let keys = Keys::open(folder.path(), &clock).expect("the key file opens");
        let databases = Databases::in_files(folder.path());
        let person_keys = PersonKeys::open(&databases, keys.clone(), clock.clone()).expect("it opens");
        let identity = Identity::open(identity::Opening {
            folder: folder.path().to_owned(),
            origin: "example.org/identity".to_owned(),
            keys,
            person_keys,
            clock,
            config: IdentityConfig::default(),
            ledger: LedgerConfig::default(),
            databases,
            cache: cache::Cache::open(Clock::System, &Metrics::new(), &cache::RedisConfig::default())
                .expect("threads start"),
            metrics: metrics.clone(),
        });
        let identity = identity.expect("it opens");
        let crew = Crew {
            service: identity::SERVICE,
            ledger: identity.ledger().clone(),
            registry: identity.jobs(),
            bell: identity.bell().clone(),
        };
        let queues = Queues::new(&[crew], &BTreeMap::new(), &metrics);
        Self { _folder: folder, identity, queues }
    }

    /// A job that waits.
    async fn enqueue(&self, occurrence: u64) -> Id<AnyJob> {
        let occur = Occur {
            schedule: format!("test {occurrence}"),
            occurrence: Timestamp::from_millis(occurrence),
            job: Clock::System.id(),
            queue: "sweeps".to_owned(),
            name: "identity/sweep".to_owned(),
            payload: to_raw_value(&()).expect("it has a JSON form"),
            attempts_max: 8,
        };
        let permitted = SERVICE.permit(occur).expect("a service may");
        self.identity.ledger().submit(permitted).await.expect("it is new").done
    }

    /// A worker gives up whatever waits.
    async fn give_up(&self) {
        let limits = QueueLimits::default();
        let (worker, lease, token) = ("test".to_owned(), Duration::from_secs(30), Clock::System.random());
        let claim = Claim { queue: "sweeps", worker, wanted: 50, limits, lease, token, traced: false };
        for claimed in self.identity.ledger().operate(claim).await.expect("it is heard") {
            let settle = Settle {
                queue: "sweeps".to_owned(),
                job: claimed.lease.id,
                attempts: claimed.lease.attempts,
                outcome: Outcome::Dead,
                result: to_raw_value("the broom is broken").expect("it has a JSON form"),
                expires_at: claimed.lease.expires_at,
                token: claimed.lease.token,
            };
            let permitted = SERVICE.permit(settle).expect("a service may");
            self.identity.ledger().submit(permitted).await.expect("it is theirs");
        }
    }

    async fn dead(&self) -> usize {
        self.queues.ended("sweeps", Outcome::Dead, None, 200).await.expect("it reads").len()
    }
}

#[tokio::test]
async fn a_job_that_was_given_up_is_tried_again_however_often_that_is_asked() {
    let house = House::new();
    let job = house.enqueue(1).await;
    let refused = house.queues.purge(&SERVICE, "sweeps", job).await;
    assert_eq!(refused.expect_err("it waits").code(), "queue/not-given-up");
    house.give_up().await;
    assert_eq!(house.dead().await, 1);
    for _ in 0..2 {
        house.queues.retry(&SERVICE, "sweeps", job).await.expect("it is there");
        let status = house.queues.job("sweeps", job).await.expect("it is there");
        assert!(matches!(status, JobStatus::Waiting { attempts: 0, .. }), "{status:?}");
    }
    assert_eq!(house.dead().await, 0);
}

#[tokio::test]
async fn a_job_that_was_forgotten_is_gone_and_forgotten_again() {
    let house = House::new();
    let job = house.enqueue(1).await;
    house.give_up().await;
    for _ in 0..2 {
        house.queues.purge(&SERVICE, "sweeps", job).await.expect("it is forgotten");
    }
    let gone = house.queues.retry(&SERVICE, "sweeps", job).await;
    assert_eq!(gone.expect_err("it is gone").code(), "queue/no-such-job");
}

#[tokio::test]
async fn all_that_were_given_up_are_listed_by_pages_and_forgotten_together() {
    let house = House::new();
    for occurrence in 0..7 {
        house.enqueue(occurrence).await;
    }
    house.give_up().await;
    let page = house.queues.ended("sweeps", Outcome::Dead, None, 5).await.expect("it reads");
    let last = page.last().expect("there are some").place;
    let rest =
        house.queues.ended("sweeps", Outcome::Dead, i64::try_from(last).ok(), 5).await.expect("it reads");
    assert_eq!((page.len(), rest.len()), (5, 2));
    assert_eq!(house.queues.purge_all(&SERVICE, "sweeps").await.expect("they are forgotten"), 7);
    assert_eq!(house.queues.purge_all(&SERVICE, "sweeps").await.expect("there are none"), 0);
}

#[test]
fn as_many_processes_are_wanted_as_would_do_all_at_once() {
    let status = |ready, active, paused| {
        let (queue, oldest) = ("orders".to_owned(), Duration::ZERO);
        QueueStatus { queue, ready, active, paused, delayed: 9, done: 0, dead: 0, oldest, held: false }
    };
    let config = QueueConfig { per_process: NonZeroU32::new(10), ..QueueConfig::default() };
    let wanted = |ready, active, paused| wanted_workers(&status(ready, active, paused), &config);
    assert_eq!([wanted(0, 0, false), wanted(1, 0, false), wanted(10, 1, false)], [0, 1, 2]);
    assert_eq!([wanted(9000, 0, false), wanted(100, 0, true), wanted(100, 11, true)], [5, 0, 2]);
}
