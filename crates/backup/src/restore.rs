//! Building a ledger's database, and the store of persons' keys, from a target.

use std::collections::HashSet;

use authz::Person;
use clock::{Clock, Timestamp};
use ids::Id;
use ledger::{
    Commands, Entry, Erased, Head, PublishError, Rebuild, RebuildError, checkpoint::Checkpoint,
    open_checkpoint,
};
use seal::{BackupKey, Deployment, Keys, OpenError, PersonKeyError, PersonKeysCopy, write_person_keys};
use store::{Batch, Databases, Schema, StoreError, decode_row};

use crate::{
    names::{self, Span, chain},
    segment::{self, SegmentError},
    target::{Target, TargetError},
};

/// Entries that are replayed together.
const CHUNK: usize = 4096;

/// A service whose ledger is restored.
#[derive(Debug)]
pub struct Service<'a> {
    pub name: &'static str,
    pub origin: &'a str,
    pub schema: Schema,
    pub commands: Commands,
}

/// How far a restore goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// As far as there is anything.
    End,
    /// So many entries.
    Entries(u64),
    /// The last entry that was applied at or before this.
    Time(Timestamp),
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    pub head: Head,
    /// Entries in the target.
    pub shipped: u64,
    /// Entries under the checkpoint that the tree was compared with, if the restore went so far, and its
    /// note.
    pub checkpoint: Option<(u64, Vec<u8>)>,
    /// People who had been erased, and were left out.
    pub erased: usize,
}

/// Why a restore did not go on.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("the target cannot be used")]
    Target(#[from] TargetError),
    #[error("segment `{name}` cannot be read")]
    Segment { name: String, source: SegmentError },
    #[error("`{name}` cannot be unsealed: is this the key file that the backup was made under?")]
    Sealed { name: String, source: OpenError },
    #[error("`{name}` does not hold what it should")]
    Garbled { name: String },
    #[error(
        "entries {from} to {to} can be read neither here nor in the target; everything before them was built"
    )]
    Gap { from: u64, to: u64 },
    #[error("there is nothing of `{service}` in the target")]
    Nothing { service: &'static str },
    #[error("the checkpoint in the target was not signed with these keys for this deployment's name")]
    Checkpoint(#[from] PublishError),
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    #[error("the store of persons' keys cannot be written")]
    PersonKeys(#[from] PersonKeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Restores a ledger into a database that is empty, or that an earlier restore has begun. `last` puts the
/// finishing touches to it.
///
/// # Errors
/// When the target lacks something, was altered, or does not replay; what was restored so far stays.
pub async fn restore(
    service: Service<'_>,
    databases: &Databases,
    target: &Target,
    keys: &Keys,
    until: Until,
    last: impl FnOnce(&mut Batch<'_>) -> Result<(), StoreError>,
) -> Result<Restored, RestoreError> {
    let Service { name, origin, schema, commands } = service;
    let key = keys.backup_key();
    let erased = read_erased(name, target, &key).await?;
    let checkpoint = target.get(&names::checkpoint(name)).await?;
    let checkpoint = checkpoint
        .map(|note| Ok::<_, RestoreError>((open_checkpoint(&note, origin, keys)?, note.to_vec())))
        .transpose()?;
    let listed = target.list(&names::segments(name)).await?;
    let spans = chain(listed.iter().filter_map(|name| Span::of_name(name)).collect());
    let Some(shipped) = spans.last().map(|span| span.end) else {
        return Err(RestoreError::Nothing { service: name });
    };
    let people: HashSet<Id<Person>> = erased.iter().map(|erased| erased.person).collect();
    let mut rebuild = Rebuild::begin(databases, name, &schema, commands, people)?;
    for span in spans {
        if span.end <= rebuild.next() {
            continue;
        }
        let entries = read_segment(target, span, name, &key).await?;
        if !replay(&mut rebuild, entries, until, checkpoint.as_ref().map(|(checkpoint, _)| checkpoint))? {
            break;
        }
    }
    let count = erased.len();
    let head = rebuild.finish(erased, last)?;
    let checkpoint = checkpoint.filter(|(checkpoint, _)| checkpoint.size() <= head.size);
    let checkpoint = checkpoint.map(|(checkpoint, note)| (checkpoint.size(), note));
    Ok(Restored { head, shipped, checkpoint, erased: count })
}

/// Replays what is wanted of a segment; false if that was all that is wanted.
fn replay(
    rebuild: &mut Rebuild,
    mut entries: Vec<Entry>,
    until: Until,
    checkpoint: Option<&Checkpoint>,
) -> Result<bool, RestoreError> {
    let next = rebuild.next();
    entries.retain(|entry| entry.index >= next);
    let all = entries.len();
    entries.retain(|entry| match until {
        Until::End => true,
        Until::Entries(count) => entry.index < count,
        Until::Time(time) => entry.at <= time,
    });
    let goes_on = entries.len() == all;
    let mut rest = entries.into_iter();
    loop {
        let chunk: Vec<_> = rest.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            return Ok(goes_on);
        }
        rebuild.add(chunk, checkpoint)?;
    }
}

pub(crate) async fn read_segment(
    target: &Target,
    span: Span,
    service: &str,
    key: &BackupKey,
) -> Result<Vec<Entry>, RestoreError> {
    let name = span.name(service);
    let object = target.get(&name).await?.unwrap_or_default();
    segment::open(&name, &object, key).map_err(|source| RestoreError::Segment { name, source })
}

pub(crate) async fn read_erased(
    service: &str,
    target: &Target,
    key: &BackupKey,
) -> Result<Vec<Erased>, RestoreError> {
    let name = names::erased(service);
    let Some(object) = target.get(&name).await? else { return Ok(Vec::new()) };
    let bytes =
        key.open(&name, &object).map_err(|source| RestoreError::Sealed { name: name.clone(), source })?;
    // Each has the same length: 25 bytes for the person, 9 for the entry.
    let rows = bytes.chunks(34).map(decode_row::<Erased>);
    rows.collect::<Option<_>>().ok_or(RestoreError::Garbled { name })
}

/// Restores the newest keys of persons, but for those who were erased in any of these ledgers' lists.
/// Answers how many, and the deployment that the ledgers' databases are to be marked with; nothing if no
/// keys were shipped.
///
/// # Errors
/// When the target was altered, or the store cannot be written.
pub async fn restore_person_keys(
    services: &[&'static str],
    databases: &Databases,
    target: &Target,
    keys: &Keys,
    clock: &Clock,
) -> Result<Option<(u64, Deployment)>, RestoreError> {
    let (key, name) = (keys.backup_key(), names::PERSON_KEYS.to_owned());
    let mut erased = HashSet::new();
    for service in services {
        erased.extend(read_erased(service, target, &key).await?.into_iter().map(|erased| erased.person));
    }
    let Some(object) = target.get(&name).await? else { return Ok(None) };
    let copy =
        key.open(&name, &object).map_err(|source| RestoreError::Sealed { name: name.clone(), source })?;
    let copy = PersonKeysCopy(copy);
    let written = write_person_keys(databases, keys, clock, &copy, |person| erased.contains(person))?;
    written.map(Some).ok_or(RestoreError::Garbled { name })
}
