//! Every checkpoint that was seen is signed, and continues the one before.

use anyhow::Context;
use clock::Clock;
use ledger::{
    checkpoint::LogKeys,
    merkle::{Hash, verify_consistency},
    note::KeyName,
};
use seal::Keys;

use crate::{
    client::Client,
    ground::Ground,
    local::{self, Local},
    observer::{Seen, look},
    report::Area,
};

const NAME: &str = "invariants/checkpoints";
const TITLE: &str = "Every checkpoint that was seen is signed, and takes back nothing of the one before";
const TOLD_MAX: usize = 5;

pub(super) fn check(ground: &mut Ground, mut seen: Vec<Seen>) -> anyhow::Result<()> {
    seen.push(ground.block_on(look(&ground.client)).context("there is no newest checkpoint")?);
    let mut signed = "whose signatures were not checked: its keys were not given".to_owned();
    let log = log_keys(ground)?;
    if log.is_some() {
        "whose signatures (Ed25519 and ML-DSA-44) hold".clone_into(&mut signed);
    }
    let against = against(ground, &ground.client, &seen, log.as_ref());
    let last = seen.last().map_or(0, |one| one.checkpoint.size());
    let detail = format!("{} checkpoints up to {last} entries, {signed}", seen.len());
    ground.judged(Area::Invariants, NAME, TITLE, detail, against);
    Ok(())
}

/// What speaks against checkpoints that were seen, in this order: that one is not signed, or does not continue the one before.
pub(crate) fn against(ground: &Ground, client: &Client, seen: &[Seen], log: Option<&LogKeys>) -> Vec<String> {
    let mut against = Vec::new();
    for (one, log) in seen.iter().zip(log.into_iter().cycle()) {
        if let Err(error) = log.open(one.note.as_bytes(), &[]) {
            against.push(format!("the checkpoint of {} entries: {error}", one.checkpoint.size()));
        }
    }
    for pair in seen.windows(2) {
        if let Err(error) = ground.block_on(continues(client, &pair[0], &pair[1])) {
            let (from, to) = (pair[0].checkpoint.size(), pair[1].checkpoint.size());
            against.push(format!("from {from} to {to} entries: {error:#}"));
        }
    }
    against.truncate(TOLD_MAX);
    against
}

/// The keys of the ledger, where the drill may read them.
pub(super) fn log_keys(ground: &Ground) -> anyhow::Result<Option<LogKeys>> {
    ground.local.as_ref().map(log_keys_of).transpose()
}

/// The keys of a ledger whose node the drill started.
pub(crate) fn log_keys_of(node: &Local) -> anyhow::Result<LogKeys> {
    let keys = Keys::open_existing(&node.data().join("keys"), &Clock::System);
    let keys = keys.context("cannot read the deployment's keys")?;
    let name = KeyName::new(&format!("{}/identity", local::NAME))?;
    Ok(LogKeys::of(&name, keys.signing()))
}

async fn continues(client: &Client, old: &Seen, new: &Seen) -> anyhow::Result<()> {
    let (from, to) = (&old.checkpoint, &new.checkpoint);
    let proof: Vec<Hash> = if from.size() == to.size() || from.size() == 0 {
        Vec::new()
    } else {
        let path = format!("/ledger/identity/consistency?from={}&to={}", from.size(), to.size());
        let answer = crate::client::expect(client.get(&path).await?, 200, "asking for a proof")?;
        serde_json::from_value(answer.json()["consistencyProof"].clone()).context("there is no proof")?
    };
    verify_consistency(from.size(), from.root(), to.size(), to.root(), &proof)?;
    Ok(())
}
