//! What was proven or permitted has changed by the time a command is applied.

use std::time::Duration;

use authz::Actor;
use identity::{
    Attempt, Audience, NewKey, NewPassword, Password, SERVICE, SignIn, SignInError, SignOutEverywhere,
    SignatureAlgorithm, TokenError,
};
use ledger::{Once, SubmitError};

use crate::town::{PASSWORD, Town, attempt, open};

const NEW: &str = "a lighthouse keeper counts the waves";

/// A sign-in whose proof was checked before something else happened.
async fn proven(town: &Town, person: ids::Id<authz::Person>) -> SignIn {
    SignIn {
        person,
        number: town.person(person).await.expect("there is such a person").number,
        epoch: 0,
        session: town.clock.id(),
        proof: town.proof(person).await,
        audience: Audience::named("holdfast").0,
        device: None,
        network: None,
        expires_at: town.clock.now().plus(Duration::from_hours(12)),
    }
}

async fn change_password(town: &Town, actor: &Actor, person: ids::Id<authz::Person>, remove: bool) {
    let found = town.person(person).await.expect("there is such a person");
    let new = NewPassword {
        name: "ada".parse().expect("it is a name"),
        password: Password::from(NEW.to_owned()),
        remove_device_keys: remove,
    };
    let proof = Some(town.proof(person).await);
    town.identity.change_password(actor, &found, new, proof).await.expect("it is changed");
}

async fn submitted(town: &Town, command: SignIn) -> Result<(), SubmitError<SignInError>> {
    let permitted = Actor::service(SERVICE).permit(command).expect("the service may");
    town.identity.ledger().submit(permitted).await.map(|_| ())
}

#[tokio::test]
async fn a_password_that_was_changed_meanwhile_opens_nothing() {
    let town = Town::new();
    let ada = town.register("ada").await;
    let overtaken = proven(&town, ada).await;
    let actor = town.actor("ada").await;
    change_password(&town, &actor, ada, false).await;
    // Whatever the epoch is: it is the password that was proven.
    for epoch in [0, 1] {
        let refused = submitted(&town, SignIn { epoch, ..overtaken.clone() }).await;
        assert!(matches!(refused, Err(SubmitError::Refused(SignInError::Overtaken))), "{refused:?}");
    }
    town.try_sign_in("ada", NEW).await.expect("the new one holds");
    town.stop();
    town.verify();
}

#[tokio::test]
async fn a_sign_in_that_began_before_everything_was_ended_ends_with_it() {
    let town = Town::new();
    let ada = town.register("ada").await;
    let overtaken = proven(&town, ada).await;
    let everywhere = SignOutEverywhere { person: ada, remove_device_keys: false };
    let permitted = town.actor("ada").await.permit(everywhere).expect("it is their own");
    town.identity.ledger().submit(permitted).await.expect("they are signed out");
    let refused = submitted(&town, overtaken).await;
    assert!(matches!(refused, Err(SubmitError::Refused(SignInError::Overtaken))), "{refused:?}");
    town.try_sign_in("ada", PASSWORD).await.expect("a new one begins");
}

#[tokio::test]
async fn who_was_signed_out_meanwhile_gives_no_commands() {
    let town = Town::new();
    let ada = town.register("ada").await;
    let (actor, proof) = (town.actor("ada").await, town.proof(ada).await);
    let everywhere = || SignOutEverywhere { person: ada, remove_device_keys: false };
    let permitted = actor.permit(everywhere()).expect("it is their own");
    town.identity.ledger().submit(permitted).await.expect("they are signed out");
    let key = aws_key();
    let enrolled = town.identity.enrol_device_key(&actor, ada, key, proof, None).await;
    assert_eq!(enrolled.expect_err("the session has ended").code(), "ledger/signed-out");
    let again = town.identity.ledger().submit(actor.permit(everywhere()).expect("it is their own")).await;
    assert!(matches!(again, Err(SubmitError::Withdrawn)), "{again:?}");
    town.stop();
    town.verify();
}

fn aws_key() -> NewKey {
    // The first test vector of RFC 8032.
    let public_key = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
        0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    ];
    NewKey {
        algorithm: SignatureAlgorithm::Ed25519,
        public_key: public_key.to_vec(),
        label: "phone".to_owned(),
    }
}

#[tokio::test]
async fn a_password_change_takes_device_keys_along_only_if_asked() {
    let town = Town::new();
    let ada = town.register("ada").await;
    let keys = async || {
        let read =
            town.identity.ledger().readers().read(|snapshot| snapshot.rows::<identity::DeviceKey>("", &[]));
        read.await.expect("it reads").len()
    };
    let (actor, proof) = (town.actor("ada").await, town.proof(ada).await);
    town.identity.enrol_device_key(&actor, ada, aws_key(), proof, None).await.expect("it is enrolled");
    change_password(&town, &actor, ada, false).await;
    assert_eq!(keys().await, 1);
    let signed_in = town.try_sign_in("ada", NEW).await.expect("the new one holds");
    change_password(&town, &Actor::person(signed_in.token().claims), ada, true).await;
    assert_eq!(keys().await, 0);
}

#[tokio::test]
async fn a_repeated_sign_in_tells_no_token_that_has_ended() {
    let town = Town::new();
    town.register("ada").await;
    let once = Some(Once::new(&authz::By::Anonymous, "POST /api/v1/authenticate", "key", b"body"));
    let sign_in = || town.identity.authenticate(attempt("ada", PASSWORD), once);
    let first = sign_in().await.expect("they sign in");
    assert_eq!(sign_in().await.expect("it is the same").done, first.done);
    let command = identity::SignOut { person: first.done.person, session: first.done.session };
    let actor = Actor::person(first.done.token().claims);
    town.identity.ledger().submit(actor.permit(command).expect("it is their own")).await.expect("it ends");
    assert_eq!(sign_in().await.expect_err("it has ended").code(), "identity/session-ended");
}

#[tokio::test]
async fn a_token_for_another_service_opens_nothing_here() {
    let town = Town::new();
    town.register("ada").await;
    let attempt = Attempt { audience: Audience::named("clinic"), ..attempt("ada", PASSWORD) };
    let signed_in = town.identity.authenticate(attempt, None).await.expect("they sign in").done;
    let tokens = town.identity.tokens();
    let token = tokens.mint(&signed_in);
    assert_eq!(tokens.check_own(&token), Err(TokenError::OtherAudience));
    let meant_for = |name| tokens.validator().meant_for(Some(Audience::named(name))).check(&token);
    assert!(meant_for("clinic").is_ok());
    assert_eq!(meant_for("shop"), Err(TokenError::OtherAudience));
}

#[tokio::test]
async fn a_ledger_from_the_future_is_not_opened() {
    let town = Town::new();
    town.clock.advance(Duration::from_hours(30));
    town.register("ada").await;
    town.stop();
    let past = clock::Clock::manual(town.clock.now().minus(Duration::from_hours(25)), 2);
    let error = crate::town::try_open(town.folder.path(), &past, 100).expect_err("it is of tomorrow");
    assert!(error.contains("set the clock right"), "{error}");
    let present = clock::Clock::manual(town.clock.now().minus(Duration::from_hours(23)), 2);
    open(town.folder.path(), &present, 100);
}
