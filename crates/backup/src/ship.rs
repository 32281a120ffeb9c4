//! Shipping: what is new in a ledger goes to the target, again and again.

use std::path::PathBuf;

use clock::{Clock, Timestamp};
use ledger::{Entry, all_erased};
use seal::{BackupKey, Keys, read_person_keys};
use store::{Cell, Databases, Schema, StoreError, Writer, encode_row};

use crate::{
    names::{self, Span, chain},
    segment::{self, SEGMENT_ENTRIES_MAX, SegmentError},
    target::{Target, TargetError},
};

/// Segments in a row that are shorter than a whole one, before they are merged into one: shipping every
/// second would otherwise leave 86,400 a day.
const SHORT_MAX: usize = 64;

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

/// Ships one ledger.
pub struct Shipper {
    service: &'static str,
    target: Target,
    key: BackupKey,
    clock: Clock,
    database: Writer,
    checkpoint: PathBuf,
    spans: Vec<Span>,
    shipped: Shipped,
    /// The checkpoint in the target, once this has put one there.
    newest: Option<Vec<u8>>,
    erased: usize,
}

impl Shipper {
    /// Looks what the target has of this ledger.
    ///
    /// # Errors
    /// When the database or the target cannot be read, or the target has more than the ledger.
    pub async fn open(
        service: &'static str,
        databases: &Databases,
        schema: &Schema,
        checkpoint: PathBuf,
        target: Target,
        keys: &Keys,
        clock: Clock,
    ) -> Result<Self, ShipError> {
        let database = databases.open_to_read(service, schema)?;
        let listed = target.list(&names::segments(service)).await?;
        let spans = chain(listed.iter().filter_map(|name| Span::of_name(name)).collect());
        let entries = spans.last().map_or(0, |span| span.end);
        let last =
            database.read(|snapshot| snapshot.rows::<Entry>("ORDER BY \"index\" DESC LIMIT 1", &[]))?;
        let have = last.first().map_or(0, |entry| entry.index + 1);
        if entries > have {
            return Err(ShipError::Ahead { shipped: entries, have });
        }
        let shipped = Shipped { entries, at: Timestamp::EPOCH };
        let key = keys.backup_key();
        Ok(Self {
            service,
            target,
            key,
            clock,
            database,
            checkpoint,
            spans,
            shipped,
            newest: None,
            erased: usize::MAX,
        })
    }

    /// Ships whatever is new.
    ///
    /// # Errors
    /// When the database cannot be read or the target not be written; what was shipped is shipped.
    pub async fn ship(&mut self) -> Result<Shipped, ShipError> {
        let before = self.shipped.entries;
        // First, so that it covers no more than what is shipped after it.
        let checkpoint = read_if_there(&self.checkpoint)?;
        while self.ship_segment().await? {}
        if checkpoint.is_some() && checkpoint != self.newest {
            self.target.put(&names::checkpoint(self.service), checkpoint.clone().unwrap_or_default()).await?;
            self.newest = checkpoint;
        }
        if self.shipped.entries > before {
            self.ship_erased().await?;
            self.merge().await?;
        }
        Ok(self.shipped)
    }

    /// Ships the next segment; false if there is nothing new.
    async fn ship_segment(&mut self) -> Result<bool, ShipError> {
        let first = self.shipped.entries;
        let from = Cell::Integer(i64::try_from(first).unwrap_or(i64::MAX));
        let limit = Cell::Integer(i64::try_from(SEGMENT_ENTRIES_MAX).unwrap_or(i64::MAX));
        let condition = "WHERE \"index\" >= $1 ORDER BY \"index\" LIMIT $2";
        let entries = self.database.read(|snapshot| snapshot.rows::<Entry>(condition, &[from, limit]))?;
        let Some(last) = entries.last() else { return Ok(false) };
        let (span, at) = (Span { first, end: last.index + 1 }, last.at);
        self.put(span, &entries).await?;
        self.spans.push(span);
        self.shipped = Shipped { entries: span.end, at };
        Ok(entries.len() == SEGMENT_ENTRIES_MAX)
    }

    async fn put(&self, span: Span, entries: &[Entry]) -> Result<(), ShipError> {
        let name = span.name(self.service);
        let object = segment::seal(&name, entries, &self.key, &self.clock)?;
        Ok(self.target.put(&name, object).await?)
    }

    /// The list of who was erased is small, and shipped whole whenever it has grown.
    async fn ship_erased(&mut self) -> Result<(), ShipError> {
        let erased = self.database.read(all_erased)?;
        if erased.len() == self.erased {
            return Ok(());
        }
        let mut bytes = Vec::new();
        erased.iter().for_each(|erased| encode_row(erased, &mut bytes));
        let name = names::erased(self.service);
        self.target.put(&name, self.key.seal(&name, &bytes, &self.clock)).await?;
        self.erased = erased.len();
        Ok(())
    }

    /// Puts many short segments into one, and then removes them.
    async fn merge(&mut self) -> Result<(), ShipError> {
        let whole = SEGMENT_ENTRIES_MAX as u64;
        let short = self.spans.iter().rev().take_while(|span| span.len() < whole).count();
        if short < SHORT_MAX {
            return Ok(());
        }
        let parts = self.spans.split_off(self.spans.len() - short);
        let mut merged: Vec<Span> = Vec::new();
        for part in &parts {
            match merged.last_mut().filter(|span| part.end - span.first <= whole) {
                Some(span) => span.end = part.end,
                None => merged.push(*part),
            }
        }
        for span in &merged {
            let mut entries = Vec::new();
            for part in parts.iter().filter(|part| part.first >= span.first && part.end <= span.end) {
                entries.extend(self.get(*part).await?);
            }
            self.put(*span, &entries).await?;
        }
        for part in parts.iter().filter(|part| !merged.contains(part)) {
            self.target.delete(&part.name(self.service)).await?;
        }
        self.spans.append(&mut merged);
        Ok(())
    }

    async fn get(&self, span: Span) -> Result<Vec<Entry>, ShipError> {
        let name = span.name(self.service);
        let object = self.target.get(&name).await?.unwrap_or_default();
        segment::open(&name, &object, &self.key).map_err(|source| ShipError::Segment { name, source })
    }
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
