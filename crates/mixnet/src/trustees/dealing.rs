//! Shares that are sent in the open, encrypted, and complaints that everybody can judge.
//!
//! A share for the trustee with transport key `X = xG` is sent as `K = kG` and the share's encoding, XORed with a hash
//! of `kX`. Whoever gets a wrong one shows `xK = kX` and proves it; then everybody decrypts that share and sees who
//! lied. The dealer proves to know `k`: otherwise a liar could send on the `K` of an honest dealer, and the complaint
//! would open the honest one's share.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Ceremony, Dealer, Fault, Offence, Opening, Openings, TransportKey, polynomial::Polynomial};
use crate::{
    encoding::{Encoded, Malformed, Reader, write_count},
    group::{Group, SCALAR_BYTES},
    proofs::{EqualityProof, KnowledgeProof},
    transcript::Transcript,
};

/// A trustee's shares for all trustees, in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dealing<G: Group>(Vec<SealedShare<G>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct SealedShare<G: Group> {
    key: G::Element,
    ciphertext: [u8; SCALAR_BYTES],
    knowledge: KnowledgeProof<G>,
}

/// Everybody's dealings, found in order as far as all can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dealings<G: Group>(pub(super) Vec<Dealing<G>>);

/// An accusation, with what it takes to judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint<G: Group> {
    dealer: u16,
    accuser: u16,
    /// The accuser's secret times the share's key.
    shared: G::Element,
    proof: EqualityProof<G>,
}

impl<G: Group> Ceremony<G> {
    /// Third round: a trustee deals shares, once the openings are found in order.
    pub fn deal(&self, dealer: &Dealer<G>, _checked: &Openings<G>, rng: &mut impl CryptoRng) -> Dealing<G> {
        self.deal_polynomial(dealer.trustee, &dealer.polynomial, rng)
    }

    pub(super) fn deal_polynomial(
        &self,
        dealer: u16,
        polynomial: &Polynomial<G>,
        rng: &mut impl CryptoRng,
    ) -> Dealing<G> {
        let receivers = self.quorum.numbers().zip(&self.trustees);
        let seal = |(receiver, transport): (u16, &G::Element)| {
            let secret = Zeroizing::new(G::random_scalar(rng));
            let key = G::mul_generator(&secret);
            let shared = G::mul(transport, &secret);
            let share = Zeroizing::new(G::encode_scalar(&polynomial.at(receiver)));
            let ciphertext = self.mask(dealer, receiver, &key, &shared, &share);
            let mut transcript = self.share_transcript(dealer, receiver, &key, &ciphertext);
            let knowledge = KnowledgeProof::<G>::prove(&mut transcript, &secret, rng);
            SealedShare { key, ciphertext, knowledge }
        };
        Dealing(receivers.map(seal).collect())
    }

    /// The dealings, if everybody dealt as it is done. All others are named.
    pub fn check_dealings(&self, dealings: Vec<Dealing<G>>) -> Result<Dealings<G>, Vec<Fault>> {
        self.check_each(dealings.len(), |trustee, at| match dealings.get(at) {
            Some(dealing) => self.fault_of_dealing(trustee, dealing),
            None => Some(Offence::Silence),
        })?;
        Ok(Dealings(dealings))
    }

    fn fault_of_dealing(&self, dealer: u16, dealing: &Dealing<G>) -> Option<Offence> {
        if dealing.0.len() != self.trustees.len() {
            return Some(Offence::Shares);
        }
        let known = self.quorum.numbers().zip(&dealing.0).all(|(receiver, share)| {
            let mut transcript = self.share_transcript(dealer, receiver, &share.key, &share.ciphertext);
            share.knowledge.verify(&mut transcript, &share.key)
        });
        (!known).then_some(Offence::ShareKey)
    }

    /// The share that was dealt to a trustee, if it is one.
    pub(super) fn open_share(
        &self,
        dealer: u16,
        receiver: u16,
        transport: &TransportKey<G>,
        opening: &Opening<G>,
        dealing: &Dealing<G>,
    ) -> Option<Zeroizing<G::Scalar>> {
        let sealed = dealing.of(receiver)?;
        let shared = G::mul(&sealed.key, transport.secret());
        self.unmask(dealer, receiver, sealed, &shared, opening)
    }

    fn unmask(
        &self,
        dealer: u16,
        receiver: u16,
        sealed: &SealedShare<G>,
        shared: &G::Element,
        opening: &Opening<G>,
    ) -> Option<Zeroizing<G::Scalar>> {
        let share = Zeroizing::new(self.mask(dealer, receiver, &sealed.key, shared, &sealed.ciphertext));
        let share = Zeroizing::new(G::decode_scalar(&*share).ok()?);
        (G::mul_generator(&share) == opening.at(receiver)).then_some(share)
    }

