//! Trustees who make a key together, and a server that would rather be one of them.

use ids::Id;
use rand::{SeedableRng, rngs::StdRng};

use super::*;

/// What the server knows of a ceremony of three, two of whom decrypt.
struct Hall {
    view: CeremonyView,
    folder: tempfile::TempDir,
    rng: StdRng,
}

impl Hall {
    fn new() -> Self {
        let said = (1..=3).map(|trustee| SaidView {
            trustee,
            name: format!("T{trustee}"),
            transport_key: None,
            sealed_opening: None,
            opening: None,
            dealing: None,
            approved: false,
        });
        let view = CeremonyView {
            attempt: 1,
            threshold: 2,
            trustees: 3,
            you: None,
            step: "transport-key".to_owned(),
            said: said.collect(),
            keys: None,
        };
        Self { view, folder: tempfile::tempdir().expect("a folder"), rng: StdRng::seed_from_u64(7) }
    }

    /// The trustee's safe, opened anew: they may come back any time.
    fn next(&mut self, trustee: u16) -> Result<Next, TrusteeError> {
        let path = self.folder.path().join(trustee.to_string());
        let mut safe = Safe::open(&path, Id::new(1, [1; 10])).expect("a safe");
        self.view.you = Some(trustee);
        safe.next(&self.view, &mut self.rng)
    }

    fn hear(&mut self, trustee: u16, step: CeremonyStep, bytes: Vec<u8>) {
        let said = &mut self.view.said[usize::from(trustee) - 1];
        match step {
            CeremonyStep::TransportKey => {
                said.transport_key = Some(board::Hex(bytes.try_into().expect("32")))
            }
            CeremonyStep::SealedOpening => {
                said.sealed_opening = Some(board::Hex(bytes.try_into().expect("64")))
            }
            CeremonyStep::Opening => said.opening = Some(Base64(bytes)),
            CeremonyStep::Dealing => said.dealing = Some(Base64(bytes)),
            CeremonyStep::Approval => said.approved = true,
            CeremonyStep::Complaint => panic!("an honest trustee was complained of"),
        }
    }

    /// All say what this step asks for; whoever is asked twice says the same.
    fn round(&mut self, step: &str) {
        self.view.step = step.to_owned();
        for trustee in 1..=3 {
            let said = self.next(trustee).expect("they speak");
            assert_eq!(self.next(trustee).expect("they speak again"), said);
            let Next::Say { step, bytes } = said else { panic!("trustee {trustee} says nothing at {step}") };
            self.hear(trustee, step, bytes);
            assert_eq!(self.next(trustee).expect("they have spoken"), Next::Wait);
        }
    }
}

const STEPS: [&str; 5] = ["transport-key", "sealed-opening", "opening", "dealing", "approval"];

#[test]
fn trustees_who_come_back_at_every_step_make_one_key_and_have_their_shares() {
    let mut hall = Hall::new();
    STEPS.iter().for_each(|step| hall.round(step));
    hall.view.step = "concluded".to_owned();
    assert_eq!(hall.next(1).expect("they look"), Next::Wait, "the server has not said what came of it");
    let mut own = Safe::open(&hall.folder.path().join("1"), Id::new(1, [1; 10])).expect("a safe");
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
