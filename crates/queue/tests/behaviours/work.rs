//! What workers do.

use std::time::Duration;

use queue::{JobStatus, Outcome, QueueConfig, QueueStatus, Registry, WorkerConfig};

use crate::{
    on_both_engines,
    pier::{Crew, Pier, QUEUE, Unload},
};

fn few(number: u32) -> std::num::NonZeroU32 {
    number.try_into().expect("it is positive")
}

on_both_engines! {
    async fn every_job_is_done_once(pier) {
        let crew = Crew::default();
        let _workers = pier.work(&crew);
        let boats: Vec<_> = (0..200).map(|boat| format!("boat {boat:03}")).collect();
        futures_util::future::join_all(boats.iter().map(|boat| pier.come_in(boat))).await;
        pier.until_ended(200).await;
        let mut unloaded: Vec<_> = crew.unloaded().into_iter().map(|(boat, _)| boat).collect();
        unloaded.sort();
        assert_eq!(unloaded, boats);
        assert_eq!(pier.finished(Outcome::Done).await.len(), 200);
        pier.verify();
    }

    async fn a_job_that_can_never_go_or_whose_attempts_are_used_up_is_given_up_with_its_reason(pier) {
        let crew = Crew::default();
        let _workers = pier.work(&crew);
        for boat in ["phantom", "sinking", "explosive"] {
            pier.come_in(boat).await;
        }
        let turning = async {
            loop {
                pier.clock.advance(Duration::from_millis(500));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = turning => {}
            () = pier.until_ended(3) => {}
        }
        let dead = pier.finished(Outcome::Dead).await;
        let mut told: Vec<_> = dead
            .iter()
            .map(|dead| (String::from_utf8_lossy(&dead.result).into_owned(), dead.attempts))
            .collect();
        told.sort();
        let expected = [("\"it is not there\"", 1), ("\"it panicked\"", 3), ("\"it sinks\"", 3)];
        assert_eq!(told, expected.map(|(words, attempts)| (words.to_owned(), attempts)));
        pier.verify();
    }

    async fn a_page_can_follow_how_far_a_job_has_come(pier) {
        let crew = Crew::default();
        let _workers = pier.work(&crew);
        let job = pier.come_in("heavy").await;
        let followed = async {
            loop {
                let read = move |snapshot: &store::Snapshot<'_>| queue::job_status(snapshot, QUEUE, job);
                let status = pier.ledger.readers().read(read).await.expect("it reads").expect("it is there");
                if let JobStatus::Active { percent: 40, note, .. } = status {
                    return note;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let note = tokio::time::timeout(Duration::from_secs(10), followed).await.expect("it tells");
        assert_eq!(note, "half way down");
    }

    async fn workers_that_stop_finish_what_they_are_at(pier) {
        let crew = Crew::default();
        let workers = pier.work(&crew);
        pier.come_in("heavy").await;
        while crew.unloaded().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::task::spawn_blocking(move || workers.stop()).await.expect("it stops");
        assert_eq!(pier.finished(Outcome::Done).await.len(), 1);
    }

    async fn what_does_not_end_in_time_is_broken_off_and_given_to_others_at_once(pier) {
        let crew = Crew::default();
        let registry = Registry::new().with::<Unload>(crew.clone());
        let config = WorkerConfig { drain_ms_max: few(100), ..WorkerConfig::default() };
        let workers = pier.work_with(registry, &config);
        pier.come_in("heavy").await;
        while crew.unloaded().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::task::spawn_blocking(move || workers.stop()).await.expect("it stops");
        let QueueStatus { active, delayed, done, .. } = pier.status().await;
        assert_eq!((active, delayed, done), (0, 1, 0));
        pier.clock.advance(Duration::from_secs(2));
        assert_eq!(pier.claim(1).await[0].lease.attempts, 2);
        pier.verify();
    }

    async fn a_process_takes_no_more_at_once_than_its_own_limit(pier) {
        let crew = Crew::default();
        let registry = Registry::new().with::<Unload>(crew.clone());
        let limits = QueueConfig { per_process: Some(few(2)), ..QueueConfig::default() };
        let queues = [(QUEUE.to_owned(), limits)].into();
        let _workers = pier.work_with(registry, &WorkerConfig { queues, ..WorkerConfig::default() });
        for _ in 0..5 {
            pier.come_in("heavy").await;
        }
        tokio::time::sleep(Duration::from_millis(800)).await;
        assert_eq!((crew.unloaded().len(), pier.status().await.ready), (2, 3));
    }
}

#[tokio::test]
async fn nodes_share_the_work_and_none_is_done_twice() {
    let first = Pier::on_postgres();
    let second = first.another_node();
    let (crew, other_crew) = (Crew::default(), Crew::default());
    let _workers = (first.work(&crew), second.work(&other_crew));
    let come = (0..400).map(|boat| {
        let node = if boat % 2 == 0 { &first } else { &second };
        async move { node.come_in(&format!("boat {boat}")).await }
    });
    futures_util::future::join_all(come).await;
    first.until_ended(400).await;
    assert_eq!(crew.unloaded().len() + other_crew.unloaded().len(), 400);
    first.verify();
}
