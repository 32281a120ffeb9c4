//! What a trustee says next in a ceremony.

use board::{Base64, CeremonyStep, ceremony_context};
use mixnet::{
    Ceremony, Dealer, Dealing, Dealings, Encoded, KeyShare, Opening, Openings, Quorum, ReceiveError,
    Ristretto, SealedOpening, TransportKey,
};
use rand_core::CryptoRng;

use crate::{
    TrusteeError,
    safe::{Attempt, Safe},
    view::{CeremonyView, SaidView},
};

/// What a trustee does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This is to be said.
    Say { step: CeremonyStep, bytes: Vec<u8> },
    /// Others have to speak first.
    Wait,
    /// The server says that the key is made, and the trustee has a share of it. Whether it is the board's, which everybody
    /// else sees, is yet to be [confirmed](crate::confirm).
    Concluded,
    /// Somebody lied; the officers begin anew.
    Void,
}

type Share = KeyShare<Ristretto>;

impl Safe {
    /// What is to be said next. It is in the safe already.
    ///
    /// # Errors
    /// When what the server shows cannot be, or the safe cannot be written.
    pub fn next(&mut self, view: &CeremonyView, rng: &mut impl CryptoRng) -> Result<Next, TrusteeError> {
        let own = Self::own(view)?;
        match view.step.as_str() {
            "void" => Ok(Next::Void),
            "transport-key" => self.transport_key(view, own, rng),
            "sealed-opening" => self.sealed_opening(view, own, rng),
            "opening" => self.opening(view, own),
            "dealing" => self.dealing(view, own, rng),
            "approval" => self.approval(view, own, rng),
            "concluded" => self.conclude(view),
            other => Err(TrusteeError::View(format!("a step `{other}`"))),
        }
    }

    /// What this trustee is shown to have said.
    fn own(view: &CeremonyView) -> Result<&SaidView, TrusteeError> {
        let number = view.you.ok_or_else(|| TrusteeError::View("you are no trustee here".to_owned()))?;
        let ordered = view.said.iter().zip(1..).all(|(said, number)| said.trustee == number);
        let own = view.said.iter().find(|said| said.trustee == number);
        match own {
            Some(own) if ordered && view.said.len() == usize::from(view.trustees) => Ok(own),
            Some(_) | None => Err(TrusteeError::View("other trustees than there are".to_owned())),
        }
    }

    fn attempt(&mut self, view: &CeremonyView) -> Result<&mut Attempt, TrusteeError> {
        let missing = || TrusteeError::View("a ceremony that this trustee has not begun".to_owned());
        self.kept.attempts.get_mut(&view.attempt).ok_or_else(missing)
    }

    fn transport(&mut self, view: &CeremonyView) -> Result<TransportKey<Ristretto>, TrusteeError> {
        self.attempt(view)?.transport().map_err(unreadable)
    }

    fn transport_key(
        &mut self,
        view: &CeremonyView,
        own: &SaidView,
        rng: &mut impl CryptoRng,
    ) -> Result<Next, TrusteeError> {
        let attempt = self.kept.attempts.entry(view.attempt).or_default();
        if attempt.transport.0.is_empty() {
            attempt.transport = Base64(TransportKey::<Ristretto>::random(rng).to_secret_bytes().to_vec());
            self.save()?;
        }
        let key = encoded(self.transport(view)?.public());
        let said = own.transport_key.map(|key| key.0.to_vec());
        say_once(CeremonyStep::TransportKey, key, said, "a transport key")
    }

