//! The mixer's side of the proof.

use rand_core::CryptoRng;
use rayon::prelude::*;
use zeroize::Zeroizing;

use super::{Announced, Mix, Responses, ShuffleProof, Witness, permutation::random_scalars};
use crate::{
    elgamal::{Rows, Secrets},
    encoding::{write_count, write_elements, write_scalars},
    group::Group,
    msm,
    transcript::Transcript,
};

/// The secret exponents of the chain: its element `i` is `base[i] G + factor[i] H`, the one before the first is `H`.
struct Chain<G: Group> {
    base: Secrets<G>,
    factor: Secrets<G>,
}

/// What hides the secrets in the responses.
struct Nonces<G: Group> {
    alone: Secrets<G>,
    columns: Secrets<G>,
    chain: Secrets<G>,
    permuted: Secrets<G>,
}

impl<G: Group> Mix<'_, G> {
    /// The proof that the witness leads from the input to the output.
    pub(super) fn prove(
        &self,
        output: &Rows<G>,
        witness: &Witness<G>,
        rng: &mut impl CryptoRng,
    ) -> ShuffleProof<G> {
        let (rows, width) = (output.len(), output.width());
        let mut encoded = Vec::with_capacity(ShuffleProof::<G>::ends(rows, width)[2]);
        write_count(rows, &mut encoded);
        write_count(width, &mut encoded);
        let (commitments, openings) = self.commit(witness, rng);
        write_elements::<G>(&commitments, &mut encoded);

        let mut transcript = self.transcript(output, &encoded);
        let challenges: Vec<G::Scalar> = scalars::<G>(&transcript.weights("rows").take(rows));
        let permuted = Zeroizing::new(witness.permutation.apply(&challenges));
        let chain_openings = random_scalars::<G>(rows, rng);
        let chain = Chain::<G>::new(&permuted, &chain_openings);
        let table = G::table(self.generators.first());
        let chain_elements = chain.elements(&table);
        let nonces = Nonces::<G>::random(rows, width, rng);
        let announced = self.announce(output, &chain, &nonces, &table);
        let begin = encoded.len();
        write_elements::<G>(&chain_elements, &mut encoded);
        announced.encode(&mut encoded);

        transcript.tell("announced", &encoded[begin..]);
        let challenge = transcript.challenge::<G>("challenge");
        let secrets = [
            openings.iter().fold(G::Scalar::default(), |sum, opening| sum + *opening),
            chain.base.last().copied().unwrap_or_default(),
            dot::<G>(&openings, &challenges),
        ];
        let answer = |nonces: &[G::Scalar], secrets: &[G::Scalar]| {
            let pairs = nonces.iter().zip(secrets);
            pairs.map(|(nonce, secret)| *nonce + challenge * *secret).collect::<Vec<_>>()
        };
        let alone = answer(&nonces.alone, &secrets);
        let again: Vec<_> = witness.scalars.iter().map(|column| dot::<G>(column, &permuted)).collect();
        let responses = Responses {
            alone: [alone[0], alone[1], alone[2]],
            columns: answer(&nonces.columns, &again),
            chain: answer(&nonces.chain, &chain_openings),
            permuted: answer(&nonces.permuted, &permuted),
        };
        responses.encode(&mut encoded);
        ShuffleProof { commitments, chain: chain_elements, announced, responses, encoded }
    }

    /// Commits to the permutation's columns: that of the input's row from which row `i` of the output came is
    /// `rG` and generator `i`.
    fn commit(&self, witness: &Witness<G>, rng: &mut impl CryptoRng) -> (Vec<G::Element>, Secrets<G>) {
        let openings = random_scalars::<G>(witness.permutation.len(), rng);
        let places = witness.permutation.undo(self.generators.rest());
        let commitments =
            openings.par_iter().zip(places).map(|(opening, place)| G::mul_generator(opening) + place);
        (commitments.collect(), openings)
    }

    fn announce(
        &self,
        output: &Rows<G>,
        chain: &Chain<G>,
        nonces: &Nonces<G>,
        table: &G::Table,
    ) -> Announced<G> {
        let combined = |elements: &[G::Element]| msm::sum::<G>(&nonces.permuted, elements);
        let alone = [
            G::mul_generator(&nonces.alone[0]),
            G::mul_generator(&nonces.alone[1]),
            G::mul_generator(&nonces.alone[2]) + combined(self.generators.rest()),
        ];
        let halves = output.masks().iter().zip(output.bodies()).zip(&*nonces.columns);
        let columns = halves.map(|((masks, bodies), nonce)| {
            [combined(masks) - G::mul_generator(nonce), combined(bodies) - G::mul(self.key.element(), nonce)]
        });
        Announced { alone, columns: columns.collect(), chain: chain.announce(nonces, table) }
    }
}

