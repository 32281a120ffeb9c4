//! Voters: each registers with a device, signs in with it, and asks for a token.

use std::time::Duration;

use anyhow::{Context, ensure};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use board::Hex;
use futures_util::{StreamExt, TryStreamExt, stream};
use mixnet::{
    Encoded,
    tokens::{BatchProof, Evaluated, Request, TokenIssuer, finish},
};
use rand::{SeedableRng, rngs::StdRng};
use rig::{Client, Device};
use serde_json::json;

/// Voters that are enrolled at the same time.
const TOGETHER: usize = 64;

/// Somebody with a token.
pub(super) struct Voter {
    /// Of the key that signs their votes.
    pub(super) seed: [u8; 32],
    pub(super) public: [u8; 32],
    pub(super) token: [u8; 64],
}

/// Somebody who was answered, and has yet to look at the answer.
pub(super) struct Asked {
    seed: [u8; 32],
    public: [u8; 32],
    request: Request,
    issuer: Hex<32>,
    evaluated: Hex<32>,
    proof: Hex<64>,
}

/// What a voter is called.
pub(super) fn name(number: usize) -> String {
    format!("voter{number}")
}

/// So many voters, in no order.
pub(super) async fn enrolled(client: &Client, election: &str, count: usize) -> anyhow::Result<Vec<Asked>> {
    let asking = stream::iter(0..count).map(|number| enrol(client, election, number));
    asking.buffer_unordered(TOGETHER).try_collect().await
}

/// Asks again for a while: a server that has more to do than it can says so.
async fn insist<T>(ask: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    for _ in 0..200 {
        if let Ok(answered) = ask().await {
            return Ok(answered);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ask().await
}

async fn enrol(client: &Client, election: &str, number: usize) -> anyhow::Result<Asked> {
    let device = insist(async || Device::register(client, &name(number)).await).await?;
    let signed_in = insist(async || {
        let signed_in = device.sign_in(client).await?;
        ensure!(signed_in.status == 200, "no session: {}", signed_in.json());
        Ok(signed_in)
    });
    let person = client.clone().with_token(&signed_in.await?.text("token"));
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let public: [u8; 32] = Ed25519KeyPair::from_seed_unchecked(&seed)?.public_key().as_ref().try_into()?;
    let request = Request::new(&public, &mut StdRng::seed_from_u64(number as u64))?;
    let blinded: [u8; 32] =
        request.blinded().to_bytes().try_into().map_err(|_| anyhow::anyhow!("it has 32 bytes"))?;
    let body = json!({"electionId": election, "blindedInput": Hex(blinded)});
    let answer = insist(async || {
        let answer = person.post("/api/v1/voting/token", &body).await?;
        ensure!(answer.status == 200, "no token: {}", answer.json());
        Ok(answer)
    });
    let answer = answer.await?;
    let (issuer, evaluated) = (answer.text("issuer").parse()?, answer.text("evaluated").parse()?);
    Ok(Asked { seed, public, request, issuer, evaluated, proof: answer.text("proof").parse()? })
}

impl Asked {
    /// The token, if the answer holds.
    pub(super) fn finish(self) -> anyhow::Result<Voter> {
        let issuer = TokenIssuer::from_bytes(&self.issuer.0)?;
        let evaluated = Evaluated::from_bytes(&self.evaluated.0)?;
        let proof = BatchProof::from_bytes(&self.proof.0)?;
        let blinded = [*self.request.blinded()];
        let tokens = finish(&issuer, vec![(0, self.request)], &blinded, &[evaluated], &proof)?;
        let token = tokens.first().context("there is no token")?.output;
        Ok(Voter { seed: self.seed, public: self.public, token })
    }
}
