//! What many change at the same time is changed by all of them: no update is lost under another.

use aws_lc_rs::signature::Ed25519KeyPair;
use serde_json::{Value, json};

use load::people::public_key;
use report::Area;

use super::Called;
use crate::{
    client::Client,
    ground::{Ground, PASSWORD, citizen},
};

const NAME: &str = "invariants/updates";
const TITLE: &str = "No change is lost under another that comes at the same time";
pub(super) const CHECK: Called = (NAME, TITLE);
const ROUNDS: usize = 3;
/// Keys that one person enrols at the same time, below what a person may have.
const AT_ONCE: usize = 6;

pub(super) fn check(ground: &mut Ground) -> anyhow::Result<()> {
    let (mut against, mut all) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let name = ground.name(&format!("updates-{round}"));
        let person = ground.block_on(citizen(&ground.client, &name))?;
        let client = ground.client.with_token(&person.token);
        let path = format!("/api/v1/persons/{}/device-keys", person.id);
        let enrolled = ground.block_on(async {
            let enrolling: Vec<_> = (0..AT_ONCE)
                .map(|_| tokio::spawn(enrol(client.with_token(&person.token), path.clone())))
                .collect();
            let mut enrolled = Vec::new();
            for one in enrolling {
                enrolled.extend(one.await.ok().flatten());
            }
            enrolled
        });
        all += enrolled.len();
        let listed = ground.block_on(client.get(&path))?.json();
        let listed: Vec<_> = listed["deviceKeys"].as_array().map_or(&[][..], Vec::as_slice).to_vec();
        let is_listed = |key: &str| listed.iter().any(|one| one["keyId"].as_str() == Some(key));
        let lost = enrolled.iter().filter(|key| !is_listed(key));
        against.extend(
            lost.map(|key| format!("the device key {key} of {name} was enrolled, and is not listed")),
        );
    }
    if all == 0 {
        against.push("nobody could enrol a key".to_owned());
    }
    let detail = format!("{all} device keys were enrolled, {AT_ONCE} of a person at once, and looked for");
    ground.judged(Area::Invariants, NAME, TITLE, detail, against);
    Ok(())
}

/// Enrols a key: its identifier, if that was acknowledged.
async fn enrol(client: Client, path: String) -> Option<String> {
    let key = Ed25519KeyPair::generate().ok()?;
    let body: Value =
        json!({"algorithm": "Ed25519", "publicKey": public_key(&key), "label": "drill", "proof": PASSWORD});
    let answer = client.post(&path, &body).await.ok()?;
    (answer.status == 201).then(|| answer.text("/keyId"))
}