impl<G: Group> Chain<G> {
    fn new(permuted: &[G::Scalar], openings: &[G::Scalar]) -> Self {
        let mut base = Zeroizing::new(Vec::with_capacity(permuted.len()));
        let mut factor = Zeroizing::new(Vec::with_capacity(permuted.len()));
        let (mut last_base, mut last_factor) = (G::Scalar::default(), G::Scalar::from(1_u64));
        for (challenge, opening) in permuted.iter().zip(openings) {
            last_base = *opening + *challenge * last_base;
            last_factor = *challenge * last_factor;
            base.push(last_base);
            factor.push(last_factor);
        }
        Self { base, factor }
    }

    fn elements(&self, table: &G::Table) -> Vec<G::Element> {
        let pairs = self.base.par_iter().zip(self.factor.par_iter());
        pairs.map(|(base, factor)| G::mul_generator(base) + G::mul_table(table, factor)).collect()
    }

    /// `nonce G + nonce' C`, where `C` is the chain's element before.
    fn announce(&self, nonces: &Nonces<G>, table: &G::Table) -> Vec<G::Element> {
        let pairs = nonces.chain.par_iter().zip(nonces.permuted.par_iter());
        let announce = |(index, (nonce, permuted)): (usize, (&G::Scalar, &G::Scalar))| {
            let (base, factor) = match index.checked_sub(1) {
                Some(before) => (self.base[before], self.factor[before]),
                None => (G::Scalar::default(), G::Scalar::from(1_u64)),
            };
            G::mul_generator(&(*nonce + *permuted * base)) + G::mul_table(table, &(*permuted * factor))
        };
        pairs.enumerate().map(announce).collect()
    }
}

impl<G: Group> Nonces<G> {
    fn random(rows: usize, width: usize, rng: &mut impl CryptoRng) -> Self {
        Self {
            alone: random_scalars::<G>(super::ALONE, rng),
            columns: random_scalars::<G>(width, rng),
            chain: random_scalars::<G>(rows, rng),
            permuted: random_scalars::<G>(rows, rng),
        }
    }
}

impl<G: Group> Announced<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        write_elements::<G>(&self.alone, into);
        write_elements::<G>(self.columns.as_flattened(), into);
        write_elements::<G>(&self.chain, into);
    }
}

impl<G: Group> Responses<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        for scalars in [&self.alone[..], &self.columns, &self.chain, &self.permuted] {
            write_scalars::<G>(scalars, into);
        }
    }
}

/// 128-bit challenges as scalars.
pub(super) fn scalars<G: Group>(challenges: &[u128]) -> Vec<G::Scalar> {
    challenges.iter().map(|challenge| G::Scalar::from(*challenge)).collect()
}

fn dot<G: Group>(a: &[G::Scalar], b: &[G::Scalar]) -> G::Scalar {
    a.iter().zip(b).fold(G::Scalar::default(), |sum, (a, b)| sum + *a * *b)
}

impl<G: Group> ShuffleProof<G> {
    /// The transcript after the announcement was told, for the verifier.
    pub(super) fn tell_announced(&self, transcript: &mut Transcript) -> G::Scalar {
        transcript.tell("announced", self.parts()[1]);
        transcript.challenge::<G>("challenge")
    }
}
