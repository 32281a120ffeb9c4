//! Nobody voted without a token: what was redeemed is the issuer's, and no more of it than was given out.

use board::{BallotEntry, Closed, Manifest, Redeemed};
use mixnet::{
    Encoded,
    tokens::{BatchProof, Evaluated, TOKENS_MAX, Token, TokenIssuer},
};

/// The highest number that everybody reads as it is written: browsers round those above.
const NUMBER_MAX: u64 = (1 << 53) - 1;

pub(crate) fn issuer_of(manifest: &Manifest, weight: u32) -> Option<TokenIssuer> {
    let key = manifest.issuers.iter().find(|issuer| issuer.weight == weight)?.key?;
    TokenIssuer::from_bytes(&key.0).ok()
}

pub(crate) fn token_of(vote: &BallotEntry) -> Token {
    Token { input: vote.voter.0.to_vec(), output: vote.token.0 }
}

pub(crate) fn read_multiples(multiples: &[u8]) -> Result<Vec<Evaluated>, String> {
    let multiples: Result<_, _> = multiples.chunks(32).map(Evaluated::from_bytes).collect();
    multiples.map_err(|_| "the multiples cannot be read".to_owned())
}

/// The tokens of the votes of one weight that count.
pub(crate) fn check_redeemed(
    manifest: &Manifest,
    redeemed: &Redeemed,
    multiples: &[u8],
    votes: &[&BallotEntry],
) -> Result<(), String> {
    let issuer = issuer_of(manifest, redeemed.weight).ok_or("nobody gives tokens of this weight")?;
    let tokens: Vec<Token> =
        votes.iter().filter(|vote| vote.weight == redeemed.weight).map(|vote| token_of(vote)).collect();
    let count = usize::try_from(redeemed.tokens).unwrap_or(usize::MAX);
    if tokens.len() != count || multiples.len() != 32 * count {
        return Err(format!("{} votes count, and {count} tokens are proven", tokens.len()));
    }
    let multiples = read_multiples(multiples)?;
    if redeemed.proofs.len() != count.div_ceil(TOKENS_MAX) {
        return Err("there is another number of proofs than there must be".to_owned());
    }
    let chunks = tokens.chunks(TOKENS_MAX).zip(multiples.chunks(TOKENS_MAX)).zip(&redeemed.proofs);
    for ((tokens, multiples), proof) in chunks {
        let proof = BatchProof::from_bytes(&proof.0).map_err(|_| "a proof cannot be read".to_owned())?;
        issuer.verify_redeemed(tokens, multiples, &proof).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Of each weight it was published how many tokens were given out, and no more votes of it count.
pub(crate) fn check_counts(closed: &Closed, manifest: &Manifest, votes: &[u32]) -> Result<(), String> {
    let mut given: Vec<u32> = closed.issued.iter().map(|issued| issued.weight).collect();
    let mut weights: Vec<u32> = manifest.issuers.iter().map(|issuer| issuer.weight).collect();
    given.sort_unstable();
    weights.sort_unstable();
    if given != weights {
        return Err("it does not say once of each weight how many tokens were given out".to_owned());
    }
    for issued in &closed.issued {
        if issued.voters > NUMBER_MAX {
            return Err("it says a number that not everybody can read".to_owned());
        }
        if issued.issued > issued.voters {
            return Err(format!(
                "more tokens of weight {} were given out than voters have it",
                issued.weight
            ));
        }
        let count = votes.iter().filter(|weight| **weight == issued.weight).count() as u64;
        if count > issued.issued {
            let (given, weight) = (issued.issued, issued.weight);
            return Err(format!(
                "{count} votes of weight {weight} count, and only {given} tokens were given out"
            ));
        }
    }
    Ok(())
}
