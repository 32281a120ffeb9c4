//! A voter asks for their token, without showing the key that it will be for.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use board::Hex;
use mixnet::{
    Encoded,
    tokens::{BatchProof, Evaluated, Request, TokenIssuer, finish},
};
use rand_core::CryptoRng;
use serde::Deserialize;

use crate::{Booth, Voter, VoterError};

/// Somebody who asks for a token: what they keep until the answer comes.
pub struct Asking {
    keys: Ed25519KeyPair,
    public: [u8; 32],
    request: Request,
}

/// What `POST /api/v1/voting/token` answers, as far as voters look.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenAnswer {
    pub weight: u32,
    pub issuer: Hex<32>,
    pub evaluated: Hex<32>,
    pub proof: Hex<64>,
}

impl Asking {
    /// Somebody whose votes the key of this seed will sign.
    ///
    /// # Errors
    /// When the seed makes no key.
    pub fn new(seed: &[u8; 32], rng: &mut impl CryptoRng) -> Result<Self, VoterError> {
        let keys = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| VoterError::Key)?;
        let public: [u8; 32] = keys.public_key().as_ref().try_into().map_err(|_| VoterError::Key)?;
        let request = Request::new(&public, rng)?;
        Ok(Self { keys, public, request })
    }

    /// What is asked with: it says nothing of the key.
    #[must_use]
    pub fn blinded(&self) -> Hex<32> {
        let bytes = self.request.blinded().to_bytes();
        Hex(bytes.try_into().expect("an element has 32 bytes"))
    }

    /// The voter that the answer makes of them.
    ///
    /// # Errors
    /// When the issuer does not prove that it used the key that the election shows to everybody: with a key for one voter alone
    /// it would know their vote again by its token.
    pub fn finish(self, booth: &Booth, answer: &TokenAnswer) -> Result<Voter, VoterError> {
        let known = booth.issuer(answer.weight)?;
        if answer.issuer != known {
            return Err(VoterError::OtherIssuer);
        }
        let issuer = TokenIssuer::from_bytes(&known.0)?;
        let evaluated = Evaluated::from_bytes(&answer.evaluated.0)?;
        let proof = BatchProof::from_bytes(&answer.proof.0)?;
        let blinded = [*self.request.blinded()];
        let tokens = finish(&issuer, vec![(0, self.request)], &blinded, &[evaluated], &proof)?;
        let token = tokens.first().ok_or(VoterError::NotShown("token"))?.output;
        Ok(Voter { keys: self.keys, public: self.public, token, weight: answer.weight })
    }
}
