//! What several nodes do that share one ledger.

use std::{num::NonZeroU32, time::Duration};

use authz::By;
use clock::Clock;
use futures_util::future::join_all;
use ledger::{Once, SubmitError};
use peers::{PgBouncer, Postgres};
use store::{BreakerConfig, PostgresConfig, PreparedStatements};

use crate::harbour::{Boat, Harbour, Moor, Rename, boat, erasable, permitted, schema};

/// Three nodes of one harbour.
fn three_nodes() -> [Harbour; 3] {
    let first = Harbour::on_postgres();
    let (second, third) = (first.another_node(), first.another_node());
    [first, second, third]
}

#[tokio::test]
async fn nodes_write_one_order_in_which_every_command_stands_once() {
    let nodes = three_nodes();
    let moored = join_all((0..600).map(|number| {
        let node = &nodes[number as usize % 3];
        async move { node.moor(number, &format!("B{number}")).await.expect("it is free").index }
    }));
    let mut places = moored.await;
    places.sort_unstable();
    assert_eq!(places, (0..600).collect::<Vec<_>>());
    nodes[0].verify().expect("it is in order");
}

#[tokio::test]
async fn a_berth_that_two_nodes_want_goes_to_one() {
    let nodes = three_nodes();
    for round in 0..20 {
        let berth = format!("B{round}");
        let wanted = join_all((0..).zip(&nodes).map(|(boat, node)| node.moor(round * 3 + boat, &berth)));
        assert_eq!(wanted.await.iter().filter(|moored| moored.is_ok()).count(), 1);
    }
    nodes[1].verify().expect("it is in order");
}

#[tokio::test]
async fn a_request_sent_to_two_nodes_is_done_once() {
    let nodes = three_nodes();
    for round in 0..20 {
        let once = Some(Once::new(&By::Anonymous, "POST /boats", &format!("k{round}"), b"body"));
        let sent = join_all((0..3).map(|node| nodes[node].moor_once(round, "A1", once)));
        let answers: Vec<_> =
            sent.await.into_iter().map(|answer| answer.map(|receipt| receipt.index).ok()).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
}

#[tokio::test]
async fn a_node_hears_what_another_changed() {
    let nodes = three_nodes();
    nodes[0].moor(7, "A1").await.expect("it is free");
    let heard = nodes[1].hears(7).await;
    assert_eq!(heard.map(|boat: Boat| boat.berth), Some("A1".to_owned()));
    nodes[2].submit(Rename { boat: boat(7), name: erasable(b"Esmeralda") }).await.expect("it is there");
    let named = tokio::time::timeout(Duration::from_secs(10), async {
        while nodes[1].hears(7).await.is_none_or(|boat| boat.name.is_none()) {}
    });
    named.await.expect("the news come");
}

#[tokio::test]
async fn every_node_publishes_checkpoints_over_what_all_wrote() {
    let nodes = three_nodes();
    nodes[0].moor(7, "A1").await.expect("it is free");
    nodes[1].moor(8, "B1").await.expect("it is free");
    let checkpoints = join_all(nodes.iter().map(|node| node.published(2))).await;
    assert!(
        checkpoints.iter().all(|published| published.checkpoint.root() == checkpoints[0].checkpoint.root())
    );
    let proven = nodes[2].ledger().proven(0).await.expect("it is covered");
    assert_eq!(proven.entry.command, "harbour/moor");
}

/// Settings under which nothing outlasts a transaction.
fn unnamed() -> PostgresConfig {
    PostgresConfig { statements: PreparedStatements::Unnamed, ..PostgresConfig::default() }
}

#[tokio::test]
async fn nodes_behind_a_pooler_that_gives_each_transaction_another_connection_write_one_order() {
    let server = Postgres::start_with(&[("fsync", "off")]).expect("it starts");
    server.create_database("harbour").expect("it can be made");
    let pooler = PgBouncer::start(&server).expect("it starts");
    let first = Harbour::at(&pooler.url("harbour"), unnamed());
    let nodes = [first.another_node(), first.another_node(), first];
    let moored = join_all((0..300).map(|number| {
        let node = &nodes[number as usize % 3];
        async move { node.moor(number, &format!("B{number}")).await.expect("it is free").index }
    }));
    let mut places = moored.await;
    places.sort_unstable();
    assert_eq!(places, (0..300).collect::<Vec<_>>());
    nodes[0].verify().expect("it is in order");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_left_alone_and_asked_again_later() {
    let server = Postgres::start_with(&[("fsync", "off")]).expect("it starts");
    let url = server.create_database("harbour").expect("it can be made");
    let positive = |number| NonZeroU32::new(number).expect("it is positive");
    let config = PostgresConfig {
        connect_ms_max: positive(300),
        statement_ms_max: positive(300),
        lock_ms_max: positive(300),
        breaker: BreakerConfig { reset_ms: positive(1500), ..BreakerConfig::default() },
        ..PostgresConfig::default()
    };
    let harbour = Harbour::at(&url, config);
    harbour.moor(1, "A1").await.expect("it is free");
    server.freeze();
    let names: Vec<_> = (10..30).map(|number| (number, format!("B{number}"))).collect();
    let lost = join_all(names.iter().map(|(number, berth)| harbour.moor(*number, berth))).await;
    assert!(lost.iter().all(Result::is_err));
    // From now on nobody waits to be told so.
    let waited = Clock::System.stopwatch();
    let refused = harbour.moor(2, "A2").await;
    assert!(matches!(refused, Err(SubmitError::Resting { .. })), "{refused:?}");
    assert!(harbour.ledger().readers().rests().is_some());
    assert!(waited.elapsed() < Duration::from_millis(100), "{:?}", waited.elapsed());
    server.thaw();
    let again = async {
        while harbour.moor(3, "A3").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("it is asked again");
    harbour.verify().expect("it is in order");
}

#[tokio::test]
async fn two_ledgers_of_one_service_write_side_by_side() {
    // Whoever waits here waits for the lock alone, however slow the machine is.
    let minute = NonZeroU32::new(60_000).expect("it is positive");
    let patient = PostgresConfig {
        statement_ms_max: minute,
        lock_ms_max: minute,
        idle_in_transaction_ms_max: minute,
        ..PostgresConfig::default()
    };
    let kiel = Harbour::at(&peers::fresh_database().expect("there is a server"), patient);
    let bergen = kiel.another_ledger("harbour_bergen");
    let mut elsewhere = kiel.databases.open("harbour", &schema()).expect("it opens");
    let mut held = elsewhere.writer.begin().expect("it begins");
    held.load().expect("it takes Kiel's lock");
    let waits = tokio::spawn({
        let ledger = kiel.ledger().clone();
        async move { ledger.submit(permitted(Moor { boat: boat(1), berth: "K1".to_owned() })).await }
    });
    for number in 0..20 {
        bergen.moor(number, &format!("B{number}")).await.expect("nobody holds Bergen's");
    }
    assert!(!waits.is_finished(), "somebody holds Kiel's");
    drop(held);
    let moored = waits.await.expect("it ends").expect("Kiel's is free again");
    assert_eq!((moored.index, bergen.ledger().head().size), (0, 20));
}
