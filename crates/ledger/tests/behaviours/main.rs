//! What a ledger does for those who give it commands, and to those who meddle with it.

mod fleet;
mod harbour;

use std::time::Duration;

use authz::{Actor, By};
use harbour::{Berth, Harbour, MoorError, Panics, Rename, Scrap, boat};
use ledger::{
    Once, SubmitError,
    merkle::{verify_consistency, verify_inclusion},
    verify::VerifyError,
};

/// A behaviour that a ledger must have on both engines: a test on each.
macro_rules! on_both_engines {
    ($(async fn $name:ident($($harbour:tt)+) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn holds($($harbour)+: Harbour) $body

            #[tokio::test]
            async fn on_sqlite() {
                holds(Harbour::new()).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                holds(Harbour::on_postgres()).await;
            }
        }
    )+};
}

fn once(key: &str, body: &str) -> Option<Once> {
    Some(Once::new(&By::Anonymous, "POST /boats", key, body.as_bytes()))
}

on_both_engines! {
    async fn a_receipt_means_that_the_row_and_the_entry_are_there_after_a_restart(mut harbour) {
        let receipt = harbour.moor(7, "A1").await.expect("it is free");
        harbour.restart();
        let entry = harbour.ledger().entry(receipt.index).await.expect("it is there");
        assert_eq!(entry.leaf(), receipt.leaf);
        assert_eq!(harbour.berth_of(7).await, Some("A1".to_owned()));
    }
}

on_both_engines! {
    async fn a_refusal_leaves_nothing_behind(harbour) {
        harbour.moor(7, "A1").await.expect("it is free");
        let refused = harbour.moor(8, "A1").await;
        assert!(matches!(refused, Err(SubmitError::Refused(MoorError::Taken))), "{refused:?}");
        assert_eq!(harbour.ledger().head().size, 1);
        assert_eq!(harbour.berth_of(8).await, None);
    }
}

on_both_engines! {
    async fn a_command_that_panics_is_refused_alone(harbour) {
        let panics = harbour.ledger().submit(harbour::permitted(Panics));
        let moors = harbour.moor(7, "A1");
        let (panicked, moored) = tokio::join!(panics, moors);
        assert!(matches!(panicked, Err(SubmitError::Panicked)));
        moored.expect("the other command is not touched");
        harbour.moor(8, "B1").await.expect("the ledger goes on");
    }
}

on_both_engines! {
    async fn a_thousand_commands_at_once_are_each_applied_once_and_in_one_order(harbour) {
        let berths: Vec<_> = (0..1000).map(|number| format!("B{number}")).collect();
        let moored = futures_util::future::join_all(
            (0..1000).map(|number| harbour.moor(number, &berths[number as usize])),
        );
        let mut places: Vec<_> =
            moored.await.into_iter().map(|receipt| receipt.expect("it is free").index).collect();
        places.sort_unstable();
        assert_eq!(places, (0..1000).collect::<Vec<_>>());
        harbour.verify().expect("it is in order");
    }
}

on_both_engines! {
    async fn a_request_with_a_key_is_done_once_also_after_a_restart(mut harbour) {
        let first = harbour.moor_once(7, "A1", once("k", "body")).await.expect("it is free");
        let second = harbour.moor_once(8, "B1", once("k", "body")).await.expect("it is the same request");
        harbour.restart();
        let third = harbour.moor_once(9, "C1", once("k", "body")).await.expect("it is the same request");
        assert_eq!([&second, &third], [&first, &first]);
        assert_eq!(harbour.ledger().head().size, 1);
    }
}

on_both_engines! {
    async fn a_key_with_another_body_is_refused(harbour) {
        harbour.moor_once(7, "A1", once("k", "body")).await.expect("it is free");
        let reused = harbour.moor_once(7, "B1", once("k", "other body")).await;
        assert!(matches!(reused, Err(SubmitError::KeyReused)));
    }
}

on_both_engines! {
    async fn the_same_key_twice_in_one_batch_is_done_once(harbour) {
        let sent = (0..50).map(|number| harbour.moor_once(number, "A1", once("k", "body")));
        let answers = futures_util::future::join_all(sent).await;
        let first = answers[0].as_ref().expect("it is free");
        assert!(answers.iter().all(|answer| answer.as_ref().ok() == Some(first)));
    }
}

