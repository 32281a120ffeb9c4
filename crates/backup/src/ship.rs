//! Shipping: what is new in a ledger goes to the target, again and again.

use std::{collections::BTreeSet, path::PathBuf};

use clock::{Clock, Timestamp};
use ledger::{Entry, all_erased, count_erased, merkle::Hash};
use seal::{BackupKey, Keys, read_person_keys};
use store::{Cell, Databases, StoreError, Writer, encode_row};

use crate::{
    attachments::Attachments,
    names::{self, Span, chain},
    segment::{self, SEGMENT_ENTRIES_MAX, SegmentError},
    service::Service,
    target::{Target, TargetError},
};

/// Segments in a row that are shorter than a whole one, before they are merged into one: shipping every
/// second would otherwise leave 86,400 a day.
pub(crate) const SHORT_MAX: usize = 64;

/// Why something was not shipped.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    #[error("the target cannot be used")]
    Target(#[from] TargetError),
    #[error("the ledger's database cannot be read")]
    Store(#[from] StoreError),
    #[error("a segment cannot be made")]
    Pack(#[from] std::io::Error),
    #[error("segment `{name}` of the target cannot be read")]
    Segment { name: String, source: SegmentError },
    #[error(
        "the target holds {shipped} entries, but the ledger only {have}: it is the backup of another, or the ledger has lost entries"
    )]
    Ahead { shipped: u64, have: u64 },
    #[error(
        "entry {index} of the ledger is not the one that was shipped: entries were lost, and others took their places; ship to another target, and find out what happened"
    )]
    Rewritten { index: u64 },
    #[error("the newest checkpoint cannot be read")]
    Checkpoint(#[source] std::io::Error),
}

/// How far a ledger is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// Entries in the target.
    pub entries: u64,
    /// When the last of them was applied.
    pub at: Timestamp,
}

/// How far a ledger was at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    checkpoint: Option<Vec<u8>>,
    end: u64,
}

/// Ships one ledger. Several nodes may ship the same one to the same target: each looks first what the others
/// have shipped, and where two ship at the same moment, both segments are true.
pub struct Shipper {
    service: String,
    attachments: Option<Attachments>,
    /// What this has shipped beside entries: several may name the same.
    attached: BTreeSet<[u8; 32]>,
    target: Target,
    key: BackupKey,
    clock: Clock,
    database: Writer,
    checkpoint: PathBuf,
    spans: Vec<Span>,
    shipped: Shipped,
    /// The last entry that this has shipped or found, and its leaf.
    last: Option<(u64, Hash)>,
    /// The checkpoint in the target, once this has put one there.
    newest: Option<Vec<u8>>,
    erased: u64,
}

impl Shipper {
    /// Looks what the target has of this ledger.
    ///
    /// # Errors
    /// When the database or the target cannot be read, or the target has more than the ledger.
    pub async fn open(
        service: &Service,
        databases: &Databases,
        checkpoint: PathBuf,
        target: Target,
        keys: &Keys,
        clock: Clock,
    ) -> Result<Self, ShipError> {
        let database = databases.open_to_read(&service.name, &service.schema)?;
        let mut this = Self {
            service: service.name.clone(),
            attachments: service.attachments,
            attached: BTreeSet::new(),
            target,
            key: keys.backup_key(),
            clock,
            database,
            checkpoint,
            spans: Vec::new(),
            shipped: Shipped { entries: 0, at: Timestamp::EPOCH },
            last: None,
            newest: None,
            erased: u64::MAX,
        };
        this.look_anew().await?;
        this.has_all(this.last_entry()?.map_or(0, |last| last.index + 1))?;
        if let Some(span) = this.spans.last().copied() {
            let found = this.get(span).await?.unwrap_or_default();
            this.last = found.last().map(|entry| (entry.index, entry.leaf()));
        }
        Ok(this)
    }

    /// How far the ledger is now.
    ///
    /// # Errors
    /// When the database cannot be read, or the target has more than the ledger.
    pub fn mark(&self) -> Result<Mark, ShipError> {
        // First, so that it covers no more than the entries.
        let checkpoint = read_if_there(&self.checkpoint)?;
        let end = self.last_entry()?.map_or(0, |last| last.index + 1);
        self.has_all(end)?;
        Ok(Mark { checkpoint, end })
    }

    /// Ships whatever is new.
    ///
    /// # Errors
    /// As [`Shipper::ship_to`].
    pub async fn ship(&mut self) -> Result<Shipped, ShipError> {
        let mark = self.mark()?;
        self.ship_to(mark).await
    }

