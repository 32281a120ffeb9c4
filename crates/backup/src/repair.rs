//! Building a damaged database anew: from its own entries as far as they can be read, and from a target where
//! they cannot.

use std::collections::HashSet;

use authz::Person;
use ids::Id;
use ledger::{Entry, Erased, Head, Rebuild, all_erased};
use seal::{BackupKey, Deployment, Keys};
use store::{Cell, Databases, StoreError, Writer};

use crate::{
    names::{self, Span},
    restore::{RestoreError, read_erased, read_segment},
    service::Service,
    target::Target,
};

/// Entries that are read and replayed together; where they cannot be read, fewer are tried.
const CHUNK: u64 = 1024;

/// What a repair came to.
#[derive(Debug, Clone, Copy)]
pub struct Repaired {
    pub head: Head,
    /// Entries of the damaged database.
    pub own: u64,
    /// Entries that only the target still had.
    pub fetched: u64,
}

/// Builds the database of `service` in `fresh`, which must be empty, from what the `damaged` one still holds
/// and what the target has.
///
/// # Errors
/// When neither has an entry that is needed: everything before it is built.
pub async fn repair(
    service: &Service,
    damaged: &Databases,
    fresh: &Databases,
    target: Option<&Target>,
    keys: &Keys,
    deployment: &Deployment,
) -> Result<Repaired, RestoreError> {
    let Service { name, schema, commands, .. } = service;
    let key = keys.backup_key();
    let damaged = match damaged.open_damaged(name) {
        Ok(damaged) => Some(damaged),
        // Where even the names of tables cannot be read, nothing can: the target has what there is.
        Err(StoreError::Damaged { .. }) if target.is_some() => None,
        Err(error) => return Err(error.into()),
    };
    let damaged = damaged.as_ref();
    let listed = match target {
        Some(target) => target.list(&names::segments(name)).await?,
        None => Vec::new(),
    };
    let listed: Vec<_> = listed.iter().filter_map(|name| Span::of_name(name)).collect();
    let mut erased: Vec<Erased> =
        damaged.and_then(|damaged| damaged.read(all_erased).ok()).unwrap_or_default();
    if let Some(target) = target {
        erased.extend(read_erased(name, target, &key).await?);
    }
    let people: HashSet<Id<Person>> = erased.iter().map(|erased| erased.person).collect();
    let mut rebuild = Rebuild::begin(fresh, name, schema, commands.clone(), people)?;
    let (mut own, mut fetched) = (0, 0);
    loop {
        let next = rebuild.next();
        let readable = damaged.map_or_else(Vec::new, |damaged| read_readable(damaged, next));
        if !readable.is_empty() {
            own += readable.len() as u64;
            attach(service, &readable, damaged, target, &key, &mut rebuild).await?;
            rebuild.add(readable, None)?;
            continue;
        }
        let entries = match target {
            Some(target) => fetch(target, name, &listed, next, &key).await?,
            None => Vec::new(),
        };
        if entries.is_empty() {
            break;
        }
        fetched += entries.len() as u64;
        attach(service, &entries, damaged, target, &key, &mut rebuild).await?;
        rebuild.add(entries, None)?;
    }
    let next = rebuild.next();
    let head = rebuild.finish(erased, |batch| {
        deployment.put(batch);
        Ok(())
    })?;
    // Whatever still stands behind a gap, here or there, cannot be used, and somebody must know.
    let there = listed.iter().map(|span| span.end - 1).max().filter(|last| *last >= next);
    match damaged.and_then(|damaged| beyond(damaged, next)).or(there) {
        Some(index) => Err(RestoreError::Gap { from: next, to: index }),
        None => Ok(Repaired { head, own, fetched }),
    }
}

/// Puts what entries name in its place: from the damaged database if it is whole there, or else from the target.
async fn attach(
    service: &Service,
    entries: &[Entry],
    damaged: Option<&Writer>,
    target: Option<&Target>,
    key: &BackupKey,
    rebuild: &mut Rebuild,
) -> Result<(), RestoreError> {
    let Some(attachments) = service.attachments else { return Ok(()) };
    for hash in attachments.named(entries) {
        let pieces = match (damaged.and_then(|damaged| attachments.read(hash, damaged)), target) {
            (Some(pieces), _) => pieces,
            (None, Some(target)) => attachments.fetch(&service.name, hash, target, key).await?,
            (None, None) => return Err(RestoreError::Attachment { name: names::hex(&hash) }),
        };
        attachments.put(rebuild, hash, pieces)?;
    }
    Ok(())
}

/// As many of the next entries as can be read in one go: many, a few, one, none.
fn read_readable(damaged: &Writer, next: u64) -> Vec<Entry> {
    let mut count = CHUNK;
    while count > 0 {
        let cells = [next, next + count].map(|bound| Cell::Integer(i64::try_from(bound).unwrap_or(i64::MAX)));
        let condition = "WHERE \"index\" >= $1 AND \"index\" < $2 ORDER BY \"index\"";
        if let Ok(entries) = damaged.read(|snapshot| snapshot.rows::<Entry>(condition, &cells)) {
            let follow = |(index, entry): &(u64, Entry)| entry.index == *index;
            return (next..).zip(entries).take_while(follow).map(|(_, entry)| entry).collect();
        }
        count /= 4;
    }
    Vec::new()
}

/// The first entry at or after `next` that the damaged database still shows.
fn beyond(damaged: &Writer, next: u64) -> Option<u64> {
    let from = [Cell::Integer(i64::try_from(next).unwrap_or(i64::MAX))];
    let condition = "WHERE \"index\" >= $1 ORDER BY \"index\" LIMIT 1";
    let found: Result<Vec<Entry>, StoreError> = damaged.read(|snapshot| snapshot.rows(condition, &from));
    found.ok()?.first().map(|entry| entry.index)
}

/// The entries of the target from `next` to the end of their segment, at most a chunk.
async fn fetch(
    target: &Target,
    service: &str,
    listed: &[Span],
    next: u64,
    key: &BackupKey,
) -> Result<Vec<Entry>, RestoreError> {
    let Some(span) = listed.iter().find(|span| span.first <= next && next < span.end) else {
        return Ok(Vec::new());
    };
    let mut entries = read_segment(target, *span, service, key).await?;
    entries.retain(|entry| entry.index >= next && entry.index < next + CHUNK);
    Ok(entries)
}
