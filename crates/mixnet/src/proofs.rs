//! Two small proofs that larger ones are made of: that somebody knows a logarithm (Schnorr), and that two
//! logarithms are one (Chaum and Pedersen). Whoever uses them has told the transcript the whole statement before.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    encoding::{Encoded, Malformed, Reader},
    group::Group,
    transcript::Transcript,
};

/// `sG = T + eX`: whoever made it knows the logarithm of `X`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KnowledgeProof<G: Group> {
    commitment: G::Element,
    response: G::Scalar,
}

/// `sG = T + eX` and `sB = U + eZ`: the logarithm of `X` to the generator is that of `Z` to `B`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EqualityProof<G: Group> {
    commitments: [G::Element; 2],
    response: G::Scalar,
}

impl<G: Group> KnowledgeProof<G> {
    pub(crate) fn prove(transcript: &mut Transcript, secret: &G::Scalar, rng: &mut impl CryptoRng) -> Self {
        let nonce = Zeroizing::new(G::random_scalar(rng));
        let commitment = G::mul_generator(&nonce);
        let challenge = Self::challenge(transcript, &commitment);
        Self { commitment, response: *nonce + challenge * *secret }
    }

    pub(crate) fn verify(&self, transcript: &mut Transcript, public: &G::Element) -> bool {
        let challenge = Self::challenge(transcript, &self.commitment);
        G::sum_of_few(&[self.response, -challenge], &[G::generator(), *public]) == self.commitment
    }

    fn challenge(transcript: &mut Transcript, commitment: &G::Element) -> G::Scalar {
        transcript.tell_element::<G>("commitment", commitment);
        transcript.challenge::<G>("challenge")
    }
}

impl<G: Group> EqualityProof<G> {
    pub(crate) fn prove(
        transcript: &mut Transcript,
        base: &G::Element,
        secret: &G::Scalar,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let nonce = Zeroizing::new(G::random_scalar(rng));
        let commitments = [G::mul_generator(&nonce), G::mul(base, &nonce)];
        let challenge = Self::challenge(transcript, &commitments);
        Self { commitments, response: *nonce + challenge * *secret }
    }

    /// `public` belongs to the generator, `multiple` to `base`.
    pub(crate) fn verify(
        &self,
        transcript: &mut Transcript,
        base: &G::Element,
        [public, multiple]: [&G::Element; 2],
    ) -> bool {
        let challenge = Self::challenge(transcript, &self.commitments);
        let scalars = [self.response, -challenge];
        G::sum_of_few(&scalars, &[G::generator(), *public]) == self.commitments[0]
            && G::sum_of_few(&scalars, &[*base, *multiple]) == self.commitments[1]
    }

    fn challenge(transcript: &mut Transcript, commitments: &[G::Element; 2]) -> G::Scalar {
        transcript.tell_element::<G>("commitment", &commitments[0]);
        transcript.tell_element::<G>("commitment to the multiple", &commitments[1]);
        transcript.challenge::<G>("challenge")
    }
}

impl<G: Group> Encoded for KnowledgeProof<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        G::encode_element(&self.commitment, into);
        into.extend(G::encode_scalar(&self.response));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { commitment: reader.element::<G>()?, response: reader.scalar::<G>()? })
    }
}

impl<G: Group> Encoded for EqualityProof<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        self.commitments.iter().for_each(|commitment| G::encode_element(commitment, into));
        into.extend(G::encode_scalar(&self.response));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let commitments = [reader.element::<G>()?, reader.element::<G>()?];
        Ok(Self { commitments, response: reader.scalar::<G>()? })
    }
}

impl<G: Group> std::fmt::Debug for KnowledgeProof<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KnowledgeProof")
    }
}

impl<G: Group> std::fmt::Debug for EqualityProof<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EqualityProof")
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::group::{P256, Ristretto};

    fn transcript<G: Group>() -> Transcript {
        Transcript::new::<G>("test")
    }

    #[test]
    fn who_knows_a_logarithm_proves_it_and_nothing_else() {
        fn check<G: Group>() {
            let mut rng = StdRng::seed_from_u64(1);
            let secret = G::random_scalar(&mut rng);
            let public = G::mul_generator(&secret);
            let proof = KnowledgeProof::<G>::prove(&mut transcript::<G>(), &secret, &mut rng);
            assert!(proof.verify(&mut transcript::<G>(), &public));
            assert!(!proof.verify(&mut transcript::<G>(), &(public + G::generator())));
            assert!(!proof.verify(&mut Transcript::new::<G>("another"), &public));
            every_field_counts(&proof, |proof| proof.verify(&mut transcript::<G>(), &public));
        }
        check::<Ristretto>();
        check::<P256>();
    }

    #[test]
    fn who_has_one_logarithm_for_two_proves_it_and_nothing_else() {
        fn check<G: Group>() {
            let mut rng = StdRng::seed_from_u64(1);
            let secret = G::random_scalar(&mut rng);
            let base = G::embed(&[1; 30]);
            let (public, multiple) = (G::mul_generator(&secret), G::mul(&base, &secret));
            let proof = EqualityProof::<G>::prove(&mut transcript::<G>(), &base, &secret, &mut rng);
            let verify =
                |proof: &EqualityProof<G>, base, pair| proof.verify(&mut transcript::<G>(), base, pair);
            assert!(verify(&proof, &base, [&public, &multiple]));
            let other = base + G::generator();
            assert!(!verify(&proof, &other, [&public, &multiple]));
            assert!(!verify(&proof, &base, [&other, &multiple]));
            assert!(!verify(&proof, &base, [&public, &other]));
            every_field_counts(&proof, |proof| verify(proof, &base, [&public, &multiple]));
        }
        check::<Ristretto>();
        check::<P256>();
    }

    fn every_field_counts<P: Encoded>(proof: &P, verify: impl Fn(&P) -> bool) {
        let bytes = proof.to_bytes();
        assert!(P::from_bytes(&bytes).is_ok_and(|proof| verify(&proof)));
        for at in 0..bytes.len() {
            for flip in [1, 0x40] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                assert!(!P::from_bytes(&bytes).is_ok_and(|proof| verify(&proof)), "byte {at}");
            }
        }
        assert!(P::from_bytes(&bytes[1..]).is_err());
    }
}
