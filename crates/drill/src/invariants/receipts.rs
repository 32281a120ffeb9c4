//! Every receipt can be proven: the entry is in the tree that a signed checkpoint commits to.

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use ledger::{
    checkpoint::Checkpoint,
    merkle::{Hash, leaf_hash, verify_inclusion},
    note::Note,
};
use serde_json::Value;

use super::{Called, checkpoints::NO_KEY, kept::files};
use load::history::{Acknowledgement, EXTENSION, sort};
use report::Area;

use crate::{client::Client, ground::Ground, ledger_keys::LedgerKeys};

const NAME: &str = "invariants/receipts";
const TITLE: &str = "Every receipt's proof leads to a signed checkpoint";
pub(super) const CHECK: Called = (NAME, TITLE);
/// What can be said without the ledger's keys.
const UNSIGNED: &str =
    "Every receipt's proof leads to a checkpoint, of which nobody knows by whom it is signed";
const TOLD_MAX: usize = 5;
/// How often a receipt is asked for until a checkpoint covers it.
const TRIES: u32 = 40;

/// Checks the proofs of as many receipts as the profile allows, spread over all of them.
pub(super) fn check(ground: &mut Ground) -> anyhow::Result<u64> {
    let Some(auditor) = ground.staff.auditor.clone() else {
        ground.skipped(Area::Invariants, NAME, TITLE, "no auditor's token was given (--auditor-token-file)");
        return Ok(0);
    };
    let (files, keys) = (files(ground, EXTENSION)?, ground.ledger_keys.clone());
    let all = sort(&files)?.filter(|one| one.as_ref().is_ok_and(|one| one.index.is_some())).count();
    let every = all.div_ceil(ground.profile.proofs_max.max(1)).max(1);
    let (mut against, mut proven) = (Vec::new(), 0);
    let known = sort(&files)?.filter(|one| one.as_ref().is_ok_and(|one| one.index.is_some()));
    for (number, one) in known.enumerate() {
        let one = one?;
        // The last ones too: they are the youngest.
        if number % every != 0 && number + 1 != all {
            continue;
        }
        match ground.block_on(prove(&auditor, &one, keys.as_ref())) {
            Ok(()) => proven += 1,
            Err(error) => against.push(format!("entry {}: {error:#}", one.index.unwrap_or_default())),
        }
    }
    if all == 0 {
        against.push("there is no receipt at all".to_owned());
    }
    let wrong = against.len();
    against.truncate(TOLD_MAX);
    let mut detail =
        format!("{proven} of {all} receipts were asked for with their proofs; {wrong} did not hold");
    let title = if keys.is_some() { TITLE } else { UNSIGNED };
    if keys.is_none() {
        detail.push_str(&format!("; their checkpoints' signatures were not checked: {NO_KEY}"));
    }
    ground.judged(Area::Invariants, NAME, title, detail, against);
    Ok(proven)
}

async fn prove(auditor: &Client, one: &Acknowledgement, keys: Option<&LedgerKeys>) -> anyhow::Result<()> {
    let index = one.index.context("it was acknowledged")?;
    let path = format!("/ledger/identity/receipts/{index}");
    let mut tries = 0;
    let body = loop {
        let answer = auditor.get(&path).await?;
        tries += 1;
        // A checkpoint covers it within a second.
        if answer.status == 200 || tries == TRIES {
            break crate::client::expect(answer, 200, "asking for it")?.json();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    prove_body(&body, index, one.leaf, keys)
}

/// Does what was answered prove that this leaf is entry `index`?
pub(super) fn prove_body(
    body: &Value,
    index: u64,
    leaf: Hash,
    keys: Option<&LedgerKeys>,
) -> anyhow::Result<()> {
    let text = |member: &str| body[member].as_str().with_context(|| format!("there is no {member}"));
    let bytes = STANDARD.decode(text("leafBytes")?).context("the leaf's bytes are no base64")?;
    anyhow::ensure!(leaf_hash(&bytes) == leaf, "its leaf is not the one that was acknowledged");
    let proof: Vec<Hash> = serde_json::from_value(body["inclusionProof"].clone()).context("no proof")?;
    let note = text("checkpoint")?.as_bytes();
    let checkpoint = match keys {
        Some(keys) => keys.open(note)?,
        None => Checkpoint::parse(Note::parse(note)?.text())?,
    };
    verify_inclusion(leaf, index, checkpoint.size(), &proof, checkpoint.root())?;
    Ok(())
}
