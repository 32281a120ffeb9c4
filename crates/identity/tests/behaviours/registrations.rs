//! Newcomers, one by one and by the thousand.

use authz::Actor;
use identity::FIRST_ADMINISTRATOR;
use store::{Databases, Schema};

use crate::town::{PASSWORD, REGISTRATIONS, Town, newcomer};

/// Keys of persons that are kept.
fn keys_kept(town: &Town) -> usize {
    let sql = include_str!("../../../seal/migrations/0001_person_keys.sql");
    let schema = Schema::new().migration("seal/0001_person_keys", sql).and(seal::deployment_schema());
    let keys =
        Databases::in_files(town.folder.path()).open_to_read("person-keys", &schema).expect("it opens");
    let mut kept = 0;
    let count = keys.read(|snapshot| {
        snapshot.query("SELECT 1 FROM person_keys", &[], |_| {
            kept += 1;
            Ok(())
        })
    });
    count.expect("it reads");
    kept
}

#[tokio::test]
async fn one_network_registers_no_more_than_it_may() {
    let town = Town::new();
    let register = async |number: u32, last: u8| {
        let new = newcomer(&format!("citizen{number}"), Some([192, 0, 2, last].into()));
        let registered = town.identity.register(&Actor::ANONYMOUS, new, None).await;
        registered.map_or_else(|problem| problem.status(), |_| 201)
    };
    for number in 0..REGISTRATIONS {
        assert_eq!(register(number, 1).await, 201);
    }
    assert_eq!(register(1000, 1).await, 429);
    assert_eq!(register(1001, 2).await, 201);
}

#[tokio::test]
async fn no_key_is_kept_for_somebody_who_was_not_registered() {
    let town = Town::new();
    let register = || town.identity.register(&Actor::ANONYMOUS, newcomer("ada", None), None);
    let (first, second) = tokio::join!(register(), register());
    assert!(first.is_ok() != second.is_ok());
    assert!(register().await.is_err());
    assert_eq!(keys_kept(&town), 1);
}

#[tokio::test]
async fn those_who_register_leave_room_for_those_who_sign_in() {
    let town = Town::with_passwords_waiting_max(2);
    town.register("ada").await;
    let names: Vec<_> = (0..50).map(|number| format!("citizen{number}")).collect();
    let crowd =
        names.iter().map(|name| town.identity.register(&Actor::ANONYMOUS, newcomer(name, None), None));
    let (crowd, ada) = tokio::join!(futures_util::future::join_all(crowd), town.try_sign_in("ada", PASSWORD));
    assert!(ada.is_ok(), "{ada:?}");
    let busy = crowd.iter().filter_map(|registered| registered.as_ref().err());
    assert!(busy.clone().count() > 0);
    assert!(busy.into_iter().all(|problem| problem.code() == "identity/passwords-busy"));
}

#[tokio::test]
async fn a_stranger_is_not_called_administrator() {
    let town = Town::new();
    let new = newcomer(FIRST_ADMINISTRATOR, None);
    let refused = town.identity.register(&Actor::ANONYMOUS, new, None).await;
    assert_eq!(refused.expect_err("the name is kept").code(), "identity/user-id-taken");
}
