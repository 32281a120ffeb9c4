//! Every checkpoint that was seen is signed, and continues the one before.

use anyhow::Context;
use ledger::merkle::{Hash, verify_consistency};

use report::Area;

use super::Called;
use crate::{
    client::Client,
    ground::Ground,
    ledger_keys::LedgerKeys,
    observer::{Seen, look},
};

const NAME: &str = "invariants/checkpoints";
const TITLE: &str = "Every checkpoint that was seen is signed, and takes back nothing of the one before";
pub(super) const CHECK: Called = (NAME, TITLE);
/// What can be said without keys.
const CONTINUES: &str = "Every checkpoint that was seen takes back nothing of the one before";
const SIGNED: Called =
    ("invariants/checkpoints-signed", "Every checkpoint that was seen is signed with the ledger's keys");
/// Why no signature was verified.
pub(super) const NO_KEY: &str = "no key of the ledger was given (--ledger-key)";
const TOLD_MAX: usize = 5;

pub(super) fn check(ground: &mut Ground, mut seen: Vec<Seen>) -> anyhow::Result<()> {
    seen.push(ground.block_on(look(&ground.client)).context("there is no newest checkpoint")?);
    let keys = ground.ledger_keys.as_ref().map(LedgerKeys::count);
    let (title, signed) = told(keys);
    if keys.is_none() {
        ground.skipped(Area::Invariants, SIGNED.0, SIGNED.1, NO_KEY);
    }
    let against = against(ground, &ground.client, &seen, ground.ledger_keys.as_ref());
    let last = seen.last().map_or(0, |one| one.checkpoint.size());
    let detail = format!("{} checkpoints up to {last} entries, {signed}", seen.len());
    ground.judged(Area::Invariants, NAME, title, detail, against);
    Ok(())
}

/// What is checked of checkpoints with so many known keys, and how they are signed: nothing is said of signatures that nobody verified.
fn told(keys: Option<usize>) -> (&'static str, String) {
    match keys {
        Some(keys) => (TITLE, format!("signed with {keys} known keys")),
        None => (CONTINUES, format!("whose signatures were not checked: {NO_KEY}")),
    }
}

/// What speaks against checkpoints that were seen, in this order: that one is not signed, or does not continue the one before.
pub(crate) fn against(
    ground: &Ground,
    client: &Client,
    seen: &[Seen],
    keys: Option<&LedgerKeys>,
) -> Vec<String> {
    let mut against = Vec::new();
    for (one, keys) in seen.iter().zip(keys.into_iter().cycle()) {
        if let Err(error) = keys.open(one.note.as_bytes()) {
            against.push(format!("the checkpoint of {} entries: {error:#}", one.checkpoint.size()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_says_that_checkpoints_are_signed_who_has_no_key() {
        assert_eq!(told(Some(2)).0, TITLE);
        let (title, signed) = told(None);
        assert!(!title.contains("signed") && signed.contains("not checked"), "{title}: {signed}");
    }
}
