//! One trustee's part of decrypting a list, with one proof for all of it.
//!
//! For the mask `A` of each ciphertext the trustee shows `xA`. Weights `ρ` that follow from all of them make one
//! statement of it: `xΣρA = Σρ(xA)`, proven to be about the same `x` as the trustee's public key. A single wrong
//! element escapes with a chance of one in 2^128.

use rand_core::CryptoRng;
use rayon::prelude::*;

use super::{Fault, KeyShare, Offence, TrusteeKeys};
use crate::{
    elgamal::{Rows, WIDTH_MAX},
    encoding::{Encoded, Malformed, Reader, write_count, write_elements},
    group::{Group, SCALAR_BYTES},
    msm::Terms,
    proofs::EqualityProof,
    transcript::Transcript,
};

/// A trustee's share applied to every mask of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialDecryption<G: Group> {
    pub(super) trustee: u16,
    /// Column by column, as the rows have them.
    pub(super) factors: Vec<Vec<G::Element>>,
    proof: EqualityProof<G>,
    /// Without the proof.
    encoded: Vec<u8>,
}

impl<G: Group> TrusteeKeys<G> {
    /// Decrypts a trustee's part of the rows. `context` says which list of which election this is.
    pub fn decrypt(
        &self,
        share: &KeyShare<G>,
        context: &[u8],
        rows: &Rows<G>,
        rng: &mut impl CryptoRng,
    ) -> Result<PartialDecryption<G>, Fault> {
        let trustee = share.trustee;
        if !self.is_share(share) {
            return Err(Fault { trustee, offence: Offence::Stranger });
        }
        let multiples =
            |masks: &Vec<G::Element>| masks.par_iter().map(|mask| G::mul(mask, &share.secret)).collect();
        let factors: Vec<Vec<G::Element>> = rows.masks().iter().map(multiples).collect();
        let encoded = encode_factors::<G>(trustee, &factors);
        let (mut transcript, weights) = self.transcript(context, rows, trustee, &encoded);
        let base = combined::<G>(&weights, rows.masks());
        let proof = EqualityProof::<G>::prove(&mut transcript, &base, &share.secret, rng);
        Ok(PartialDecryption { trustee, factors, proof, encoded })
    }

    /// Is it that trustee's part of these rows?
    pub fn verify(
        &self,
        context: &[u8],
        rows: &Rows<G>,
        partial: &PartialDecryption<G>,
    ) -> Result<(), Fault> {
        let trustee = partial.trustee;
        let fault = |offence| Fault { trustee, offence };
        let public = self.of_trustee(trustee).ok_or(fault(Offence::Stranger))?;
        if partial.factors.len() != rows.width() || partial.factors[0].len() != rows.len() {
            return Err(fault(Offence::OtherRows));
        }
        let (mut transcript, weights) = self.transcript(context, rows, trustee, &partial.encoded);
        let base = combined::<G>(&weights, rows.masks());
        let multiple = combined::<G>(&weights, &partial.factors);
        let holds = partial.proof.verify(&mut transcript, &base, [public, &multiple]);
        if holds { Ok(()) } else { Err(fault(Offence::Decryption)) }
    }

    /// The whole statement, and the weights that follow from it.
    fn transcript(
        &self,
        context: &[u8],
        rows: &Rows<G>,
        trustee: u16,
        encoded: &[u8],
    ) -> (Transcript, Vec<u128>) {
        let mut transcript = Transcript::new::<G>("partial decryption");
        transcript.tell("context", context);
        transcript.tell("keys", &self.to_bytes());
        transcript.tell_number("trustee", u64::from(trustee));
        transcript.tell("rows", rows.encoded());
        transcript.tell("factors", encoded);
        let weights = transcript.weights("weights").take(rows.len() * rows.width());
        (transcript, weights)
    }
}

/// The weights are used column by column.
fn combined<G: Group>(weights: &[u128], columns: &[Vec<G::Element>]) -> G::Element {
    let mut terms = Terms::<G>::with_capacity(0);
    for (weights, column) in weights.chunks_exact(columns[0].len()).zip(columns) {
        terms.add_all(weights.iter().map(|weight| G::Scalar::from(*weight)).collect(), column);
    }
    terms.sum()
}

fn encode_factors<G: Group>(trustee: u16, factors: &[Vec<G::Element>]) -> Vec<u8> {
    let mut encoded = trustee.to_be_bytes().to_vec();
    write_count(factors[0].len(), &mut encoded);
    write_count(factors.len(), &mut encoded);
    factors.iter().for_each(|column| write_elements::<G>(column, &mut encoded));
    encoded
}

impl<G: Group> PartialDecryption<G> {
    #[must_use]
    pub const fn trustee(&self) -> u16 {
        self.trustee
    }

    /// How many bytes a part of so many rows has.
    #[must_use]
    pub fn length(rows: usize, width: usize) -> usize {
        let head = 2 + 4 + 4;
        head + rows * width * G::ELEMENT_BYTES + 2 * G::ELEMENT_BYTES + SCALAR_BYTES
    }
}

impl<G: Group> Encoded for PartialDecryption<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.encoded);
        self.proof.encode(into);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let trustee: [u8; 2] = reader.array()?;
        let rows = reader.count(G::ELEMENT_BYTES)?;
        let said = reader.number()?;
        let width = usize::try_from(said).ok().filter(|width| (1..=WIDTH_MAX).contains(width) && rows > 0);
        let width = width.ok_or(Malformed::Count(said))?;
        let count = rows.checked_mul(width).and_then(|count| count.checked_mul(G::ELEMENT_BYTES));
        let bytes = reader.bytes(count.ok_or(Malformed::Short)?)?;
        let factors = Reader::new(bytes).elements::<G>(rows * width)?;
        let mut encoded = trustee.to_vec();
        write_count(rows, &mut encoded);
        write_count(width, &mut encoded);
        encoded.extend_from_slice(bytes);
        let factors = factors.chunks_exact(rows).map(<[G::Element]>::to_vec).collect();
        let proof = EqualityProof::read(reader)?;
        Ok(Self { trustee: u16::from_be_bytes(trustee), factors, proof, encoded })
    }
}
