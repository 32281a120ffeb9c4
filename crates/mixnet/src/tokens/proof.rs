//! One proof that many elements were multiplied by one secret (RFC 9497, section 2.2).

use rayon::prelude::*;
use sha2::{Digest, Sha512};

use super::{Element, Scalar, TOKENS_MAX, TokenError, framed, tag};
use crate::{
    encoding::{Encoded, Malformed, Reader},
    group::{Group, Ristretto},
    msm,
};

/// `c` and `s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchProof {
    challenge: Response,
    response: Response,
}

/// A scalar that may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Response(Scalar);

/// `hash_to_scalar` of the suite.
fn hash_to_scalar(message: &[u8]) -> Scalar {
    Ristretto::hash_to_scalar(&tag("HashToScalar-"), &[message])
}

/// What each pair is multiplied by, so that one statement is made of all of them (`ComputeComposites`).
fn weights(public: &Element, inputs: &[Element], multiples: &[Element]) -> Vec<Scalar> {
    let mut hashed = Vec::new();
    framed(&[&Ristretto::element_bytes(public), &tag("Seed-")], &mut hashed);
    let seed = Sha512::digest(&hashed);
    let weight = |(index, (input, multiple)): (usize, (&Element, &Element))| {
        let mut hashed = Vec::new();
        framed(&[&seed], &mut hashed);
        let index = u16::try_from(index).expect("up to 65,536 tokens");
        hashed.extend(index.to_be_bytes());
        framed(&[&Ristretto::element_bytes(input), &Ristretto::element_bytes(multiple)], &mut hashed);
        hashed.extend_from_slice(b"Composite");
        hash_to_scalar(&hashed)
    };
    inputs.par_iter().zip(multiples).enumerate().map(weight).collect()
}

fn challenge(elements: [&Element; 5]) -> Scalar {
    let mut hashed = Vec::new();
    elements.iter().for_each(|element| framed(&[&Ristretto::element_bytes(element)], &mut hashed));
    hashed.extend_from_slice(b"Challenge");
    hash_to_scalar(&hashed)
}

impl BatchProof {
    /// That each of `multiples` is `secret` times its input, as `public` is of the generator.
    pub(super) fn prove(
        secret: &Scalar,
        public: &Element,
        inputs: &[Element],
        multiples: &[Element],
        nonce: &Scalar,
    ) -> Result<Self, TokenError> {
        check_count(inputs)?;
        let input = msm::sum::<Ristretto>(&weights(public, inputs, multiples), inputs);
        let multiple = Ristretto::mul(&input, secret);
        let (alone, of_input) = (Ristretto::mul_generator(nonce), Ristretto::mul(&input, nonce));
        let challenge = challenge([public, &input, &multiple, &alone, &of_input]);
        Ok(Self { challenge: Response(challenge), response: Response(nonce - challenge * secret) })
    }

    pub(super) fn verify(
        &self,
        public: &Element,
        inputs: &[Element],
        multiples: &[Element],
    ) -> Result<(), TokenError> {
        check_count(inputs)?;
        let weights = weights(public, inputs, multiples);
        let input = msm::sum::<Ristretto>(&weights, inputs);
        let multiple = msm::sum::<Ristretto>(&weights, multiples);
        let scalars = [self.response.0, self.challenge.0];
        let alone = Ristretto::sum_of_few(&scalars, &[Ristretto::generator(), *public]);
        let of_input = Ristretto::sum_of_few(&scalars, &[input, multiple]);
        let expected = challenge([public, &input, &multiple, &alone, &of_input]);
        if expected == self.challenge.0 { Ok(()) } else { Err(TokenError::Proof) }
    }
}

const fn check_count(inputs: &[Element]) -> Result<(), TokenError> {
    if inputs.is_empty() || inputs.len() > TOKENS_MAX {
        return Err(TokenError::Count(inputs.len()));
    }
    Ok(())
}

impl Encoded for BatchProof {
    fn encode(&self, into: &mut Vec<u8>) {
        into.extend(Ristretto::encode_scalar(&self.challenge.0));
        into.extend(Ristretto::encode_scalar(&self.response.0));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut scalar = || reader.scalar::<Ristretto>().map(Response);
        Ok(Self { challenge: scalar()?, response: scalar()? })
    }
}
