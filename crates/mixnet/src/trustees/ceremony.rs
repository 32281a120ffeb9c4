//! Making a key together, round by round: fix, open, deal, receive.
//!
//! Everything but the secrets is public, in the order of the trustees' numbers, and every trustee computes the same
//! from it. Whoever sends nothing holds up the round and is known by their absence.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    Fault, KeyShare, Offence, Quorum, TransportKey, TrusteeKeys,
    dealing::{Complaint, Dealings},
    polynomial::{Polynomial, committed_at},
};
use crate::{
    elgamal::{EncryptionKey, Unfit},
    encoding::{Encoded, Malformed, Reader, write_count, write_elements, write_scalars},
    group::{Group, SCALAR_BYTES},
    proofs::KnowledgeProof,
    transcript::Transcript,
};

/// Who makes a key with whom, and for what.
#[derive(Debug, Clone)]
pub struct Ceremony<G: Group> {
    pub(super) quorum: Quorum,
    /// Their transport keys.
    pub(super) trustees: Vec<G::Element>,
    /// Told everything above.
    transcript: Transcript,
}

/// What one trustee keeps to themselves until the ceremony is over.
pub struct Dealer<G: Group> {
    pub(super) trustee: u16,
    pub(super) polynomial: Polynomial<G>,
    opening: Opening<G>,
}

/// The hash of an opening, shown before any opening is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedOpening([u8; 64]);

/// Commitments to a trustee's polynomial, and a proof that they know its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening<G: Group> {
    commitments: Vec<G::Element>,
    knowledge: KnowledgeProof<G>,
}

/// Everybody's openings, found in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Openings<G: Group>(pub(super) Vec<Opening<G>>);

/// Why there is no such ceremony.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CeremonyError {
    #[error("{found} transport keys for {expected} trustees")]
    Trustees { expected: u16, found: usize },
    #[error("a transport key is the identity, or belongs to two trustees")]
    TransportKey,
}

/// Why a trustee got no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError<G: Group> {
    /// With another key every share would look wrong, and every complaint would be a false one.
    #[error("this is not the transport key of trustee {0}")]
    OtherKey(u16),
    #[error("{} shares are wrong", .0.len())]
    Complaints(Vec<Complaint<G>>),
}

impl<G: Group> Ceremony<G> {
    /// `context` says which election the key is for, and which attempt this is. The transport keys are the trustees',
    /// in the order of their numbers, and each trustee has made sure whose they are.
    pub fn new(context: &[u8], quorum: Quorum, trustees: Vec<G::Element>) -> Result<Self, CeremonyError> {
        if trustees.len() != usize::from(quorum.trustees()) {
            return Err(CeremonyError::Trustees { expected: quorum.trustees(), found: trustees.len() });
        }
        let repeated =
            |(index, key): (usize, &G::Element)| *key == G::identity() || trustees[..index].contains(key);
        if trustees.iter().enumerate().any(repeated) {
            return Err(CeremonyError::TransportKey);
        }
        let mut transcript = Transcript::new::<G>("key ceremony");
        transcript.tell("context", context);
        transcript.tell_number("threshold", u64::from(quorum.threshold()));
        transcript.tell_number("trustees", u64::from(quorum.trustees()));
        trustees.iter().for_each(|key| transcript.tell_element::<G>("transport key", key));
        Ok(Self { quorum, trustees, transcript })
    }

    /// A transcript that begins with the ceremony and what is proven about whom in it.
    pub(super) fn transcript(&self, about: &'static str, trustee: u16) -> Transcript {
        let mut transcript = self.transcript.clone();
        transcript.tell("about", about.as_bytes());
        transcript.tell_number("trustee", u64::from(trustee));
        transcript
    }

    /// First round: a trustee fixes their part. The sealed opening is for everybody.
    pub fn begin(&self, trustee: u16, rng: &mut impl CryptoRng) -> (Dealer<G>, SealedOpening) {
        let polynomial = Polynomial::random(self.quorum.threshold(), rng);
        let commitments = polynomial.commitments();
        let mut transcript = self.opening_transcript(trustee, &commitments);
        let knowledge = KnowledgeProof::prove(&mut transcript, polynomial.secret(), rng);
        let opening = Opening { commitments, knowledge };
        let sealed = self.seal(trustee, &opening);
        (Dealer { trustee, polynomial, opening }, sealed)
    }

    pub(super) fn seal(&self, trustee: u16, opening: &Opening<G>) -> SealedOpening {
        let mut transcript = self.transcript("sealed opening", trustee);
        transcript.tell("opening", &opening.to_bytes());
        SealedOpening(transcript.challenge_bytes("seal"))
    }

    fn opening_transcript(&self, trustee: u16, commitments: &[G::Element]) -> Transcript {
        let mut transcript = self.transcript("opening", trustee);
        commitments.iter().for_each(|commitment| transcript.tell_element::<G>("coefficient", commitment));
        transcript
    }

    /// The openings, if everybody opened what they had fixed, and knows it. All others are named.
    pub fn check_openings(
        &self,
        sealed: &[SealedOpening],
        openings: Vec<Opening<G>>,
    ) -> Result<Openings<G>, Vec<Fault>> {
        self.check_each(openings.len(), |trustee, at| match (sealed.get(at), openings.get(at)) {
            (Some(sealed), Some(opening)) => self.fault_of_opening(trustee, sealed, opening),
            (None, _) | (_, None) => Some(Offence::Silence),
        })?;
        Ok(Openings(openings))
    }

