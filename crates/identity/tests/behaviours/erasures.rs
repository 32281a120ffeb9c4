//! People who are forgotten, whatever happens meanwhile.

use authz::{Actor, Role};
use identity::{Credentials, Erasing, Password, SERVICE};

use crate::town::{PASSWORD, Town, attempt};

fn password() -> Option<Credentials> {
    Some(Credentials::Password(Password::from(PASSWORD.to_owned())))
}

#[tokio::test]
async fn an_erasure_that_was_broken_off_is_finished_after_a_crash() {
    let town = Town::new();
    let ada = town.register("ada").await;
    let actor = town.actor("ada").await;
    // The store of keys goes away first, so that the erasure comes no further than its beginning.
    town.person_keys.stop();
    let broken_off = town.identity.erase(&actor, ada, password(), None).await;
    assert_eq!(broken_off.expect("it has begun"), Erasing::Begun);
    assert_eq!(town.entries("identity/begin-erasure").await, 1);
    let town = town.crash();
    assert!(town.person_keys.find(ada).await.expect("it reads").is_some(), "there is something to finish");
    town.minutes_pass().await;
    assert_eq!(town.person(ada).await, None);
    assert!(town.person_keys.find(ada).await.expect("it reads").is_none());
    town.register("ada").await;
    town.stop();
    town.verify();
}

#[tokio::test]
async fn an_erasure_whose_caller_hangs_up_is_finished() {
    let town = Town::new();
    let ada = town.register("ada").await;
    let actor = town.actor("ada").await;
    {
        let mut erasing = std::pin::pin!(town.identity.erase(&actor, ada, password(), None));
        loop {
            let begun = tokio::select! {
                biased;
                begun = async { town.entries("identity/begin-erasure").await == 1 } => begun,
                erased = &mut erasing => { erased.expect("it is erased"); true }
            };
            if begun {
                break;
            }
        }
    }
    let town = town.crash();
    assert!(town.try_sign_in("ada", PASSWORD).await.is_err());
    town.minutes_pass().await;
    assert_eq!(town.person(ada).await, None);
    assert!(town.person_keys.find(ada).await.expect("it reads").is_none());
    town.stop();
    town.verify();
}

#[tokio::test]
async fn more_rows_than_one_command_takes_are_all_taken() {
    let town = Town::new();
    let ada = town.register("ada").await;
    // More than its beginning and one more command take together.
    for _ in 0..1010 {
        town.try_sign_in("ada", PASSWORD).await.expect("they sign in");
    }
    let actor = town.actor("ada").await;
    town.identity.erase(&actor, ada, password(), None).await.expect("they are erased");
    let read = town.identity.ledger().readers().read(|snapshot| snapshot.rows::<identity::Session>("", &[]));
    assert_eq!(read.await.expect("it reads"), []);
    town.stop();
    town.verify();
}

#[tokio::test]
async fn nothing_of_a_device_is_left_in_the_ledger() {
    let town = Town::new();
    let ada = town.register("ada").await;
    for fingerprint in ["phone", "phone", "tablet"] {
        let attempt = identity::Attempt {
            device_fingerprint: Some(fingerprint.to_owned()),
            address: Some([192, 0, 2, 7].into()),
            ..attempt("ada", PASSWORD)
        };
        town.identity.authenticate(attempt, None).await.expect("they sign in");
    }
    let actor = town.actor("ada").await;
    town.identity.erase(&actor, ada, password(), None).await.expect("they are erased");
    assert!(town.log().await.iter().all(|entry| entry.subject != Some(ada) || entry.erasable.is_none()));
    let read =
        town.identity.ledger().readers().read(|snapshot| snapshot.rows::<identity::KnownPlace>("", &[]));
    assert_eq!(read.await.expect("it reads"), []);
    town.stop();
    town.verify();
}

#[tokio::test]
async fn an_export_lists_every_entry_about_somebody() {
    let town = Town::new();
    let ada = town.register("ada").await;
    let actor = town.actor("ada").await;
    let export = town.identity.export_for(&actor, ada, None).await.expect("it is theirs");
    let commands: Vec<_> = export["ledgerEntries"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| entry["command"].clone())
        .collect();
    assert_eq!(commands, ["identity/register-person", "identity/sign-in"]);
    assert!(export["nextLedgerEntries"].is_null());
    let first = export["ledgerEntries"][0]["index"].as_i64();
    let rest = town.identity.export_for(&actor, ada, first).await.expect("it is theirs");
    assert_eq!(rest["ledgerEntries"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn support_erases_no_administrator_and_the_last_one_stays() {
    let town = Town::new();
    let chief = town.register_with("chief", &[Role::Administrator]).await;
    let helper = town.register_with("helper", &[Role::Support]).await;
    let erase = async |actor: &Actor, person| {
        let erased = town.identity.erase(actor, person, password(), None).await;
        erased.map_err(|problem| problem.code())
    };
    let support = town.actor("helper").await;
    assert_eq!(erase(&support, chief).await, Err("identity/privileged-person"));
    let administrator = town.actor("chief").await;
    assert_eq!(erase(&administrator, chief).await, Err("identity/last-administrator"));
    assert_eq!(erase(&administrator, helper).await, Ok(Erasing::Finished));
    town.register_with("second", &[Role::Administrator]).await;
    assert_eq!(erase(&administrator, chief).await, Ok(Erasing::Finished));
    let left = town.identity.has_administrator().await.expect("it reads");
    assert!(left);
}

#[tokio::test]
async fn nobody_is_erased_without_a_proof() {
    let town = Town::new();
    let ada = town.register("ada").await;
    let actor = town.actor("ada").await;
    let wrong = || Some(Credentials::Password(Password::from("not it".to_owned())));
    for offered in [None, wrong()] {
        let refused = town.identity.erase(&actor, ada, offered, None).await;
        assert_eq!(refused.expect_err("it is not proven").code(), "identity/proof-refused");
    }
    // Whoever has the token guesses no faster than anybody.
    let mut guesses = 1;
    while town.identity.erase(&actor, ada, wrong(), None).await.is_err_and(|problem| problem.status() == 403)
    {
        guesses += 1;
    }
    assert_eq!(guesses, 6);
    assert!(Actor::service(SERVICE).permit(identity::ErasePerson { person: ada }).is_ok());
    assert!(actor.permit(identity::ErasePerson { person: ada }).is_err());
}
