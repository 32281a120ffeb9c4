//! The audit trail, as an auditor reads it.

use anyhow::Context;
use clock::Timestamp;
use serde_json::Value;
use tokio::runtime::Runtime;
use uuid::Uuid;

use load::history::Stands;
use report::{Area, Outcome};

use super::Called;
use crate::{
    client::{Client, expect, next_page},
    ground::Ground,
};

const PAGE: u64 = 1000;
const NAME: &str = "invariants/audit";
const TITLE: &str = "The audit trail has no gap, and its times never go back";
pub(super) const CHECK: Called = (NAME, TITLE);
const TOLD_MAX: usize = 5;

/// Reads every entry, page by page.
pub(crate) struct Entries<'g> {
    runtime: &'g Runtime,
    auditor: Client,
    next: u64,
    page: std::vec::IntoIter<Value>,
}

impl<'g> Entries<'g> {
    /// From the first that this run may have made.
    pub(super) fn of(ground: &'g Ground) -> Option<Self> {
        Some(Self::new(&ground.runtime, ground.staff.auditor.as_ref()?, ground.from_index))
    }

    /// As an auditor reads them, from an entry on.
    pub(crate) fn new(runtime: &'g Runtime, auditor: &Client, from: u64) -> Self {
        Self { runtime, auditor: auditor.clone(), next: from, page: Vec::new().into_iter() }
    }

    pub(super) fn read(&mut self) -> anyhow::Result<Option<Value>> {
        if let Some(entry) = self.page.next() {
            return Ok(Some(entry));
        }
        let path = format!("/ledger/identity/entries?from={}&limit={PAGE}", self.next);
        let answer = self.runtime.block_on(self.auditor.get(&path))?;
        let mut body = expect(answer, 200, "reading the audit trail")?.json();
        self.next = next_page(&body, self.next)?;
        let entries = body["entries"].as_array_mut().map(std::mem::take).unwrap_or_default();
        self.page = entries.into_iter();
        Ok(self.page.next())
    }
}

impl Iterator for Entries<'_> {
    type Item = anyhow::Result<Stands>;

    fn next(&mut self) -> Option<Self::Item> {
        let stands = |entry: Value| {
            Ok(Stands {
                index: entry["index"].as_u64().context("an entry has an index")?,
                command: entry["command"].as_str().unwrap_or_default().to_owned(),
                subject: entry["subject"].as_str().and_then(|subject| Uuid::parse_str(subject).ok()),
                leaf: None,
            })
        };
        self.read().transpose().map(|entry| entry.and_then(stands))
    }
}

/// Are the entries one after the other, in index and in time, and is there none that says nothing?
pub(super) fn check(ground: &mut Ground) -> anyhow::Result<()> {
    let Some(mut entries) = Entries::of(ground) else {
        ground.skipped(Area::Invariants, NAME, TITLE, "no auditor's token was given (--auditor-token-file)");
        return Ok(());
    };
    let (mut against, mut count) = (Vec::new(), 0_u64);
    let mut before: Option<(u64, Timestamp)> = None;
    while let Some(entry) = entries.read()? {
        count += 1;
        let index = entry["index"].as_u64().context("an entry has an index")?;
        let at: Timestamp =
            entry["at"].as_str().unwrap_or_default().parse().context("an entry has a time")?;
        if let Some((last, last_at)) = before {
            if index != last + 1 {
                against.push(format!("entry {index} follows entry {last}"));
            }
            if at < last_at {
                against.push(format!("entry {index} is of {at}, before {last_at} of entry {last}"));
            }
        }
        if entry["actor"].as_str().is_none_or(str::is_empty)
            || entry["command"].as_str().is_none_or(str::is_empty)
        {
            against.push(format!("entry {index} does not say who did what"));
        }
        before = Some((index, at));
    }
    against.truncate(TOLD_MAX);
    let outcome = match (count, against.is_empty()) {
        (0, _) => Outcome::Invalid,
        (_, true) => Outcome::Passed,
        (_, false) => Outcome::Failed,
    };
    ground.found(Area::Invariants, NAME, TITLE, outcome, format!("{count} entries were read"), against);
    Ok(())
}
