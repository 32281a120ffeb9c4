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
    ground::Ground,
    local,
    observer::{Seen, look},
    report::Area,
};

const NAME: &str = "invariants/checkpoints";
const TITLE: &str = "Every checkpoint that was seen is signed, and takes back nothing of the one before";
const TOLD_MAX: usize = 5;

pub(super) fn check(ground: &mut Ground, mut seen: Vec<Seen>) -> anyhow::Result<()> {
    let mut against = Vec::new();
    seen.push(ground.block_on(look(&ground.client)).context("there is no newest checkpoint")?);
    let mut signed = "whose signatures were not checked: its keys were not given".to_owned();
    if let Some(log) = log_keys(ground)? {
        let bad = seen.iter().filter_map(|one| {
            let error = log.open(one.note.as_bytes(), &[]).err()?;
            Some(format!("the checkpoint of {} entries: {error}", one.checkpoint.size()))
        });
        against.extend(bad);
        "whose signatures (Ed25519 and ML-DSA-44) hold".clone_into(&mut signed);
    }
    for pair in seen.windows(2) {
        if let Err(error) = ground.block_on(continues(ground, &pair[0], &pair[1])) {
            let (from, to) = (pair[0].checkpoint.size(), pair[1].checkpoint.size());
            against.push(format!("from {from} to {to} entries: {error:#}"));
        }
    }
    against.truncate(TOLD_MAX);
    let last = seen.last().map_or(0, |one| one.checkpoint.size());
    let detail = format!("{} checkpoints up to {last} entries, {signed}", seen.len());
    ground.judged(Area::Invariants, NAME, TITLE, detail, against);
    Ok(())
}

/// The keys of the ledger, where the drill may read them.
pub(super) fn log_keys(ground: &Ground) -> anyhow::Result<Option<LogKeys>> {
    let Some(node) = &ground.local else { return Ok(None) };
    let keys = Keys::open_existing(&node.data().join("keys"), &Clock::System);
    let keys = keys.context("cannot read the deployment's keys")?;
    let name = KeyName::new(&format!("{}/identity", local::NAME))?;
    Ok(Some(LogKeys::of(&name, keys.signing())))
}

async fn continues(ground: &Ground, old: &Seen, new: &Seen) -> anyhow::Result<()> {
    let (from, to) = (&old.checkpoint, &new.checkpoint);
    let proof: Vec<Hash> = if from.size() == to.size() || from.size() == 0 {
        Vec::new()
    } else {
        let path = format!("/ledger/identity/consistency?from={}&to={}", from.size(), to.size());
        let answer = crate::client::expect(ground.client.get(&path).await?, 200, "asking for a proof")?;
        serde_json::from_value(answer.json()["consistencyProof"].clone()).context("there is no proof")?
    };
    verify_consistency(from.size(), from.root(), to.size(), to.root(), &proof)?;
    Ok(())
}
