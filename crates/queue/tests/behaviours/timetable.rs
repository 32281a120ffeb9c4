//! Jobs that come again at certain times.

use std::time::Duration;

use queue::{Outcome, QueueStatus};

use crate::{
    on_both_engines,
    pier::{Crew, Pier},
};

const EVERY_MINUTE: &str = "* * * * *";

/// Long enough for workers to have looked.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(800)).await;
}

/// Turns the clock by so many minutes, one after the other, and lets what is due be done.
async fn minutes_pass(pier: &Pier, minutes: u64) {
    for _ in 0..minutes {
        let QueueStatus { done, .. } = pier.status().await;
        pier.clock.advance(Duration::from_secs(60));
        pier.until_ended(done + 1).await;
    }
}

on_both_engines! {
    async fn each_occurrence_is_a_job_once(pier) {
        let crew = Crew::default();
        let _workers = pier.work_by_timetable(&crew, EVERY_MINUTE);
        a_moment().await;
        assert_eq!(crew.unloaded(), [], "nothing was due before anybody kept the schedule");
        minutes_pass(&pier, 3).await;
        a_moment().await;
        assert_eq!((crew.unloaded().len(), pier.entries("queue/occur").await), (3, 3));
        pier.verify();
    }

    async fn what_was_missed_while_nobody_kept_the_schedule_comes_once(pier) {
        let crew = Crew::default();
        let workers = pier.work_by_timetable(&crew, EVERY_MINUTE);
        a_moment().await;
        minutes_pass(&pier, 1).await;
        tokio::task::spawn_blocking(move || workers.stop()).await.expect("it stops");
        let pier = pier.crash();
        pier.clock.advance(Duration::from_hours(24 * 400));
        let _workers = pier.work_by_timetable(&crew, EVERY_MINUTE);
        pier.until_ended(2).await;
        a_moment().await;
        assert_eq!((crew.unloaded().len(), pier.entries("queue/occur").await), (2, 2));
        minutes_pass(&pier, 1).await;
        pier.verify();
    }

    async fn a_restart_enqueues_no_occurrence_again(pier) {
        let crew = Crew::default();
        let workers = pier.work_by_timetable(&crew, EVERY_MINUTE);
        a_moment().await;
        minutes_pass(&pier, 1).await;
        tokio::task::spawn_blocking(move || workers.stop()).await.expect("it stops");
        let pier = pier.crash();
        let _workers = pier.work_by_timetable(&crew, EVERY_MINUTE);
        a_moment().await;
        assert_eq!((crew.unloaded().len(), pier.entries("queue/occur").await), (1, 1));
    }

    async fn occurrences_whose_job_is_unfinished_are_the_same_job(pier) {
        let crew = Crew::default();
        let pause = |paused| queue::Pause { queue: crate::pier::QUEUE.to_owned(), paused };
        pier.grant(pause(true)).await;
        let _workers = pier.work_by_timetable(&crew, EVERY_MINUTE);
        a_moment().await;
        for _ in 0..3 {
            pier.clock.advance(Duration::from_secs(60));
            a_moment().await;
        }
        assert_eq!((pier.entries("queue/occur").await, pier.status().await.ready), (3, 1));
        pier.grant(pause(false)).await;
        pier.until_ended(1).await;
        assert_eq!(pier.finished(Outcome::Done).await.len(), 1);
        pier.verify();
    }
}

#[tokio::test]
async fn any_number_of_nodes_keep_a_schedule_together() {
    let first = Pier::on_postgres();
    let others = [first.another_node(), first.another_node()];
    let crews = [Crew::default(), Crew::default(), Crew::default()];
    let nodes = [&first, &others[0], &others[1]];
    let _workers = nodes
        .iter()
        .zip(&crews)
        .map(|(node, crew)| node.work_by_timetable(crew, EVERY_MINUTE))
        .collect::<Vec<_>>();
    a_moment().await;
    minutes_pass(&first, 5).await;
    a_moment().await;
    let done: usize = crews.iter().map(|crew| crew.unloaded().len()).sum();
    assert_eq!((done, first.entries("queue/occur").await), (5, 5));
    first.verify();
}
