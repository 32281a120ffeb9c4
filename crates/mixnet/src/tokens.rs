//! Blind tokens: whoever may vote gets one, and nobody can tell later which ballot it was used for.
//!
//! RFC 9497, mode VOPRF, suite ristretto255-SHA512. A voter hides the token's input from the issuer by a random
//! factor; the issuer multiplies by its secret without seeing what, and proves that it was the secret everybody knows
//! the public half of, because with a key for each voter it would recognise them again. The input best is the public
//! key that signs the ballot: then a token is of no use to whoever steals it.
//!
//! Only the issuer can check a token. So that observers can too, it publishes for all redeemed tokens together what
//! it multiplied and one proof ([`TokenKey::prove_redeemed`]).

mod proof;

use std::fmt;

use rand_core::CryptoRng;
use rayon::prelude::*;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use self::proof::BatchProof;
use crate::{
    encoding::{Encoded, Malformed, Reader},
    group::{Group, Ristretto},
};

/// Tokens that one proof may be about: RFC 9497 counts them in two bytes.
pub const TOKENS_MAX: usize = 1 << 16;

/// Bytes of a token's input, at most.
pub const INPUT_BYTES_MAX: usize = 1024;

type Element = <Ristretto as Group>::Element;
type Scalar = <Ristretto as Group>::Scalar;

/// What separates this suite and mode from all others, in front of which each use puts its own word.
const SUITE: &str = "OPRFV1-\u{1}-ristretto255-SHA512";

/// The issuer's secret, and its public half.
pub struct TokenKey {
    secret: Zeroizing<Scalar>,
    public: TokenIssuer,
}

/// The public half of an issuer's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenIssuer(Element);

/// A token that is being asked for: what the voter keeps until the answer comes.
pub struct Request {
    input: Vec<u8>,
    blind: Zeroizing<Scalar>,
    blinded: BlindedInput,
}

/// What the issuer sees of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlindedInput(Element);

/// What the issuer made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluated(Element);

/// The right to vote once.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub input: Vec<u8>,
    pub output: [u8; 64],
}

/// Why there is no token, or none that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("an input of {0} bytes: up to {INPUT_BYTES_MAX} are possible")]
    Input(usize),
    #[error("{0} tokens at once: 1 to {TOKENS_MAX} are possible")]
    Count(usize),
    #[error("the proof does not hold for these tokens and this issuer")]
    Proof,
    #[error("the issuer answered about other tokens")]
    OtherTokens,
    #[error("token {0} does not follow from its input")]
    Output(usize),
    #[error("token {0} is the issuer's")]
    Issued(usize),
}

/// `use || suite`, as a domain separation tag.
fn tag(purpose: &str) -> Vec<u8> {
    [purpose.as_bytes(), SUITE.as_bytes()].concat()
}

/// Parts with their lengths in two bytes before them.
fn framed(parts: &[&[u8]], into: &mut Vec<u8>) {
    for part in parts {
        let length = u16::try_from(part.len()).expect("inputs and elements are far below 64 KiB");
        into.extend(length.to_be_bytes());
        into.extend_from_slice(part);
    }
}

fn hash_to_group(input: &[u8]) -> Result<Element, TokenError> {
    if input.len() > INPUT_BYTES_MAX {
        return Err(TokenError::Input(input.len()));
    }
    let element = Ristretto::hash_to_element(&tag("HashToGroup-"), &[input]);
    // RFC 9497 has this be an error, though nobody can find such an input.
    if element == Ristretto::identity() { Err(TokenError::Input(input.len())) } else { Ok(element) }
}

/// The token's output, of its input and the issuer's multiple of it.
fn output(input: &[u8], multiple: &Element) -> [u8; 64] {
    let mut hashed = Vec::new();
    framed(&[input, &Ristretto::element_bytes(multiple)], &mut hashed);
    hashed.extend_from_slice(b"Finalize");
    Sha512::digest(&hashed).into()
}

impl TokenKey {
    /// RFC 9497's `DeriveKeyPair`. `info` says what for: an election.
    ///
    /// # Panics
    ///
    /// If `info` has more than 65,535 bytes.
    #[must_use]
    pub fn derive(seed: &[u8; 32], info: &[u8]) -> Self {
        let mut derived = Zeroizing::new(seed.to_vec());
        framed(&[info], &mut derived);
        let tag = tag("DeriveKeyPair");
        let secrets = (0..=u8::MAX).map(|counter| Ristretto::hash_to_scalar(&tag, &[&derived, &[counter]]));
        let secret =
            secrets.into_iter().find(|secret| *secret != Scalar::ZERO).expect("zero comes up once in 2^252");
        Self::of(Zeroizing::new(secret))
    }

    fn of(secret: Zeroizing<Scalar>) -> Self {
        let public = TokenIssuer(Ristretto::mul_generator(&secret));
        Self { secret, public }
    }

    #[must_use]
    pub const fn public(&self) -> &TokenIssuer {
        &self.public
    }

    /// Issues tokens to whoever may vote, with one proof for all of them.
    pub fn issue(
        &self,
        blinded: &[BlindedInput],
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<Evaluated>, BatchProof), TokenError> {
        let inputs: Vec<_> = blinded.iter().map(|blinded| blinded.0).collect();
        let multiples: Vec<_> = inputs.par_iter().map(|input| Ristretto::mul(input, &self.secret)).collect();
        let nonce = Zeroizing::new(Ristretto::random_scalar(rng));
        let proof = BatchProof::prove(&self.secret, &self.public.0, &inputs, &multiples, &nonce)?;
        Ok((multiples.into_iter().map(Evaluated).collect(), proof))
    }

