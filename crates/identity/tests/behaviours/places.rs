//! Guessers who hold nobody up that has been here before.

use std::net::IpAddr;

use identity::Attempt;

use crate::town::{PASSWORD, Town, attempt};

const HOME: [u8; 4] = [192, 0, 2, 7];

fn from(attempt: Attempt, address: impl Into<IpAddr>) -> Attempt {
    Attempt { address: Some(address.into()), ..attempt }
}

/// More addresses than may guess at one person.
async fn flood(town: &Town) {
    for number in 0..60_u8 {
        let guess = from(attempt("ada", "a guess"), [198, 51, 100, number]);
        assert!(town.identity.authenticate(guess, None).await.is_err());
    }
}

async fn status(town: &Town, attempt: Attempt) -> u16 {
    town.identity.authenticate(attempt, None).await.map_or_else(|problem| problem.status(), |_| 200)
}

#[tokio::test]
async fn who_has_signed_in_from_a_network_before_gets_in_from_there_while_others_guess() {
    let town = Town::new();
    town.register("ada").await;
    assert_eq!(status(&town, from(attempt("ada", PASSWORD), HOME)).await, 200);
    flood(&town).await;
    assert_eq!(status(&town, from(attempt("ada", PASSWORD), [203, 0, 113, 1])).await, 429);
    assert_eq!(status(&town, from(attempt("ada", PASSWORD), HOME)).await, 200);
}

#[tokio::test]
async fn a_known_device_gets_in_from_anywhere_while_others_guess_beside_it() {
    let town = Town::new();
    town.register("ada").await;
    let phone = |address: [u8; 4]| {
        let attempt = Attempt { device_fingerprint: Some("phone".to_owned()), ..attempt("ada", PASSWORD) };
        from(attempt, address)
    };
    assert_eq!(status(&town, phone(HOME)).await, 200);
    flood(&town).await;
    for _ in 0..10 {
        status(&town, from(attempt("ada", "a guess"), [203, 0, 113, 1])).await;
    }
    assert_eq!(status(&town, phone([203, 0, 113, 1])).await, 200);
}

#[tokio::test]
async fn only_so_many_places_are_remembered_and_those_unused_for_a_year_are_not() {
    let town = Town::new();
    let ada = town.register("ada").await;
    for number in 0..130 {
        let fingerprint = Some(format!("device {number}"));
        let attempt = Attempt { device_fingerprint: fingerprint, ..attempt("ada", PASSWORD) };
        town.identity.authenticate(attempt, None).await.expect("they sign in");
    }
    let places = async || {
        let read =
            town.identity.ledger().readers().read(|snapshot| snapshot.rows::<identity::KnownPlace>("", &[]));
        read.await.expect("it reads").iter().filter(|place| place.person == ada).count()
    };
    assert_eq!(places().await, identity::PLACES_MAX);
    town.clock.advance(std::time::Duration::from_hours(24 * 366));
    town.minutes_pass().await;
    assert_eq!(places().await, 0);
    town.stop();
    town.verify();
}
