//! The trustees' ceremony, once more: what they said makes the key, or somebody is to blame.

use board::{BeginCeremony, CeremonyStep, Said, ceremony_context};
use mixnet::{Ceremony, Dealing, Encoded, Group, Opening, Quorum, Ristretto, SealedOpening, TrusteeKeys};

use crate::walk::Words;

/// One attempt, as far as it was heard.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) begun: BeginCeremony,
    said: Words,
}

impl Attempt {
    pub(crate) const fn new(begun: BeginCeremony) -> Self {
        Self { begun, said: Words::new() }
    }

    /// Hears what a trustee said.
    pub(crate) fn hear(&mut self, said: Said) -> Result<(), String> {
        let trustees = self.begun.trustees.len();
        if said.attempt != self.begun.attempt || said.trustee == 0 || usize::from(said.trustee) > trustees {
            return Err("nobody who takes part in this ceremony said this".to_owned());
        }
        if let Some(before) = said.step.before() {
            let spoke = self.said.keys().filter(|(step, _)| *step == before).count();
            if spoke < trustees {
                return Err(format!("{:?} is said before all have said their {before:?}", said.step));
            }
        }
        if said.step == CeremonyStep::Approval && !said.bytes.0.is_empty() {
            return Err("an approval says more than that".to_owned());
        }
        match self.said.insert((said.step, said.trustee), said.bytes.0) {
            None => Ok(()),
            Some(_) => Err("a trustee said something twice".to_owned()),
        }
    }

    /// Everything that was said.
    pub(crate) fn into_words(self) -> Words {
        self.said
    }

    fn all<T>(&self, step: CeremonyStep, read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, String> {
        (1..=u16::try_from(self.begun.trustees.len()).unwrap_or(u16::MAX))
            .map(|trustee| {
                let said = self.said.get(&(step, trustee));
                let said = said.ok_or_else(|| format!("trustee {trustee} has not said their {step:?}"))?;
                read(said).ok_or_else(|| format!("what trustee {trustee} said as {step:?} cannot be read"))
            })
            .collect()
    }

    /// The keys that the ceremony made: everybody approved, and everything holds.
    pub(crate) fn keys(&self) -> Result<TrusteeKeys<Ristretto>, String> {
        use CeremonyStep as Step;
        let trustees = u16::try_from(self.begun.trustees.len()).unwrap_or(u16::MAX);
        let quorum = if self.begun.threshold == trustees {
            Quorum::unanimous(trustees)
        } else {
            Quorum::new(self.begun.threshold, trustees)
        };
        let quorum = quorum.map_err(|error| error.to_string())?;
        let transports = self.all(Step::TransportKey, |said| Ristretto::decode_element(said).ok())?;
        let context = ceremony_context(self.begun.election, self.begun.attempt);
        let ceremony =
            Ceremony::<Ristretto>::new(&context, quorum, transports).map_err(|error| error.to_string())?;
        let sealed =
            self.all(Step::SealedOpening, |said| Some(SealedOpening::from_bytes(said.try_into().ok()?)))?;
        let openings = self.all(Step::Opening, |said| Opening::from_bytes(said).ok())?;
        let blame = |faults: Vec<mixnet::Fault>| {
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let openings = ceremony.check_openings(&sealed, openings).map_err(blame)?;
        let dealings = self.all(Step::Dealing, |said| Dealing::from_bytes(said).ok())?;
        ceremony.check_dealings(dealings).map_err(blame)?;
        if self.said.keys().any(|(step, _)| *step == Step::Complaint) {
            return Err("a trustee complained, and the ceremony went on".to_owned());
        }
        self.all(Step::Approval, |_| Some(()))?;
        ceremony.conclude(&openings).map_err(|error| error.to_string())
    }
}