    /// Is this a token of this issuer's? Whether it was used before, somebody else knows.
    pub fn redeem(&self, token: &Token) -> Result<(), TokenError> {
        let multiple = Ristretto::mul(&hash_to_group(&token.input)?, &self.secret);
        let same: bool = output(&token.input, &multiple).ct_eq(&token.output).into();
        if same { Ok(()) } else { Err(TokenError::Output(0)) }
    }

    /// What observers need to check redeemed tokens: the multiple of each input, and one proof.
    pub fn prove_redeemed(
        &self,
        tokens: &[Token],
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<Evaluated>, BatchProof), TokenError> {
        let inputs = hashed(tokens)?;
        self.issue(&inputs.into_iter().map(BlindedInput).collect::<Vec<_>>(), rng)
    }
}

/// What tokens' inputs are hashed to.
fn hashed(tokens: &[Token]) -> Result<Vec<Element>, TokenError> {
    tokens.par_iter().map(|token| hash_to_group(&token.input)).collect()
}

impl TokenIssuer {
    /// Are these all tokens of this issuer's? For everybody.
    pub fn verify_redeemed(
        &self,
        tokens: &[Token],
        multiples: &[Evaluated],
        proof: &BatchProof,
    ) -> Result<(), TokenError> {
        match self.first_that_is(false, tokens, multiples, proof)? {
            Some(index) => Err(TokenError::Output(index)),
            None => Ok(()),
        }
    }

    /// Is none of these a token of this issuer's? For everybody: the issuer shows its multiples of their inputs all
    /// the same.
    pub fn verify_refused(
        &self,
        tokens: &[Token],
        multiples: &[Evaluated],
        proof: &BatchProof,
    ) -> Result<(), TokenError> {
        match self.first_that_is(true, tokens, multiples, proof)? {
            Some(index) => Err(TokenError::Issued(index)),
            None => Ok(()),
        }
    }

    /// The first token that is this issuer's, or the first that is not, if these are its multiples.
    fn first_that_is(
        &self,
        issued: bool,
        tokens: &[Token],
        multiples: &[Evaluated],
        proof: &BatchProof,
    ) -> Result<Option<usize>, TokenError> {
        if tokens.len() != multiples.len() {
            return Err(TokenError::OtherTokens);
        }
        let multiples: Vec<_> = multiples.iter().map(|multiple| multiple.0).collect();
        proof.verify(&self.0, &hashed(tokens)?, &multiples)?;
        let is = |(token, multiple): (&Token, &Element)| {
            (output(&token.input, multiple) == token.output) == issued
        };
        Ok(tokens.iter().zip(&multiples).position(is))
    }
}

impl Request {
    /// Asks for the token of an input.
    pub fn new(input: &[u8], rng: &mut impl CryptoRng) -> Result<Self, TokenError> {
        Self::with_blind(input, Zeroizing::new(Ristretto::random_scalar(rng)))
    }

    fn with_blind(input: &[u8], blind: Zeroizing<Scalar>) -> Result<Self, TokenError> {
        let blinded = BlindedInput(Ristretto::mul(&hash_to_group(input)?, &blind));
        Ok(Self { input: input.to_vec(), blind, blinded })
    }

    /// What to send to the issuer.
    #[must_use]
    pub const fn blinded(&self) -> &BlindedInput {
        &self.blinded
    }
}

/// The tokens that were asked for, if the issuer proved to have used its one key. All that were answered with one
/// proof are needed to check it: those of others as the issuer shows them, one's own by their place among them.
pub fn finish(
    issuer: &TokenIssuer,
    requests: Vec<(usize, Request)>,
    blinded: &[BlindedInput],
    evaluated: &[Evaluated],
    proof: &BatchProof,
) -> Result<Vec<Token>, TokenError> {
    let own = requests.iter().all(|(at, request)| blinded.get(*at) == Some(&request.blinded));
    if !own || blinded.len() != evaluated.len() {
        return Err(TokenError::OtherTokens);
    }
    let inputs: Vec<_> = blinded.iter().map(|blinded| blinded.0).collect();
    let multiples: Vec<_> = evaluated.iter().map(|evaluated| evaluated.0).collect();
    proof.verify(&issuer.0, &inputs, &multiples)?;
    let token = |(at, request): (usize, Request)| {
        let multiple = Ristretto::mul(&multiples[at], &request.blind.invert());
        Token { output: output(&request.input, &multiple), input: request.input }
    };
    Ok(requests.into_iter().map(token).collect())
}

/// Elements that cross the wire alone.
macro_rules! encoded_as_an_element {
    ($($name:ident),+) => { $(
        impl Encoded for $name {
            fn encode(&self, into: &mut Vec<u8>) {
                Ristretto::encode_element(&self.0, into);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                reader.element::<Ristretto>().map(Self)
            }
        }
    )+ };
}

encoded_as_an_element!(TokenIssuer, BlindedInput, Evaluated);

impl Encoded for Token {
    fn encode(&self, into: &mut Vec<u8>) {
        framed(&[&self.input], into);
        into.extend(self.output);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = u16::from_be_bytes(reader.array()?);
        if usize::from(length) > INPUT_BYTES_MAX {
            return Err(Malformed::Count(u32::from(length)));
        }
        Ok(Self { input: reader.bytes(usize::from(length))?.to_vec(), output: reader.array()? })
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({:?}, ..)", self.public)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Request(..)")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests;