    /// Ships what is new up to a mark. Where one ledger's entries follow from another's, whoever ships sets the marks of
    /// both first, that of the effect before that of the cause, and ships the cause first: a target that holds an
    /// effect then holds its cause.
    ///
    /// # Errors
    /// When the database cannot be read or the target not be written; what was shipped is shipped.
    pub async fn ship_to(&mut self, mark: Mark) -> Result<Shipped, ShipError> {
        let before = self.shipped.entries;
        let Mark { checkpoint, end } = mark;
        if end > before {
            self.look_beside().await?;
        }
        while self.ship_segment(end).await? {}
        if checkpoint.is_some() && checkpoint != self.newest {
            self.target
                .put(&names::checkpoint(&self.service), checkpoint.clone().unwrap_or_default())
                .await?;
            self.newest = checkpoint;
        }
        if self.shipped.entries > before {
            self.merge().await?;
        }
        Ok(self.shipped)
    }

    /// Has a ledger of so many entries all that is in the target?
    const fn has_all(&self, have: u64) -> Result<(), ShipError> {
        let shipped = self.shipped.entries;
        if shipped > have { Err(ShipError::Ahead { shipped, have }) } else { Ok(()) }
    }

    fn last_entry(&self) -> Result<Option<Entry>, StoreError> {
        let last = "ORDER BY \"index\" DESC LIMIT 1";
        Ok(self.database.read(|snapshot| snapshot.rows::<Entry>(last, &[]))?.pop())
    }

    /// Looks what there is in the target; everything that was listed.
    async fn look_anew(&mut self) -> Result<Vec<Span>, ShipError> {
        let listed = self.target.list(&names::segments(&self.service)).await?;
        let listed: Vec<_> = listed.iter().filter_map(|name| Span::of_name(name)).collect();
        self.follow(chain(listed.clone()));
        Ok(listed)
    }

    /// Looks what other nodes have shipped meanwhile.
    async fn look_beside(&mut self) -> Result<(), ShipError> {
        let Some(last) = self.spans.last().copied() else { return self.look_anew().await.map(drop) };
        let folder = names::segments(&self.service);
        let listed = self.target.list_after(&folder, &last.name(&self.service)).await?;
        let new = listed.iter().filter_map(|name| Span::of_name(name));
        self.follow(chain(self.spans.iter().copied().chain(new).collect()));
        Ok(())
    }

    fn follow(&mut self, spans: Vec<Span>) {
        self.spans = spans;
        let entries = self.spans.last().map_or(0, |span| span.end);
        // Never back: what others merge at this moment is there, even if a listing shows neither part nor whole.
        if entries > self.shipped.entries {
            self.shipped = Shipped { entries, at: self.clock.now() };
            self.last = None;
        }
    }

    /// Ships the next segment; false if there is nothing new.
    async fn ship_segment(&mut self, end: u64) -> Result<bool, ShipError> {
        let first = self.shipped.entries;
        if first >= end {
            return Ok(false);
        }
        // With the last one that was shipped: it must still be the same, or these do not follow it.
        let known = self.last.filter(|(index, _)| index + 1 == first);
        let from = first - u64::from(known.is_some());
        let limit = SEGMENT_ENTRIES_MAX + usize::from(known.is_some());
        let limit = (limit as u64).min(end - from);
        let values = [from, limit].map(|number| Cell::Integer(i64::try_from(number).unwrap_or(i64::MAX)));
        let condition = "WHERE \"index\" >= $1 ORDER BY \"index\" LIMIT $2";
        let mut entries = self.database.read(|snapshot| snapshot.rows::<Entry>(condition, &values))?;
        if let Some((index, leaf)) = known {
            if entries.first().is_none_or(|entry| entry.index != index || entry.leaf() != leaf) {
                return Err(ShipError::Rewritten { index });
            }
            entries.remove(0);
        }
        let Some(last) = entries.last() else { return Ok(false) };
        let (span, at) = (Span { first, end: last.index + 1 }, last.at);
        let leaf = last.leaf();
        // Before the entries, which may be those that erased somebody.
        self.ship_erased().await?;
        self.ship_attachments(&entries).await?;
        self.put(span, &entries).await?;
        self.spans.push(span);
        self.shipped = Shipped { entries: span.end, at };
        self.last = Some((span.end - 1, leaf));
        Ok(entries.len() == SEGMENT_ENTRIES_MAX)
    }

    /// What entries name is there before they are.
    async fn ship_attachments(&mut self, entries: &[Entry]) -> Result<(), ShipError> {
        let Some(attachments) = self.attachments else { return Ok(()) };
        for hash in attachments.named(entries).difference(&self.attached).copied().collect::<Vec<_>>() {
            let (service, database) = (&self.service, &self.database);
            if !attachments.ship(service, hash, database, &self.target, &self.key, &self.clock).await? {
                tracing::error!(
                    code = "backup/attachment-missing",
                    service,
                    hash = names::hex(&hash),
                    "what an entry names is not in the database, and so not in the backup"
                );
            }
            self.attached.insert(hash);
        }
        Ok(())
    }

