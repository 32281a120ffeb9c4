//! How jobs stand in line, are taken, and end.

use std::time::Duration;

use ledger::SubmitError;
use queue::{
    Claimed, Hold, Outcome, Pause, PurgeDead, QueueLimits, QueueStatus, Release, Renew, RetryDead,
    SettleError, TakeBack,
};

use telemetry::TracesConfig;

use crate::{
    on_both_engines,
    pier::{Pier, QUEUE},
};

/// Characters of a `traceparent` that name the trace, with its version.
const TRACE_CHARS: usize = 35;

/// A trace that somebody asked for, told to a collector that is not there.
fn trace() -> telemetry::Span {
    let config = TracesConfig {
        endpoint: Some("http://127.0.0.1:9/v1/traces".to_owned()),
        per_second_max: u32::MAX,
        ..TracesConfig::default()
    };
    telemetry::start_traces(&config, "test", "0", "").expect("it can be used");
    let caller = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    telemetry::begin("request", Some(caller), || 0).expect("the caller decides")
}

on_both_engines! {
    async fn a_job_exists_if_and_only_if_its_command_was_accepted(pier) {
        assert!(pier.try_come_in("pirate", 0, 0, None).await.is_err());
        assert_eq!(pier.status().await.ready, 0);
        pier.come_in("ada").await;
        assert_eq!(pier.status().await.ready, 1);
        pier.verify();
    }

    async fn each_job_is_taken_once_and_in_the_order_they_came(pier) {
        for boat in ["a", "b", "c"] {
            pier.come_in(boat).await;
            pier.clock.advance(Duration::from_millis(1));
        }
        assert_eq!(pier.claimed_boats(2).await, ["a", "b"]);
        assert_eq!(pier.claimed_boats(2).await, ["c"]);
        assert_eq!(pier.claimed_boats(2).await, Vec::<String>::new());
    }

    async fn priority_comes_first_but_nobody_waits_for_ever(pier) {
        pier.try_come_in("old and low", 0, 0, None).await.expect("it may");
        pier.clock.advance(Duration::from_secs(30));
        pier.try_come_in("low", 0, 0, None).await.expect("it may");
        pier.try_come_in("high", 1, 0, None).await.expect("it may");
        pier.clock.advance(Duration::from_secs(90));
        pier.try_come_in("new and high", 1, 0, None).await.expect("it may");
        assert_eq!(pier.claimed_boats(9).await, ["high", "old and low", "low", "new and high"]);
    }

    async fn a_job_with_a_delay_is_not_taken_before(pier) {
        pier.try_come_in("late", 0, 10, None).await.expect("it may");
        pier.clock.advance(Duration::from_millis(9_999));
        assert_eq!(pier.claimed_boats(1).await, Vec::<String>::new());
        pier.clock.advance(Duration::from_millis(1));
        assert_eq!(pier.claimed_boats(1).await, ["late"]);
    }

    async fn a_job_knows_in_which_trace_it_was_asked_for_until_it_has_ended(pier) {
        let trace = trace();
        telemetry::within(&trace, pier.come_in("ada")).await;
        pier.come_in("grace").await;
        let asked = &trace.traceparent()[..TRACE_CHARS];
        let known = |claimed: &[Claimed]| -> Vec<bool> {
            let causes = claimed.iter().map(|claimed| claimed.cause.as_deref());
            causes.map(|cause| cause.is_some_and(|cause| cause.starts_with(asked))).collect()
        };
        let claimed = pier.claim(9).await;
        assert_eq!(known(&claimed), [true, false]);
        assert_eq!(claimed[1].cause, None, "it was asked for outside");
        let lease = claimed[0].lease.clone();
        assert!(pier.ledger.operate(Release { lease, failure: None }).await.expect("it is heard"));
        let again = pier.claim(9).await;
        assert_eq!(known(&again), [true], "another attempt has the same cause");
        pier.settle(&again[0], Outcome::Dead).await.expect("it is theirs");
        pier.grant(RetryDead { queue: QUEUE.to_owned(), place: 0 }).await;
        assert_eq!(known(&pier.claim(9).await), [false], "who tries it again by hand is another cause");
        pier.verify();
    }

    async fn an_unfinished_job_with_the_same_key_is_the_same_job(pier) {
        let first = pier.try_come_in("ada", 0, 0, Some("k")).await.expect("it may");
        assert_eq!(pier.try_come_in("ada", 0, 0, Some("k")).await.expect("it may"), first);
        let claimed = pier.claim(9).await;
        assert_eq!(claimed.len(), 1);
        pier.settle(&claimed[0], Outcome::Done).await.expect("it is theirs");
        assert_ne!(pier.try_come_in("ada", 0, 0, Some("k")).await.expect("it may"), first);
        pier.verify();
    }

    async fn no_more_are_worked_at_than_the_queue_allows(pier) {
        for _ in 0..5 {
            pier.come_in("ada").await;
        }
        let limits = QueueLimits { concurrency: 3, per_second: None };
        let claimed = pier.claim_under(9, limits).await;
        assert_eq!((claimed.len(), pier.claim_under(9, limits).await.len()), (3, 0));
        pier.settle(&claimed[0], Outcome::Done).await.expect("it is theirs");
        assert_eq!(pier.claim_under(9, limits).await.len(), 1);
    }

    async fn no_more_are_taken_in_a_second_than_the_queue_allows(pier) {
        for _ in 0..5 {
            pier.come_in("ada").await;
        }
        let limits = QueueLimits { concurrency: 50, per_second: Some(2) };
        assert_eq!((pier.claim_under(9, limits).await.len(), pier.claim_under(9, limits).await.len()), (2, 0));
        pier.clock.advance(Duration::from_secs(1));
        assert_eq!(pier.claim_under(9, limits).await.len(), 2);
    }

    async fn the_late_word_of_a_worker_that_was_given_up_is_refused(pier) {
        pier.come_in("ada").await;
        let slow = pier.claim(1).await.remove(0);
        pier.clock.advance(Duration::from_secs(31));
        let quick = pier.claim(1).await.remove(0);
        assert_eq!((slow.lease.id, quick.lease.attempts), (quick.lease.id, 2));
        let late = pier.settle(&slow, Outcome::Done).await;
        assert!(matches!(late, Err(SubmitError::Refused(SettleError::LeaseLost))), "{late:?}");
        let renew = Renew { lease: slow.lease, for_another: Duration::from_secs(30), progress: None };
        assert_eq!(pier.ledger.operate(renew).await.expect("it is heard"), None);
        pier.settle(&quick, Outcome::Done).await.expect("it is theirs");
        pier.verify();
    }

    async fn a_lease_that_is_renewed_lasts(pier) {
        pier.come_in("ada").await;
        let claimed = pier.claim(1).await.remove(0);
        pier.clock.advance(Duration::from_secs(20));
        let renew = Renew {
            lease: claimed.lease.clone(),
            for_another: Duration::from_secs(30),
            progress: Some((40, "half way".to_owned())),
        };
        let renewed = pier.ledger.operate(renew).await.expect("it is heard").expect("it is theirs");
        pier.clock.advance(Duration::from_secs(20));
        assert_eq!(pier.claim(1).await, []);
        let claimed = queue::Claimed { lease: renewed, ..claimed };
        pier.settle(&claimed, Outcome::Done).await.expect("it is theirs");
    }

    async fn a_job_that_failed_comes_back_after_a_pause(pier) {
        pier.come_in("ada").await;
        let lease = pier.claim(1).await.remove(0).lease;
        let release = Release { lease, failure: Some("it sinks".to_owned()) };
        assert!(pier.ledger.operate(release).await.expect("it is heard"));
        assert_eq!(pier.status().await.delayed, 1);
        assert_eq!(pier.claim(1).await, []);
        pier.clock.advance(Duration::from_secs(2));
        assert_eq!(pier.claim(1).await[0].lease.attempts, 2);
    }

    async fn a_job_whose_time_has_come_is_seen_though_nobody_claims_any(pier) {
        pier.come_in("ada").await;
        let lease = pier.claim(1).await.remove(0).lease;
        let release = Release { lease, failure: Some("it sinks".to_owned()) };
        assert!(pier.ledger.operate(release).await.expect("it is heard"));
        let QueueStatus { ready, delayed, oldest, .. } = pier.status().await;
        assert_eq!((ready, delayed, oldest), (0, 1, Duration::ZERO));
        pier.clock.advance(Duration::from_secs(100));
        let QueueStatus { ready, delayed, oldest, .. } = pier.status().await;
        assert_eq!((ready, delayed), (1, 0));
        assert!(oldest > Duration::from_secs(90), "{oldest:?}");
    }

    async fn what_was_given_up_can_be_tried_again_or_forgotten(pier) {
        for boat in ["ada", "bob"] {
            pier.come_in(boat).await;
        }
        for claimed in pier.claim(2).await {
            pier.settle(&claimed, Outcome::Dead).await.expect("it is theirs");
        }
        let dead = pier.finished(Outcome::Dead).await;
        assert_eq!((dead.len(), dead[0].result.as_slice()), (2, b"\"so it went\"".as_slice()));
        pier.grant(RetryDead { queue: QUEUE.to_owned(), place: 0 }).await;
        assert_eq!(pier.claim(2).await.len(), 1);
        let purged = pier.grant(PurgeDead { queue: QUEUE.to_owned(), places: vec![0, 1] }).await;
        assert_eq!((purged, pier.finished(Outcome::Dead).await.len()), (1, 0));
        pier.verify();
    }

    async fn a_paused_or_held_queue_gives_nothing_out(pier) {
        pier.come_in("ada").await;
        for (pause, hold) in [(true, false), (false, true), (false, false)] {
            pier.grant(Pause { queue: QUEUE.to_owned(), paused: pause }).await;
            pier.grant(Hold { queue: QUEUE.to_owned(), held: hold }).await;
            assert_eq!(pier.claim(1).await.len(), usize::from(!pause && !hold));
        }
        // Who did it, and when, is on record.
        assert_eq!((pier.entries("queue/pause").await, pier.entries("queue/hold").await), (3, 3));
        pier.verify();
    }

    async fn what_was_given_up_at_once_gets_all_its_attempts_when_it_is_tried_again(pier) {
        pier.come_in("ada").await;
        let claimed = pier.claim(1).await.remove(0);
        pier.settle(&claimed, Outcome::Dead).await.expect("it is theirs");
        pier.grant(RetryDead { queue: QUEUE.to_owned(), place: 0 }).await;
        assert!(!pier.claim(1).await[0].last);
    }

    async fn what_workers_of_a_killed_process_were_at_can_be_taken_back_at_once(pier) {
        pier.come_in("ada").await;
        assert_eq!(pier.claim(1).await.len(), 1);
        let pier = pier.crash();
        assert_eq!(pier.claim(1).await, []);
        let take_back = || TakeBack { queue: QUEUE.to_owned() };
        assert_eq!(pier.ledger.operate(take_back()).await.expect("it is heard"), 1);
        assert_eq!(pier.ledger.operate(take_back()).await.expect("it is heard"), 0);
        let claimed = pier.claim(1).await.remove(0);
        assert_eq!(claimed.lease.attempts, 2);
        pier.settle(&claimed, Outcome::Done).await.expect("it is theirs");
        pier.verify();
    }

    async fn what_a_restore_finds_unfinished_is_held_and_what_has_ended_stands_in_no_line(pier) {
        for boat in ["ada", "bob", "eve"] {
            pier.come_in(boat).await;
            pier.clock.advance(Duration::from_millis(1));
        }
        let claimed = pier.claim(1).await.remove(0);
        pier.settle(&claimed, Outcome::Done).await.expect("it is theirs");
        let restored = pier.restored().await;
        let QueueStatus { ready, delayed, held, done, .. } = restored.status().await;
        assert_eq!((ready, delayed, held, done), (2, 0, true, 1));
        assert_eq!(restored.claim(9).await, []);
        restored.grant(Hold { queue: QUEUE.to_owned(), held: false }).await;
        assert_eq!(restored.claimed_boats(9).await, ["bob", "eve"]);
    }

    async fn only_the_last_thousand_results_are_kept(pier) {
        let come = (0..1010).map(|_| pier.come_in("ada"));
        futures_util::future::join_all(come).await;
        let limits = QueueLimits { concurrency: 2000, per_second: None };
        let claimed = pier.claim_under(2000, limits).await;
        let settled = claimed.iter().map(|claimed| pier.settle(claimed, Outcome::Done));
        assert!(futures_util::future::join_all(settled).await.iter().all(Result::is_ok));
        let done = pier.finished(Outcome::Done).await;
        assert_eq!((done.len(), done[999].place, pier.status().await.done), (1000, 10, 1010));
        pier.verify();
    }
}