    pub(super) fn complain(
        &self,
        dealer: u16,
        accuser: u16,
        transport: &TransportKey<G>,
        dealing: &Dealing<G>,
        rng: &mut impl CryptoRng,
    ) -> Complaint<G> {
        let key = dealing.of(accuser).expect("a checked dealing has a share for each trustee").key;
        let shared = G::mul(&key, transport.secret());
        let mut transcript = self.complaint_transcript(dealer, accuser, &key, &shared);
        let proof = EqualityProof::prove(&mut transcript, &key, transport.secret(), rng);
        Complaint { dealer, accuser, shared, proof }
    }

    /// Who lied: the dealer, if the share is wrong, or else the accuser. Everybody comes to the same verdict.
    #[must_use]
    pub fn judge(&self, openings: &Openings<G>, dealings: &Dealings<G>, complaint: &Complaint<G>) -> Fault {
        let Complaint { dealer, accuser, shared, proof } = complaint;
        let falsely = Fault { trustee: *accuser, offence: Offence::FalseAccusation };
        let place = |trustee: &u16| usize::from(*trustee).checked_sub(1);
        let of_dealer = place(dealer).and_then(|at| Some((openings.0.get(at)?, dealings.0.get(at)?)));
        let transport = place(accuser).and_then(|at| self.trustees.get(at));
        let (Some((opening, dealing)), Some(transport)) = (of_dealer, transport) else { return falsely };
        let Some(sealed) = dealing.of(*accuser) else { return falsely };
        let mut transcript = self.complaint_transcript(*dealer, *accuser, &sealed.key, shared);
        let proven = proof.verify(&mut transcript, &sealed.key, [transport, shared]);
        if proven && self.unmask(*dealer, *accuser, sealed, shared, opening).is_none() {
            Fault { trustee: *dealer, offence: Offence::WrongShare }
        } else {
            falsely
        }
    }

    /// XOR with a hash of the shared element: hides a share, and shows it again.
    fn mask(
        &self,
        dealer: u16,
        receiver: u16,
        key: &G::Element,
        shared: &G::Element,
        bytes: &[u8; SCALAR_BYTES],
    ) -> [u8; SCALAR_BYTES] {
        let mut transcript = self.transcript("share", dealer);
        transcript.tell_number("receiver", u64::from(receiver));
        transcript.tell_element::<G>("key", key);
        transcript.tell_element::<G>("shared", shared);
        let pad = Zeroizing::new(transcript.challenge_bytes("pad"));
        let mut masked = *bytes;
        masked.iter_mut().zip(pad.iter()).for_each(|(byte, pad)| *byte ^= pad);
        masked
    }

    fn share_transcript(
        &self,
        dealer: u16,
        receiver: u16,
        key: &G::Element,
        ciphertext: &[u8; SCALAR_BYTES],
    ) -> Transcript {
        let mut transcript = self.transcript("share key", dealer);
        transcript.tell_number("receiver", u64::from(receiver));
        transcript.tell_element::<G>("key", key);
        transcript.tell("ciphertext", ciphertext);
        transcript
    }

    fn complaint_transcript(
        &self,
        dealer: u16,
        accuser: u16,
        key: &G::Element,
        shared: &G::Element,
    ) -> Transcript {
        let mut transcript = self.transcript("complaint", accuser);
        transcript.tell_number("dealer", u64::from(dealer));
        transcript.tell_element::<G>("key", key);
        transcript.tell_element::<G>("shared", shared);
        transcript
    }
}

impl<G: Group> Dealing<G> {
    fn of(&self, receiver: u16) -> Option<&SealedShare<G>> {
        self.0.get(usize::from(receiver).checked_sub(1)?)
    }
}

impl<G: Group> Encoded for Dealing<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        write_count(self.0.len(), into);
        for SealedShare { key, ciphertext, knowledge } in &self.0 {
            G::encode_element(key, into);
            into.extend(ciphertext);
            knowledge.encode(into);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = reader.count(2 * G::ELEMENT_BYTES + 2 * SCALAR_BYTES)?;
        let share = |_| {
            let (key, ciphertext) = (reader.element::<G>()?, reader.array()?);
            Ok(SealedShare { key, ciphertext, knowledge: KnowledgeProof::read(reader)? })
        };
        Ok(Self((0..count).map(share).collect::<Result<_, Malformed>>()?))
    }
}

impl<G: Group> Encoded for Complaint<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        into.extend(self.dealer.to_be_bytes());
        into.extend(self.accuser.to_be_bytes());
        G::encode_element(&self.shared, into);
        self.proof.encode(into);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let [dealer, accuser] = [reader.array()?, reader.array()?].map(u16::from_be_bytes);
        let shared = reader.element::<G>()?;
        Ok(Self { dealer, accuser, shared, proof: EqualityProof::read(reader)? })
    }
}
