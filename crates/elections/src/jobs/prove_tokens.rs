//! What the last mixer proves of tokens: those of the votes that count are the issuer's, and those that votes were refused
//! for are not.

use std::sync::Arc;

use board::{BallotEntry, Hex, Redeemed, RefusedTokens};
use mixnet::{
    Encoded,
    tokens::{BatchProof, Evaluated, TOKENS_MAX, Token},
};
use problem::Problem;
use rand::{SeedableRng, rngs::StdRng};

use super::mix::broken;
use crate::{
    Elections,
    board_rows::RefusedTokensRow,
    boards::{Agreed, Board},
    tokens::{fixed, token_key},
};

/// The token that a vote was refused for: all that is kept of such a vote.
#[derive(Debug, Clone, Copy)]
pub(super) struct RefusedToken {
    voter: [u8; 32],
    token: [u8; 64],
    weight: u32,
}

impl RefusedToken {
    pub(super) const fn of(vote: &BallotEntry) -> Self {
        Self { voter: vote.voter.0, token: vote.token.0, weight: vote.weight }
    }
}

impl Elections {
    /// Proves of the tokens that count that they are the issuer's.
    pub(super) async fn prove_tokens(
        &self,
        board: &Board,
        agreed: &Agreed,
        votes: &Arc<Vec<BallotEntry>>,
    ) -> Result<(), Problem> {
        for issuer in &agreed.manifest.issuers {
            let key = token_key(self.keys(), board.election, issuer.weight);
            let (votes, weight, seed) = (Arc::clone(votes), issuer.weight, self.clock().random());
            let proven = self.work(move || {
                let tokens: Vec<Token> = votes
                    .iter()
                    .filter(|vote| vote.weight == weight)
                    .map(|vote| Token { input: vote.voter.0.to_vec(), output: vote.token.0 })
                    .collect();
                let mut rng = StdRng::from_seed(seed);
                let (mut multiples, mut proofs) = (Vec::new(), Vec::new());
                for tokens in tokens.chunks(TOKENS_MAX) {
                    let (some, proof) = written(&key.prove_redeemed(tokens, &mut rng).ok()?);
                    multiples.extend(some);
                    proofs.push(proof);
                }
                Some((u32::try_from(tokens.len()).ok()?, multiples, proofs))
            });
            let (tokens, multiples, proofs) = proven.await?.ok_or_else(broken)?;
            let multiples = board.keep(&multiples).await?;
            board.post_once(Redeemed { weight, tokens, multiples, proofs }).await?;
        }
        Ok(())
    }

    /// Proves of the tokens that votes were refused for, in the order of the board, that they are not the issuer's. What
    /// stands there from an attempt before this one is not proven again.
    pub(super) async fn prove_refused(
        &self,
        board: &Board,
        agreed: &Agreed,
        refused: &[RefusedToken],
    ) -> Result<(), Problem> {
        for issuer in &agreed.manifest.issuers {
            let weight = issuer.weight;
            let own: Vec<Token> = refused
                .iter()
                .filter(|refused| refused.weight == weight)
                .map(|refused| Token { input: refused.voter.to_vec(), output: refused.token })
                .collect();
            for (part, tokens) in own.chunks(TOKENS_MAX).enumerate() {
                let first = u32::try_from(part * TOKENS_MAX).map_err(|error| Problem::internal(&error))?;
                let known = board.ledger.readers().read(move |snapshot| {
                    Ok::<_, store::StoreError>(snapshot.get::<RefusedTokensRow>(&(weight, first))?.is_some())
                });
                if !known.await? {
                    self.prove_part(board, weight, first, tokens.to_vec()).await?;
                }
            }
        }
        Ok(())
    }

    async fn prove_part(
        &self,
        board: &Board,
        weight: u32,
        first: u32,
        own: Vec<Token>,
    ) -> Result<(), Problem> {
        let (key, seed) = (token_key(self.keys(), board.election, weight), self.clock().random());
        let proven = self.work(move || {
            let proven = key.prove_redeemed(&own, &mut StdRng::from_seed(seed)).ok()?;
            Some((u32::try_from(own.len()).ok()?, written(&proven)))
        });
        let (tokens, (multiples, proof)) = proven.await?.ok_or_else(broken)?;
        let multiples = board.keep(&multiples).await?;
        board.post_once(RefusedTokens { weight, first, tokens, multiples, proof }).await
    }
}

/// Multiples and their proof, as they are published.
fn written((evaluated, proof): &(Vec<Evaluated>, BatchProof)) -> (Vec<u8>, Hex<64>) {
    let mut multiples = Vec::new();
    evaluated.iter().for_each(|multiple| multiple.encode(&mut multiples));
    (multiples, Hex(fixed(&proof.to_bytes())))
}
