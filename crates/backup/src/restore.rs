//! Building a ledger's database, and the store of persons' keys, from a target.

use std::collections::{BTreeSet, HashSet};

use authz::Person;
use clock::{Clock, Timestamp};
use ids::Id;
use ledger::{
    Entry, Erased, Head, PublishError, Rebuild, RebuildError, checkpoint::Checkpoint, open_checkpoint,
};
use seal::{BackupKey, Deployment, Keys, OpenError, PersonKeyError, PersonKeysCopy, write_person_keys};
use store::{Batch, Databases, StoreError, decode_row};

use crate::{
    attachments::Attachments,
    filling::Choosing,
    names::{self, Span, chain},
    segment::{self, SegmentError},
    service::Service,
    target::{Target, TargetError},
};

/// Entries that are replayed together.
const CHUNK: usize = 4096;

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

impl Until {
    /// Is this entry wanted, should there be one, as far as its place says?
    const fn wants(self, index: u64) -> bool {
        match self {
            Self::End | Self::Time(_) => true,
            Self::Entries(count) => index < count,
        }
    }
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
    /// Entries whose rows came from a snapshot; those after them were replayed.
    pub from: u64,
}

/// Why a restore did not go on.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("the target cannot be used")]
    Target(#[from] TargetError),
    #[error("segment `{name}` cannot be read")]
    Segment { name: String, source: SegmentError },
    #[error(
        "part `{name}` of a snapshot cannot be read; to replay every entry instead, begin with an empty database and say `--full`"
    )]
    Snapshot { name: String, source: SegmentError },
    #[error("`{name}` cannot be unsealed: is this the key file that the backup was made under?")]
    Sealed { name: String, source: OpenError },
    #[error("`{name}` does not hold what it should")]
    Garbled { name: String },
    #[error(
        "the target has no list of those of `{service}` who were erased, not even an empty one: put it back, or \
         the erased would come back"
    )]
    NobodyListed { service: String },
    #[error(
        "entries {from} to {to} can be read neither here nor in the target; everything before them was built"
    )]
    Gap { from: u64, to: u64 },
    #[error(
        "an earlier restore laid down {entries} entries without the rows that they made, and the snapshot that it was to take them from cannot be used any more: begin with an empty database, and say `--full` if no snapshot can be used"
    )]
    Unfinished { entries: u64 },
    #[error(
        "entry {from} is not in the target, but later ones are, or a checkpoint over it: something was taken away there; `--at {from}` is content with what comes before it"
    )]
    Missing { from: u64 },
    #[error("what an entry names, {name}, is not whole in the target")]
    Attachment { name: String },
    #[error("there is nothing of `{service}` in the target")]
    Nothing { service: String },
    #[error("the checkpoint in the target was not signed with these keys for this deployment's name")]
    Checkpoint(#[from] PublishError),
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    #[error("the store of persons' keys cannot be written")]
    PersonKeys(#[from] PersonKeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a restore goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    pub until: Until,
    /// Every entry is replayed, whatever snapshots there are.
    pub full: bool,
}

/// Restores a ledger into a database that is empty, or that an earlier restore has begun. `last` puts the
/// finishing touches to it.
///
/// # Errors
/// When the target lacks something, was altered, or does not replay; what was restored so far stays.
pub async fn restore(
    service: &Service,
    databases: &Databases,
    target: &Target,
    keys: &Keys,
    way: Way,
    last: impl FnOnce(&mut Batch<'_>) -> Result<(), StoreError>,
) -> Result<Restored, RestoreError> {
    let Service { name, origin, schema, commands, attachments } = service;
    let key = keys.backup_key();
    let checkpoint = target.get(&names::checkpoint(name)).await?;
    let checkpoint = checkpoint
        .map(|note| Ok::<_, RestoreError>((open_checkpoint(&note, origin, keys)?, note.to_vec())))
        .transpose()?;
    let mut segments = Segments::all(name, *attachments, target, &key).await?;
    let Some(shipped) = segments.spans.last().map(|span| span.end) else {
        return Err(RestoreError::Nothing { service: name.clone() });
    };
    // After the entries were listed: whoever they erase is on a list by then.
    let erased = read_erased(name, target, &key).await?;
    let people: HashSet<Id<Person>> = erased.iter().map(|erased| erased.person).collect();
    let mut rebuild = Rebuild::begin(databases, name, schema, commands.clone(), people)?;
    let from = Choosing { service: name, origin, schema, target, keys, shipped, erased: &erased };
    let from = from.begin(&mut rebuild, way, &mut segments).await?;
    let covering = checkpoint.as_ref().map(|(checkpoint, _)| checkpoint);
    let mut goes_on = true;
    while goes_on && let Some(entries) = segments.follow(&mut rebuild).await? {
        goes_on = replay(&mut rebuild, entries, way.until, covering)?;
    }
    let beyond = covering.map_or(0, Checkpoint::size).max(segments.beyond);
    if goes_on && way.until.wants(rebuild.next()) && rebuild.next() < beyond {
        return Err(RestoreError::Missing { from: rebuild.next() });
    }
    let checkpoint = checkpoint.filter(|(checkpoint, _)| checkpoint.size() <= rebuild.next());
    // What an earlier restore had built is compared, too.
    if let Some((checkpoint, _)) = &checkpoint {
        rebuild.check(checkpoint)?;
    }
    let count = erased.len();
    let head = rebuild.finish(erased, last)?;
    let checkpoint = checkpoint.map(|(checkpoint, note)| (checkpoint.size(), note));
    Ok(Restored { head, shipped, checkpoint, erased: count, from })
}

/// The entries of a target, wherever in it they are.
pub(crate) struct Segments<'s> {
    service: &'s str,
    attachments: Option<Attachments>,
    /// What is in its place already: several entries may name the same.
    attached: BTreeSet<[u8; 32]>,
    target: &'s Target,
    key: &'s BackupKey,
    spans: Vec<Span>,
    /// The end of whatever there is, with or without a gap before it.
    beyond: u64,
}

impl<'s> Segments<'s> {
    /// Those that are there now.
    pub(crate) async fn all(
        service: &'s str,
        attachments: Option<Attachments>,
        target: &'s Target,
        key: &'s BackupKey,
    ) -> Result<Self, RestoreError> {
        let mut this = Self {
            service,
            attachments,
            attached: BTreeSet::new(),
            target,
            key,
            spans: Vec::new(),
            beyond: 0,
        };
        this.look().await?;
        Ok(this)
    }

    async fn look(&mut self) -> Result<(), RestoreError> {
        let listed = self.target.list(&names::segments(self.service)).await?;
        let listed: Vec<_> = listed.iter().filter_map(|name| Span::of_name(name)).collect();
        self.beyond = listed.iter().map(|span| span.end).max().unwrap_or_default();
        self.spans = chain(listed);
        Ok(())
    }

    /// The entries that are wanted next and lie in one segment; nothing if no segment has the first of them. What
    /// they name is put in its place before they are.
    pub(crate) async fn follow(&mut self, rebuild: &mut Rebuild) -> Result<Option<Vec<Entry>>, RestoreError> {
        let Some(entries) = self.from(rebuild.next()).await? else { return Ok(None) };
        if let Some(attachments) = self.attachments {
            for hash in attachments.named(&entries).difference(&self.attached).copied().collect::<Vec<_>>() {
                let pieces = attachments.fetch(self.service, hash, self.target, self.key).await?;
                attachments.put(rebuild, hash, pieces)?;
                self.attached.insert(hash);
            }
        }
        Ok(Some(entries))
    }

    /// The entries from `next` on that lie in one segment; nothing if no segment has that one.
    pub(crate) async fn from(&mut self, next: u64) -> Result<Option<Vec<Entry>>, RestoreError> {
        let spans = |spans: &[Span]| spans.iter().find(|span| span.first <= next && next < span.end).copied();
        if spans(&self.spans).is_none() && next < self.beyond {
            // A listing may show neither the parts nor the whole of what is merged at that moment.
            self.look().await?;
        }
        let Some(mut span) = spans(&self.spans) else { return Ok(None) };
        let mut object = self.target.get(&span.name(self.service)).await?;
        if object.is_none() {
            // Merged with others since it was listed.
            self.look().await?;
            let Some(merged) = spans(&self.spans) else { return Ok(None) };
            span = merged;
            object = self.target.get(&span.name(self.service)).await?;
        }
        let name = span.name(self.service);
        let opened = segment::open(&name, &object.unwrap_or_default(), self.key);
        let mut entries = opened.map_err(|source| RestoreError::Segment { name, source })?;
        entries.retain(|entry| entry.index >= next);
        Ok(Some(entries))
    }
}

/// Replays what is wanted of a segment; false if that was all that is wanted.
fn replay(
    rebuild: &mut Rebuild,
    mut entries: Vec<Entry>,
    until: Until,
    checkpoint: Option<&Checkpoint>,
) -> Result<bool, RestoreError> {
    let all = entries.len();
    entries.retain(|entry| match until {
        Until::End => true,
        Until::Entries(count) => entry.index < count,
        Until::Time(time) => entry.at <= time,
    });
    let goes_on = entries.len() == all;
    for chunk in chunks(entries) {
        rebuild.add(chunk, checkpoint)?;
    }
    Ok(goes_on)
}

/// So many as are replayed together.
pub(crate) fn chunks(entries: Vec<Entry>) -> impl Iterator<Item = Vec<Entry>> {
    let mut rest = entries.into_iter();
    std::iter::from_fn(move || {
        let chunk: Vec<_> = rest.by_ref().take(CHUNK).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
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

/// Who was erased: everybody on any of the lists.
pub(crate) async fn read_erased(
    service: &str,
    target: &Target,
    key: &BackupKey,
) -> Result<Vec<Erased>, RestoreError> {
    let mut erased: Vec<Erased> = Vec::new();
    let mut lists = 0;
    // The longest list is put before shorter ones are removed, and has everybody that they have.
    for name in target.list(&names::erased(service)).await? {
        let Some(object) = target.get(&name).await? else { continue };
        let bytes =
            key.open(&name, &object).map_err(|source| RestoreError::Sealed { name: name.clone(), source })?;
        // Each has the same length: 25 bytes for the person, 9 for the entry.
        let rows: Option<Vec<Erased>> = bytes.chunks(34).map(decode_row).collect();
        erased.extend(rows.ok_or(RestoreError::Garbled { name })?);
        lists += 1;
    }
    // One is shipped before the first entry, also if nobody is on it.
    if lists == 0 {
        return Err(RestoreError::NobodyListed { service: service.to_owned() });
    }
    erased.sort_unstable_by_key(|erased| erased.person);
    erased.dedup_by_key(|erased| erased.person);
    Ok(erased)
}

/// Restores the newest keys of persons, but for those who were erased in any of these ledgers' lists.
/// Answers how many, and the deployment that the ledgers' databases are to be marked with; nothing if no
/// keys were shipped.
///
/// # Errors
/// When the target was altered, or the store cannot be written.
pub async fn restore_person_keys(
    services: &[&str],
    databases: &Databases,
    target: &Target,
    keys: &Keys,
    clock: &Clock,
) -> Result<Option<(u64, Deployment)>, RestoreError> {
    let (key, name) = (keys.backup_key(), names::PERSON_KEYS.to_owned());
    let Some(object) = target.get(&name).await? else { return Ok(None) };
    let mut erased = HashSet::new();
    for service in services {
        erased.extend(read_erased(service, target, &key).await?.into_iter().map(|erased| erased.person));
    }
    let copy =
        key.open(&name, &object).map_err(|source| RestoreError::Sealed { name: name.clone(), source })?;
    let copy = PersonKeysCopy(copy);
    let written = write_person_keys(databases, keys, clock, &copy, |person| erased.contains(person))?;
    written.map(Some).ok_or(RestoreError::Garbled { name })
}
