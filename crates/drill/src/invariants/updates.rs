//! What many change at the same time is changed by all of them: no update is lost under another.

use aws_lc_rs::signature::Ed25519KeyPair;
use serde_json::{Value, json};

use load::people::public_key;
use report::Area;

use super::Called;
use crate::{
    client::{Answer, Client, expect},
    ground::{Ground, PASSWORD, citizen},
};

const NAME: &str = "invariants/updates";
const TITLE: &str = "No change is lost under another that comes at the same time";
pub(super) const CHECK: Called = (NAME, TITLE);
const ROUNDS: usize = 3;
/// Keys that one person enrols at the same time, below what a person may have.
const AT_ONCE: usize = 6;

pub(super) fn check(ground: &mut Ground) -> anyhow::Result<()> {
    let (mut against, mut untold, mut all) = (Vec::new(), Vec::new(), 0);
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
                enrolled.push(one.await.map_err(anyhow::Error::from).flatten());
            }
            enrolled
        });
        let mut keys = Vec::new();
        for one in enrolled {
            match one {
                Ok(key) => keys.push(key),
                // Who has no time has changed nothing; any other answer is no way to enrol a key.
                Err(error) if error.downcast_ref::<NoTime>().is_some() => untold.push(format!("{error:#}")),
                Err(error) => ground.sort(&error, &mut against, &mut untold),
            }
        }
        all += keys.len();
        let listed = expect(ground.block_on(client.get(&path))?, 200, "listing the keys")?.json();
        let listed: Vec<_> = listed["deviceKeys"].as_array().map_or(&[][..], Vec::as_slice).to_vec();
        let is_listed = |key: &str| listed.iter().any(|one| one["keyId"].as_str() == Some(key));
        let lost = keys.iter().filter(|key| !is_listed(key));
        against.extend(
            lost.map(|key| format!("the device key {key} of {name} was enrolled, and is not listed")),
        );
    }
    let detail = format!(
        "{all} of {} device keys were enrolled, {AT_ONCE} of a person at once, and looked for",
        ROUNDS * AT_ONCE
    );
    ground.judged_if_told((Area::Invariants, NAME), TITLE, detail, against, &untold);
    Ok(())
}

/// The target takes no more at once.
#[derive(Debug)]
struct NoTime;

impl std::error::Error for NoTime {}

impl std::fmt::Display for NoTime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("enrolling a key was put off (503)")
    }
}

/// Enrols a key: its identifier, if that was acknowledged.
async fn enrol(client: Client, path: String) -> anyhow::Result<String> {
    let key = Ed25519KeyPair::generate()?;
    let body: Value =
        json!({"algorithm": "Ed25519", "publicKey": public_key(&key), "label": "drill", "proof": PASSWORD});
    enrolled(client.post(&path, &body).await?)
}

fn enrolled(answer: Answer) -> anyhow::Result<String> {
    if answer.status == 503 {
        return Err(NoTime.into());
    }
    Ok(expect(answer, 201, "enrolling a key")?.text("/keyId"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_not_enrolled_is_no_success_of_anybodys() {
        let of = |status| enrolled(Answer { status, fields: http::HeaderMap::new(), bytes: "{}".into() });
        assert!(of(201).is_ok());
        assert!(of(500).is_err_and(|error| error.downcast_ref::<NoTime>().is_none()));
        assert!(of(503).is_err_and(|error| error.downcast_ref::<NoTime>().is_some()));
    }
}
