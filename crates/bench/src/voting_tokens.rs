//! Blind tokens issued and redeemed, beside the private operation that blind RSA signatures would ask for.

use anyhow::ensure;
use aws_lc_rs::{rand::SystemRandom, rsa::KeySize, signature};
use mixnet::tokens::{self, Request, Token, TokenKey};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;

use crate::{
    ballot_check::rate,
    figures::{Figures, median},
};

/// Voters who are answered with one proof.
const TOGETHER: usize = 64;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (voters, runs) = if quick { (TOGETHER * 50, 3) } else { (TOGETHER * 250, 7) };
    let key = TokenKey::derive(&[1; 32], b"bench");
    let rsa = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048)?;
    let mut figures: [Vec<f64>; 6] = Default::default();
    for run in 0..runs {
        let requests: Result<Vec<_>, _> = (0..voters as u64)
            .into_par_iter()
            .map(|voter| Request::new(&voter.to_be_bytes(), &mut StdRng::seed_from_u64(voter + run)))
            .collect();
        let requests = requests?;
        let blinded: Vec<_> = requests.iter().map(|request| *request.blinded()).collect();
        let mut answers = Vec::new();
        let issued = rate(voters, || {
            let answered = blinded
                .par_chunks(TOGETHER)
                .map(|blinded| key.issue(blinded, &mut StdRng::seed_from_u64(run)));
            answers = answered.collect::<Result<Vec<_>, _>>()?;
            Ok(())
        })?;
        let issued_alone = rate(voters / 4, || {
            let each = blinded[..voters / 4].par_iter();
            each.try_for_each(|one| key.issue(&[*one], &mut StdRng::seed_from_u64(run)).map(drop))?;
            Ok(())
        })?;
        let tokens = finish(&key, requests, &blinded, &answers)?;
        let redeemed = rate(voters, || {
            ensure!(tokens.par_iter().all(|token| key.redeem(token).is_ok()), "an honest token was refused");
            Ok(())
        })?;
        let mut proven = None;
        let proving = rate(voters, || {
            proven = Some(key.prove_redeemed(&tokens, &mut StdRng::seed_from_u64(run))?);
            Ok(())
        })?;
        let (multiples, proof) = proven.expect("it was just proven");
        let observed = rate(voters, || Ok(key.public().verify_redeemed(&tokens, &multiples, &proof)?))?;
        let signed = rate(voters / 4, || sign_with_rsa(&rsa, voters / 4))?;
        for (values, value) in
            figures.iter_mut().zip([issued, issued_alone, redeemed, proving, observed, signed])
        {
            values.push(value);
        }
    }
    let [issued, issued_alone, redeemed, proving, observed, signed] = figures.map(median);
    let mut figures = Figures::new("voting-tokens");
    figures.add("issued_per_s", issued, "one proof for 64 voters, all cores");
    figures.add("issued_alone_per_s", issued_alone, "a proof for each voter, all cores");
    figures.add("redeemed_per_s", redeemed, "all cores");
    figures.add("proven_per_s", proving, "redeemed ones, proven together for observers");
    figures.add("observed_per_s", observed, "checked by an observer");
    figures.add(
        "rsa_2048_per_s",
        signed,
        "RSA-2048 signatures of aws-lc, all cores: what blind RSA would issue",
    );
    Ok(figures)
}

/// One batch's answer.
type Answer = (Vec<tokens::Evaluated>, tokens::BatchProof);

fn finish(
    key: &TokenKey,
    requests: Vec<Request>,
    blinded: &[tokens::BlindedInput],
    answers: &[Answer],
) -> anyhow::Result<Vec<Token>> {
    let mut requests = requests.into_iter();
    let mut tokens = Vec::new();
    for (blinded, (evaluated, proof)) in blinded.chunks(TOGETHER).zip(answers) {
        let requests = requests.by_ref().take(blinded.len()).enumerate().collect();
        tokens.extend(tokens::finish(key.public(), requests, blinded, evaluated, proof)?);
    }
    Ok(tokens)
}

fn sign_with_rsa(key: &aws_lc_rs::rsa::KeyPair, count: usize) -> anyhow::Result<()> {
    (0..count).into_par_iter().try_for_each(|_| {
        let mut signed = vec![0; key.public_modulus_len()];
        key.sign(&signature::RSA_PSS_SHA384, &SystemRandom::new(), b"token", &mut signed)?;
        anyhow::Ok(())
    })
}