    /// Asks for everybody's offence; whoever is not a trustee has one already.
    pub(super) fn check_each(
        &self,
        spoke: usize,
        offence: impl Fn(u16, usize) -> Option<Offence>,
    ) -> Result<(), Vec<Fault>> {
        let each = self.quorum.numbers().enumerate();
        let faults = each.filter_map(|(at, trustee)| Some(Fault { trustee, offence: offence(trustee, at)? }));
        let stranger = Fault { trustee: self.quorum.trustees() + 1, offence: Offence::Stranger };
        let beyond = (spoke > self.trustees.len()).then_some(stranger);
        let faults: Vec<_> = faults.chain(beyond).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fault_of_opening(
        &self,
        trustee: u16,
        sealed: &SealedOpening,
        opening: &Opening<G>,
    ) -> Option<Offence> {
        if self.seal(trustee, opening) != *sealed {
            return Some(Offence::Opening);
        }
        if opening.commitments.len() != usize::from(self.quorum.threshold()) {
            return Some(Offence::Degree);
        }
        let mut transcript = self.opening_transcript(trustee, &opening.commitments);
        let known = opening.knowledge.verify(&mut transcript, &opening.commitments[0]);
        (!known).then_some(Offence::Knowledge)
    }

    /// Last round: a trustee opens the shares that were dealt to them. What they complain of, everybody judges.
    pub fn receive(
        &self,
        trustee: u16,
        transport: &TransportKey<G>,
        openings: &Openings<G>,
        dealings: &Dealings<G>,
        rng: &mut impl CryptoRng,
    ) -> Result<KeyShare<G>, ReceiveError<G>> {
        let own = usize::from(trustee).checked_sub(1).and_then(|at| self.trustees.get(at));
        if own != Some(transport.public()) {
            return Err(ReceiveError::OtherKey(trustee));
        }
        let mut secret = Zeroizing::new(G::Scalar::default());
        let mut complaints = Vec::new();
        for (dealer, (opening, dealing)) in self.quorum.numbers().zip(openings.0.iter().zip(&dealings.0)) {
            match self.open_share(dealer, trustee, transport, opening, dealing) {
                Some(share) => *secret += *share,
                None => complaints.push(self.complain(dealer, trustee, transport, dealing, rng)),
            }
        }
        if complaints.is_empty() {
            Ok(KeyShare { trustee, secret })
        } else {
            Err(ReceiveError::Complaints(complaints))
        }
    }

    /// The keys that the openings add up to, once nobody complains. Anybody computes them.
    pub fn conclude(&self, openings: &Openings<G>) -> Result<TrusteeKeys<G>, Unfit> {
        let sum = |of: &dyn Fn(&[G::Element]) -> G::Element| {
            openings.0.iter().fold(G::identity(), |sum, opening| sum + of(&opening.commitments))
        };
        let key = EncryptionKey::new(sum(&|commitments| commitments[0]))?;
        let of_trustee = |trustee| sum(&|commitments| committed_at::<G>(commitments, trustee));
        let trustees: Vec<_> = self.quorum.numbers().map(of_trustee).collect();
        if trustees.contains(&G::identity()) {
            return Err(Unfit::Identity);
        }
        Ok(TrusteeKeys { quorum: self.quorum, key, trustees })
    }
}

impl<G: Group> Dealer<G> {
    /// Second round, once everybody's sealed opening is there.
    #[must_use]
    pub const fn open(&self) -> &Opening<G> {
        &self.opening
    }

    #[must_use]
    pub const fn trustee(&self) -> u16 {
        self.trustee
    }

    /// For the trustee's own safe, because rounds may be days apart: number, count, coefficients, and the opening's
    /// proof.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let coefficients = self.polynomial.coefficients();
        let mut bytes = Zeroizing::new(Vec::with_capacity(128 + coefficients.len() * SCALAR_BYTES));
        bytes.extend(self.trustee.to_be_bytes());
        write_count(coefficients.len(), &mut bytes);
        write_scalars::<G>(coefficients, &mut bytes);
        self.opening.knowledge.encode(&mut bytes);
        bytes
    }

    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let trustee = u16::from_be_bytes(reader.array()?);
        let count = reader.count(SCALAR_BYTES)?;
        if count == 0 {
            return Err(Malformed::Count(0));
        }
        let polynomial = Polynomial::of(Zeroizing::new(reader.scalars::<G>(count)?));
        let knowledge = KnowledgeProof::read(&mut reader)?;
        reader.end()?;
        let opening = Opening { commitments: polynomial.commitments(), knowledge };
        Ok(Self { trustee, polynomial, opening })
    }
}

impl<G: Group> Opening<G> {
    pub(super) fn at(&self, trustee: u16) -> G::Element {
        committed_at::<G>(&self.commitments, trustee)
    }
}

impl SealedOpening {
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
}

impl<G: Group> Encoded for Opening<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        write_count(self.commitments.len(), into);
        write_elements::<G>(&self.commitments, into);
        self.knowledge.encode(into);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = reader.count(G::ELEMENT_BYTES)?;
        let commitments = reader.elements::<G>(count)?;
        Ok(Self { commitments, knowledge: KnowledgeProof::read(reader)? })
    }
}

impl<G: Group> fmt::Debug for Dealer<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dealer({}, ..)", self.trustee)
    }
}
