//! Voters: each registers with a device, signs in with it, and asks for a token.

use std::{ops::Range, time::Duration};

use anyhow::ensure;
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::{SeedableRng, rngs::StdRng};
use rig::{Client, Device};
use serde_json::json;
use voter::{Asking, Booth, TokenAnswer, Voter};

/// Voters that are enrolled at the same time.
const TOGETHER: usize = 128;

/// Somebody who was answered, and has yet to look at the answer.
pub(super) struct Asked {
    asking: Asking,
    answer: TokenAnswer,
}

/// What a voter is called.
pub(super) fn name(number: usize) -> String {
    format!("voter{number}")
}

/// The voters of these numbers, in no order.
pub(super) async fn enrolled(
    client: &Client,
    election: &str,
    numbers: Range<usize>,
) -> anyhow::Result<Vec<Asked>> {
    let asking = stream::iter(numbers).map(|number| enrol(client, election, number));
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
    let asking = Asking::new(&seed, &mut StdRng::seed_from_u64(number as u64))?;
    let body = json!({"electionId": election, "blindedInput": asking.blinded()});
    let answer = insist(async || {
        let answer = person.post("/api/v1/voting/token", &body).await?;
        ensure!(answer.status == 200, "no token: {}", answer.json());
        Ok(answer)
    });
    Ok(Asked { asking, answer: serde_json::from_value(answer.await?.json())? })
}

impl Asked {
    /// The voter, if the answer holds.
    pub(super) fn finish(self, booth: &Booth) -> anyhow::Result<Voter> {
        Ok(self.asking.finish(booth, &self.answer)?)
    }
}
