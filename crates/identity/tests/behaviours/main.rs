//! What the identity service does as time passes, as floods come, and when one change overtakes another.

mod erasures;
mod overtaken;
mod places;
mod registrations;
mod town;

use std::time::Duration;

use identity::{TOKEN_BYTES, TokenError};
use problem::Problem;
use town::{PASSWORD, Town, open};

#[tokio::test]
async fn a_token_holds_while_the_keys_of_the_day_change_and_until_it_expires() {
    let town = Town::new();
    town.register("ada").await;
    let evening = town.sign_in("ada").await;
    town.clock.advance(Duration::from_hours(2));
    let morning = town.sign_in("ada").await;
    assert_eq!((town.check(&evening), town.check(&morning)), (Ok(()), Ok(())));
    town.clock.advance(Duration::from_hours(10));
    assert_eq!((town.check(&evening), town.check(&morning)), (Err(TokenError::Expired), Ok(())));
}

#[tokio::test]
async fn a_token_holds_after_a_restart() {
    let town = Town::new();
    town.register("ada").await;
    let token = town.sign_in("ada").await;
    town.stop();
    let (again, _keys) = open(town.folder.path(), &town.clock, 100);
    assert!(again.tokens().check(&token).is_ok());
}

#[tokio::test]
async fn what_has_expired_is_swept_and_a_replay_sweeps_it_too() {
    let town = Town::new();
    town.register("ada").await;
    for _ in 0..3 {
        town.sign_in("ada").await;
    }
    town.clock.advance(Duration::from_hours(13));
    town.minutes_pass().await;
    assert_eq!(town.entries("identity/sweep").await, 1);
    let left =
        town.identity.ledger().readers().read(|snapshot| snapshot.rows::<identity::Session>("", &[])).await;
    assert_eq!(left.expect("it reads"), []);
    town.stop();
    town.verify();
}

#[tokio::test]
async fn a_flood_of_guesses_is_a_few_entries_that_tell_of_all_of_them() {
    let town = Town::new();
    town.register("ada").await;
    for guess in 0..100 {
        assert!(town.try_sign_in("ada", &format!("guess {guess}")).await.is_err());
    }
    let (stop, stopped) = tokio::sync::watch::channel(true);
    town.identity.clone().run(stopped).await;
    drop(stop);
    let entries = town.log().await;
    let told = entries.iter().filter(|entry| entry.command == "identity/refuse-sign-in");
    let told: Vec<serde_json::Value> =
        told.map(|entry| serde_json::from_slice(&entry.body).expect("JSON")).collect();
    let attempts: u64 = told.iter().filter_map(|body| body["attempts"].as_u64()).sum();
    assert_eq!(attempts, 100);
    assert!(told.len() < 10, "{} entries", told.len());
}

#[tokio::test]
async fn a_flood_of_passwords_is_refused_at_once_and_tokens_are_still_checked() {
    let town = Town::with_passwords_waiting_max(2);
    town.register("ada").await;
    let token = town.sign_in("ada").await;
    let flood = (0..200).map(|_| town.try_sign_in("ada", PASSWORD));
    let answers = futures_util::future::join_all(flood).await;
    let busy = answers.iter().filter_map(|answer| answer.as_ref().err()).map(Problem::code);
    let busy: Vec<_> = busy.collect();
    assert!(!busy.is_empty());
    assert!(
        busy.iter().all(|code| ["identity/passwords-busy", "identity/too-many-attempts"].contains(code)),
        "{busy:?}"
    );
    assert_eq!(town.check(&token), Ok(()));
}

#[tokio::test]
async fn who_was_told_to_try_again_soon_is_not_taken_for_a_guesser() {
    let town = Town::with_passwords_waiting_max(1);
    town.register("ada").await;
    let crowd = (0..200).map(|number| {
        let town = &town;
        async move { town.try_sign_in(&format!("crowd{number}"), PASSWORD).await }
    });
    let ada = async {
        // More than anybody may guess.
        let mut busy = 0;
        while busy < 40 {
            match town.try_sign_in("ada", PASSWORD).await.as_ref().map_err(Problem::code) {
                Ok(_) => {}
                Err("identity/passwords-busy") => busy += 1,
                Err(other) => panic!("{other} for the right password"),
            }
        }
    };
    let crowded = async {
        loop {
            futures_util::future::join_all(crowd.clone()).await;
        }
    };
    let turned_away = async {
        tokio::select! {
            () = ada => {}
            () = crowded => unreachable!("the crowd does not leave"),
        }
    };
    tokio::time::timeout(Duration::from_mins(2), turned_away).await.expect("the crowd is in the way");
}

#[tokio::test]
async fn a_forged_token_fills_no_memory_and_does_not_hold() {
    let town = Town::new();
    town.register("ada").await;
    let token = town.sign_in("ada").await;
    for byte in 0..TOKEN_BYTES {
        let mut forged = token;
        forged[byte] ^= 1;
        assert!(town.check(&forged).is_err(), "byte {byte}");
    }
    assert_eq!(town.check(&token), Ok(()));
}
