//! Trustees who make a key together, and a server that would rather be one of them.

use super::*;
use crate::hall::{Hall, STEPS};

#[test]
fn trustees_who_come_back_at_every_step_make_one_key_and_have_their_shares() {
    let mut hall = Hall::new();
    STEPS.iter().for_each(|step| hall.round(step));
    hall.view.step = "concluded".to_owned();
    assert_eq!(hall.next(1).expect("they look"), Next::Wait, "the server has not said what came of it");
    let mut own = hall.safe(1);
    let ceremony = own.ceremony(&hall.view, &hall.view.said[0]).expect("a ceremony");
    let openings = openings(&ceremony, &hall.view).expect("openings");
    let keys = ceremony.conclude(&openings).expect("keys");
    assert!(keys.is_share(&own.share(1).expect("a share")));
    drop(own);
    hall.view.keys = Some(hex::encode(keys.to_bytes()));
    for trustee in 1..=3 {
        assert_eq!(hall.next(trustee).expect("they look"), Next::Concluded);
    }
}

#[test]
fn a_server_that_speaks_for_a_trustee_is_found_out_by_them() {
    let mut hall = Hall::new();
    hall.round("transport-key");
    let theirs = hall.view.said[1].transport_key;
    hall.view.said[0].transport_key = theirs;
    assert!(matches!(hall.next(1), Err(TrusteeError::Impersonated(_))));
    hall.view.step = "sealed-opening".to_owned();
    assert!(matches!(hall.next(1), Err(TrusteeError::Impersonated(_))));
}

#[test]
fn a_share_that_is_wrong_is_complained_of() {
    let mut hall = Hall::new();
    STEPS[..4].iter().for_each(|step| hall.round(step));
    hall.view.step = "approval".to_owned();
    let dealing = hall.view.said[1].dealing.as_mut().expect("a dealing");
    // The encrypted share for the first trustee stands behind the count and a key.
    dealing.0[4 + 32] ^= 1;
    // What is encrypted is not covered by the dealer's proof of the key alone, or it is, and then it is the dealer's lie.
    match hall.next(1) {
        Ok(Next::Say { step, .. }) => assert_eq!(step, CeremonyStep::Complaint),
        Err(TrusteeError::View(blame)) => assert!(blame.contains("trustee 2"), "{blame}"),
        other => panic!("a wrong share was taken: {other:?}"),
    }
}
