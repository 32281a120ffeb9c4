//! Trustees of a test, and what a server knows of their ceremony.

use board::{Base64, CeremonyStep, Election};
use ids::Id;
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    TrusteeError,
    safe::Safe,
    speak::Next,
    view::{CeremonyView, SaidView},
};

/// All steps of a ceremony, in their order.
pub(crate) const STEPS: [&str; 5] = ["transport-key", "sealed-opening", "opening", "dealing", "approval"];

/// The election that they are trustees of.
pub(crate) fn election() -> Id<Election> {
    Id::new(1, [1; 10])
}

/// What the server knows of a ceremony of three, two of whom decrypt.
pub(crate) struct Hall {
    pub(crate) view: CeremonyView,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) rng: StdRng,
}

impl Hall {
    pub(crate) fn new() -> Self {
        Self::with_dice(7)
    }

    /// Others throw other dice.
    pub(crate) fn with_dice(seed: u64) -> Self {
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
        Self { view, folder: tempfile::tempdir().expect("a folder"), rng: StdRng::seed_from_u64(seed) }
    }

    /// A trustee's safe.
    pub(crate) fn safe(&self, trustee: u16) -> Safe {
        Safe::open(&self.folder.path().join(trustee.to_string()), election()).expect("a safe")
    }

    /// What a trustee does next, their safe opened anew: they may come back any time.
    pub(crate) fn next(&mut self, trustee: u16) -> Result<Next, TrusteeError> {
        let mut safe = self.safe(trustee);
        self.view.you = Some(trustee);
        safe.next(&self.view, &mut self.rng)
    }

    pub(crate) fn hear(&mut self, trustee: u16, step: CeremonyStep, bytes: Vec<u8>) {
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
    pub(crate) fn round(&mut self, step: &str) {
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