on_both_engines! {
    async fn a_key_is_forgotten_after_a_day(harbour) {
        harbour.moor_once(7, "A1", once("k", "body")).await.expect("it is free");
        harbour.clock.advance(Duration::from_hours(24));
        harbour.moor_once(8, "B1", once("k", "other body")).await.expect("it is a new request");
        assert_eq!(harbour.ledger().head().size, 2);
    }
}

on_both_engines! {
    async fn a_refused_request_with_a_key_may_be_sent_again(harbour) {
        harbour.moor(7, "A1").await.expect("it is free");
        assert!(harbour.moor_once(8, "A1", once("k", "body")).await.is_err());
        harbour.submit(Scrap { boat: boat(7) }).await.expect("it is there");
        harbour.moor_once(8, "A1", once("k", "body")).await.expect("it is free now");
    }
}

on_both_engines! {
    async fn a_checkpoint_proves_every_entry_and_that_nothing_was_taken_back(harbour) {
        let mut receipts = Vec::new();
        for number in 0..300 {
            receipts.push(harbour.moor(number, &format!("B{number}")).await.expect("it is free"));
        }
        let published = harbour.published(300).await;
        for receipt in [&receipts[0], &receipts[255], &receipts[256], &receipts[299]] {
            let proven = harbour.ledger().proven(receipt.index).await.expect("it is covered");
            let root = proven.published.checkpoint.root();
            verify_inclusion(receipt.leaf, receipt.index, 300, &proven.proof, root).expect("the proof holds");
        }
        harbour.moor(300, "B300").await.expect("it is free");
        let later = harbour.published(301).await;
        let proof = harbour.ledger().consistency(300, 301).await.expect("both are covered");
        let (old, new) = (published.checkpoint.root(), later.checkpoint.root());
        verify_consistency(300, old, 301, new, &proof).expect("the proof holds");
    }
}

#[tokio::test]
async fn what_was_erased_is_gone_and_everything_still_verifies() {
    let mut harbour = Harbour::new();
    let receipt = harbour.moor(7, "A1").await.expect("it is free");
    harbour
        .submit(Rename { boat: boat(7), name: harbour::erasable(b"Esmeralda of Kiel") })
        .await
        .expect("it is there");
    harbour.verify().expect("it is in order before");
    harbour.submit(Scrap { boat: boat(7) }).await.expect("it is there");
    harbour.verify().expect("it is in order after");
    harbour.moor(8, "A1").await.expect("it is free again");
    assert_eq!(harbour.ledger().entry(receipt.index).await.expect("it stays").leaf(), receipt.leaf);
    harbour.stop();
    assert!(!harbour.holds(b"Esmeralda of Kiel"), "the name is still in the files");
    harbour.verify().expect("it is in order");
}

on_both_engines! {
    async fn time_on_entries_never_goes_back(mut harbour) {
        harbour.clock.advance(Duration::from_hours(1));
        harbour.moor(7, "A1").await.expect("it is free");
        let late = harbour.ledger().last_at();
        harbour.restart_with_clock_at(late.minus(Duration::from_mins(30)));
        harbour.moor(8, "B1").await.expect("it is free");
        assert_eq!(harbour.ledger().last_at(), late);
        harbour.verify().expect("it is in order");
    }
}

on_both_engines! {
    async fn a_ledger_that_has_stopped_says_so(mut harbour) {
        harbour.moor(7, "A1").await.expect("it is free");
        let ledger = harbour.ledger().clone();
        harbour.stop();
        let permitted = harbour::permitted(Scrap { boat: boat(7) });
        assert!(matches!(ledger.submit(permitted).await, Err(SubmitError::Stopped)));
    }
}

on_both_engines! {
    async fn a_ledger_stops_also_when_its_checkpoint_cannot_be_written(mut harbour) {
        harbour.block_checkpoints();
        harbour.moor(7, "A1").await.expect("it is free");
        // Long enough for some attempts.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(harbour.ledger().published().is_none());
        harbour.stop();
    }
}