    async fn put(&self, span: Span, entries: &[Entry]) -> Result<(), ShipError> {
        let name = span.name(&self.service);
        let object = segment::seal(&name, entries, &self.key, &self.clock)?;
        Ok(self.target.put(&name, object).await?)
    }

    /// The list of who was erased is small, and shipped whole whenever it has grown.
    async fn ship_erased(&mut self) -> Result<(), ShipError> {
        if self.database.read(count_erased)? == self.erased {
            return Ok(());
        }
        let erased = self.database.read(all_erased)?;
        let mut bytes = Vec::new();
        erased.iter().for_each(|erased| encode_row(erased, &mut bytes));
        let name = names::erased_list(&self.service, erased.len());
        self.target.put(&name, self.key.seal(&name, &bytes, &self.clock)).await?;
        for older in
            self.target.list(&names::erased(&self.service)).await?.iter().filter(|older| **older < name)
        {
            self.target.delete(older).await?;
        }
        self.erased = erased.len() as u64;
        Ok(())
    }

    /// Puts many short segments into one, and then removes them, and whatever else others cover.
    async fn merge(&mut self) -> Result<(), ShipError> {
        if self.short() < SHORT_MAX {
            return Ok(());
        }
        // Another node may have done it just now.
        let listed = self.look_anew().await?;
        let short = self.short();
        let parts = self.spans.split_off(self.spans.len() - short);
        let merged = merged(&parts);
        for span in &merged {
            if parts.contains(span) {
                continue;
            }
            let mut entries: Vec<Entry> = Vec::new();
            for part in parts.iter().filter(|part| part.first < span.end && span.first < part.end) {
                let Some(found) = self.get(*part).await? else {
                    // Another node does it at this moment.
                    return self.look_anew().await.map(drop);
                };
                let next = span.first + entries.len() as u64;
                entries
                    .extend(found.into_iter().filter(|entry| entry.index >= next && entry.index < span.end));
            }
            self.put(*span, &entries).await?;
        }
        self.spans.extend(merged);
        let end = self.spans.last().map_or(0, |span| span.end);
        for covered in listed.iter().filter(|span| span.end <= end && !self.spans.contains(span)) {
            self.target.delete(&covered.name(&self.service)).await?;
        }
        Ok(())
    }

    /// How many short segments there are in a row.
    fn short(&self) -> usize {
        self.spans.iter().rev().take_while(|span| span.len() < SEGMENT_ENTRIES_MAX as u64).count()
    }

    /// The entries of a segment, if it is still there.
    async fn get(&self, span: Span) -> Result<Option<Vec<Entry>>, ShipError> {
        let name = span.name(&self.service);
        let Some(object) = self.target.get(&name).await? else { return Ok(None) };
        let opened = segment::open(&name, &object, &self.key);
        opened.map(Some).map_err(|source| ShipError::Segment { name, source })
    }
}

/// The spans that short ones are merged into.
fn merged(parts: &[Span]) -> Vec<Span> {
    let mut merged: Vec<Span> = Vec::new();
    for part in parts {
        match merged.last_mut().filter(|span| part.end - span.first <= SEGMENT_ENTRIES_MAX as u64) {
            Some(span) => span.end = part.end,
            // Parts may overlap; what they are merged into does not.
            None => {
                let first = merged.last().map_or(part.first, |before| before.end);
                merged.push(Span { first, end: part.end });
            }
        }
    }
    merged
}

fn read_if_there(path: &std::path::Path) -> Result<Option<Vec<u8>>, ShipError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ShipError::Checkpoint(error)),
    }
}

/// Ships persons' keys, in the place of those that were shipped before: a key that was destroyed since is
/// gone from the target, too.
///
/// # Errors
/// When the store cannot be read or the target not be written.
pub async fn ship_person_keys(
    databases: &Databases,
    target: &Target,
    keys: &Keys,
    clock: &Clock,
) -> Result<(), ShipError> {
    let copy = read_person_keys(databases)?;
    let object = keys.backup_key().seal(names::PERSON_KEYS, &copy.0, clock);
    Ok(target.put(names::PERSON_KEYS, object).await?)
}

impl std::fmt::Debug for Shipper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shipper")
            .field("service", &self.service)
            .field("shipped", &self.shipped)
            .finish_non_exhaustive()
    }
}