    /// The ceremony as all trustees see it.
    fn ceremony(&mut self, view: &CeremonyView, own: &SaidView) -> Result<Ceremony<Ristretto>, TrusteeError> {
        use mixnet::Group;
        let mine = encoded(self.transport(view)?.public());
        if own.transport_key.map(|key| key.0.to_vec()) != Some(mine) {
            return Err(TrusteeError::Impersonated("a transport key"));
        }
        let keys = view.said.iter().map(|said| {
            let key = said.transport_key.ok_or_else(|| missing("a transport key"))?;
            Ristretto::decode_element(&key.0).map_err(|_| missing("a transport key"))
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let quorum = if view.threshold == view.trustees {
            Quorum::unanimous(view.trustees)
        } else {
            Quorum::new(view.threshold, view.trustees)
        };
        let quorum = quorum.map_err(|error| TrusteeError::View(error.to_string()))?;
        let context = ceremony_context(self.kept.election, view.attempt);
        Ceremony::new(&context, quorum, keys).map_err(|error| TrusteeError::View(error.to_string()))
    }

    fn sealed_opening(
        &mut self,
        view: &CeremonyView,
        own: &SaidView,
        rng: &mut impl CryptoRng,
    ) -> Result<Next, TrusteeError> {
        let ceremony = self.ceremony(view, own)?;
        let attempt = self.attempt(view)?;
        let sealed = match &attempt.sealed {
            Some(sealed) => sealed.0.clone(),
            None => {
                let (dealer, sealed) = ceremony.begin(own.trustee, rng);
                attempt.dealer = Some(Base64(dealer.to_secret_bytes().to_vec()));
                attempt.sealed = Some(Base64(sealed.as_bytes().to_vec()));
                self.save()?;
                sealed.as_bytes().to_vec()
            }
        };
        let said = own.sealed_opening.map(|sealed| sealed.0.to_vec());
        say_once(CeremonyStep::SealedOpening, sealed, said, "a sealed opening")
    }

    fn dealer(&mut self, view: &CeremonyView) -> Result<Dealer<Ristretto>, TrusteeError> {
        let dealer = self.attempt(view)?.dealer();
        dealer.ok_or_else(|| missing("this trustee's own sealed opening"))?.map_err(unreadable)
    }

    fn opening(&mut self, view: &CeremonyView, own: &SaidView) -> Result<Next, TrusteeError> {
        sealed(view)?;
        let opening = self.dealer(view)?.open().to_bytes();
        say_once(CeremonyStep::Opening, opening, own.opening.clone().map(|said| said.0), "an opening")
    }

    fn dealing(
        &mut self,
        view: &CeremonyView,
        own: &SaidView,
        rng: &mut impl CryptoRng,
    ) -> Result<Next, TrusteeError> {
        let ceremony = self.ceremony(view, own)?;
        let openings = openings(&ceremony, view)?;
        let dealer = self.dealer(view)?;
        let attempt = self.attempt(view)?;
        let dealing = match &attempt.dealing {
            Some(dealing) => dealing.0.clone(),
            None => {
                let dealing = ceremony.deal(&dealer, &openings, rng).to_bytes();
                attempt.dealing = Some(Base64(dealing.clone()));
                self.save()?;
                dealing
            }
        };
        say_once(CeremonyStep::Dealing, dealing, own.dealing.clone().map(|said| said.0), "a dealing")
    }

    /// The share that the others dealt, or a complaint.
    fn approval(
        &mut self,
        view: &CeremonyView,
        own: &SaidView,
        rng: &mut impl CryptoRng,
    ) -> Result<Next, TrusteeError> {
        let ceremony = self.ceremony(view, own)?;
        let openings = openings(&ceremony, view)?;
        let dealings = dealings(&ceremony, view)?;
        let transport = self.transport(view)?;
        let share = match ceremony.receive(own.trustee, &transport, &openings, &dealings, rng) {
            Ok(share) => share,
            Err(ReceiveError::Complaints(complaints)) => {
                let complaint = complaints.first().ok_or_else(|| missing("a complaint"))?;
                return Ok(Next::Say { step: CeremonyStep::Complaint, bytes: complaint.to_bytes() });
            }
            Err(error @ ReceiveError::OtherKey(_)) => return Err(TrusteeError::View(error.to_string())),
        };
        self.attempt(view)?.share = Some(Base64(share.to_secret_bytes().to_vec()));
        self.save()?;
        if own.approved {
            return Ok(Next::Wait);
        }
        Ok(Next::Say { step: CeremonyStep::Approval, bytes: Vec::new() })
    }

    /// The key is made: is it the one that this trustee has a share of?
    fn conclude(&mut self, view: &CeremonyView) -> Result<Next, TrusteeError> {
        // Everybody has approved, and the server is about to say what came of it.
        let Some(shown) = view.keys.as_ref() else { return Ok(Next::Wait) };
        let shown = hex::decode(shown).map_err(|error| TrusteeError::View(error.to_string()))?;
        let keys = mixnet::TrusteeKeys::<Ristretto>::from_bytes(&shown).map_err(unreadable)?;
        let share = self.share(view.attempt).ok_or(TrusteeError::NoShare)?;
        if keys.is_share(&share) { Ok(Next::Concluded) } else { Err(TrusteeError::NoShare) }
    }

    /// The share that came of a ceremony.
    pub(crate) fn share(&self, attempt: u16) -> Option<Share> {
        let share = self.kept.attempts.get(&attempt)?.share.as_ref()?;
        KeyShare::from_secret_bytes(&share.0).ok()
    }
}

#[cfg(test)]
mod tests;

/// It is said, unless it was; that it was something else is worth an alarm.
fn say_once(
    step: CeremonyStep,
    bytes: Vec<u8>,
    said: Option<Vec<u8>>,
    what: &'static str,
) -> Result<Next, TrusteeError> {
    match said {
        None => Ok(Next::Say { step, bytes }),
        Some(said) if said == bytes => Ok(Next::Wait),
        Some(_) => Err(TrusteeError::Impersonated(what)),
    }
}

fn missing(what: &str) -> TrusteeError {
    TrusteeError::View(format!("{what} is missing or no such thing"))
}

pub(crate) fn unreadable(error: mixnet::Malformed) -> TrusteeError {
    TrusteeError::View(error.to_string())
}

pub(crate) fn encoded(element: &<Ristretto as mixnet::Group>::Element) -> Vec<u8> {
    use mixnet::Group;
    let mut bytes = Vec::new();
    Ristretto::encode_element(element, &mut bytes);
    bytes
}

fn sealed(view: &CeremonyView) -> Result<Vec<SealedOpening>, TrusteeError> {
    let sealed = view.said.iter().map(|said| {
        let sealed = said.sealed_opening.ok_or_else(|| missing("a sealed opening"))?;
        Ok(SealedOpening::from_bytes(sealed.0))
    });
    sealed.collect()
}

fn openings(
    ceremony: &Ceremony<Ristretto>,
    view: &CeremonyView,
) -> Result<Openings<Ristretto>, TrusteeError> {
    let openings = view.said.iter().map(|said| {
        let opening = said.opening.as_ref().ok_or_else(|| missing("an opening"))?;
        Opening::from_bytes(&opening.0).map_err(unreadable)
    });
    let openings = openings.collect::<Result<Vec<_>, _>>()?;
    ceremony.check_openings(&sealed(view)?, openings).map_err(blame)
}

fn dealings(
    ceremony: &Ceremony<Ristretto>,
    view: &CeremonyView,
) -> Result<Dealings<Ristretto>, TrusteeError> {
    let dealings = view.said.iter().map(|said| {
        let dealing = said.dealing.as_ref().ok_or_else(|| missing("a dealing"))?;
        Dealing::from_bytes(&dealing.0).map_err(unreadable)
    });
    ceremony.check_dealings(dealings.collect::<Result<Vec<_>, _>>()?).map_err(blame)
}

#[expect(clippy::needless_pass_by_value, reason = "errors are handed over")]
fn blame(faults: Vec<mixnet::Fault>) -> TrusteeError {
    TrusteeError::View(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}