#[tokio::test]
async fn a_database_older_than_its_checkpoint_is_not_opened() {
    let mut harbour = Harbour::new();
    harbour.moor(7, "A1").await.expect("it is free");
    harbour.stop();
    let backup = harbour.copy_database();
    harbour.start();
    harbour.moor(8, "B1").await.expect("it is free");
    harbour.published(2).await;
    harbour.stop();
    harbour.put_database(&backup);
    let error = harbour.try_start().expect_err("an entry is missing");
    assert!(format!("{error:?}").contains("Behind"), "{error:?}");
    assert!(matches!(harbour.verify(), Err(VerifyError::Published(_))));
}

on_both_engines! {
    async fn a_rewritten_entry_is_not_opened_under_its_checkpoint(mut harbour) {
        harbour.moor(7, "A1").await.expect("it is free");
        harbour.published(1).await;
        harbour.stop();
        harbour.meddle("UPDATE entries SET actor = 'service/king'");
        let error = harbour.try_start().expect_err("the entry is another");
        assert!(format!("{error:?}").contains("Rewritten"), "{error:?}");
    }
}

/// Each of these changes one thing behind the ledger's back; `verify` names it.
#[tokio::test]
async fn verification_names_what_was_meddled_with() {
    let cases = [
        ("UPDATE boats SET berth = 'Z9' WHERE number = 7", "table boats: row 7 differs in berth"),
        ("DELETE FROM boats WHERE number = 8", "table boats: row 8 is in one and not in the other"),
        ("UPDATE berths SET boat = 9 WHERE name = 'A1'", "table berths: row A1 differs in boat"),
        ("INSERT INTO berths (name, boat) VALUES ('A', 1)", "table berths: row A is in one"),
        ("UPDATE entries SET at = at - 1000000 WHERE \"index\" = 299", "entry 299 is dated before"),
        ("DELETE FROM entries WHERE \"index\" = 150", "entry 150 is missing"),
        (
            "UPDATE entries SET effect = zeroblob(32) WHERE \"index\" = 299",
            "entry 299 (`harbour/moor`) did something else",
        ),
        (
            "UPDATE entries SET body = CAST('{}' AS BLOB) WHERE \"index\" = 299",
            "entry 299 (`harbour/moor`) cannot be replayed",
        ),
        ("UPDATE entries SET actor = 'service/king' WHERE \"index\" = 3", "tile 0 of level 0"),
        ("UPDATE tiles SET hashes = zeroblob(8192) WHERE level = 0", "tile 0 of level 0"),
        ("UPDATE tiles SET hashes = zeroblob(32) WHERE level = 1", "tile 0 of level 1"),
        (
            "INSERT INTO tiles (level, \"index\", hashes) VALUES (0, 1, zeroblob(8192))",
            "tile 1 of level 0 that no entries fill",
        ),
    ];
    let mut harbour = Harbour::new();
    for number in 0..300 {
        harbour.moor(number, &format!("A{number}")).await.expect("it is free");
    }
    harbour.stop();
    let whole = harbour.copy_database();
    harbour.verify().expect("it is in order");
    for (meddling, named) in cases {
        harbour.put_database(&whole);
        harbour.meddle(meddling);
        let found = harbour.verify().expect_err(meddling).to_string();
        assert!(found.contains(named), "{meddling}: {found}");
    }
}

on_both_engines! {
    async fn reads_are_snapshots_and_never_see_half_a_batch(harbour) {
        let writes = async {
            for number in 0..200 {
                harbour.moor(number, &format!("A{number}")).await.expect("it is free");
            }
        };
        let reads = async {
            for _ in 0..200 {
                let counts = harbour.ledger().readers().read(|snapshot| {
                    Ok((snapshot.rows::<harbour::Boat>("", &[])?.len(), snapshot.rows::<Berth>("", &[])?.len()))
                });
                let (boats, berths) = counts.await.expect("it reads");
                assert_eq!(boats, berths);
            }
        };
        tokio::join!(writes, reads);
    }
}

#[test]
fn only_those_who_may_can_give_a_command() {
    assert!(Actor::ANONYMOUS.permit(Scrap { boat: boat(7) }).is_err());
}
