//! When snapshots are made, and what becomes of older ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroU64},
    thread,
    time::Duration,
};

use clock::Clock;
use ledger::{Entry, all_erased};
use seal::Keys;
use serde::{Deserialize, Serialize};
use store::{Databases, StoreError, Writer};
use tokio::sync::mpsc;

use crate::{
    clear,
    names::{self, Part, Place},
    service::Service,
    snapshot::{Making, Manifest, SnapshotError},
    target::{Target, TargetError},
};

/// Parts that wait to be put into the target, at most.
const WAITING_MAX: usize = 2;

/// When snapshots are made, and how many are kept.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SnapshotConfig {
    /// How often one is made, if there are new entries. So long may what is erasable of somebody stay in the
    /// target after their erasure, and up to a tenth longer.
    pub every_s: NonZeroU32,
    /// One is made sooner when there are so many new entries.
    pub entries: NonZeroU64,
    /// Complete ones that are kept; but none from before an erasure once a newer one is complete.
    pub kept: NonZeroU32,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self {
            every_s: NonZeroU32::new(6 * 60 * 60).expect("a positive constant"),
            entries: NonZeroU64::new(5_000_000).expect("a positive constant"),
            kept: NonZeroU32::new(2).expect("a positive constant"),
        }
    }
}

/// A snapshot that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotMade {
    /// Entries whose rows it holds.
    pub entries: u64,
    pub rows: u64,
}

/// Makes snapshots of one ledger. Several nodes may: whoever finds first that it is time makes one.
pub struct Snapshots {
    service: Service,
    databases: Databases,
    database: Writer,
    target: Target,
    keys: Keys,
    clock: Clock,
    config: SnapshotConfig,
    /// Nodes do not all begin at the same moment.
    every: Duration,
    /// The newest one that is known.
    newest: Option<Place>,
}

impl Snapshots {
    /// Looks what the target has.
    ///
    /// # Errors
    /// When the database or the target cannot be read.
    pub async fn open(
        service: Service,
        databases: Databases,
        target: Target,
        keys: Keys,
        clock: Clock,
        config: SnapshotConfig,
    ) -> Result<Self, SnapshotError> {
        let database = databases.open_to_read(&service.name, &service.schema)?;
        let every = u64::from(config.every_s.get()) * 1000;
        let later = u64::from_be_bytes(clock.random()) % (every / 10 + 1);
        let every = Duration::from_millis(every + later);
        let newest = None;
        let mut this = Self { service, databases, database, target, keys, clock, config, every, newest };
        this.newest = this.complete().await?.last().map(|(place, _)| *place);
        Ok(this)
    }

    /// Of which ledger.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service.name
    }

    /// The newest complete one that is known: how many entries it follows, and when it was made.
    #[must_use]
    pub fn newest(&self) -> Option<(u64, clock::Timestamp)> {
        self.newest.map(|place| (place.size, clock::Timestamp::from_millis(place.made_at_ms)))
    }

    /// How often one is made.
    #[must_use]
    pub const fn every(&self) -> Duration {
        self.every
    }

    /// Makes one if it is time.
    ///
    /// # Errors
    /// When it cannot be made; what was put into the target is cleared away after the next.
    pub async fn tend(&mut self) -> Result<Option<SnapshotMade>, SnapshotError> {
        if !self.is_due()? {
            return Ok(None);
        }
        // Another node may have been faster.
        self.newest = self.complete().await?.last().map(|(place, _)| *place);
        if self.is_due()? { self.make().await } else { Ok(None) }
    }

    fn is_due(&self) -> Result<bool, StoreError> {
        let last = "ORDER BY \"index\" DESC LIMIT 1";
        let last = self.database.read(|snapshot| snapshot.rows::<Entry>(last, &[]))?.pop();
        let have = last.map_or(0, |last| last.index + 1);
        let Some(newest) = self.newest else { return Ok(have > 0) };
        let age = self.clock.now().millis().saturating_sub(newest.made_at_ms);
        let new = have.saturating_sub(newest.size);
        Ok(new >= self.config.entries.get() || (new > 0 && Duration::from_millis(age) >= self.every))
    }

    /// Makes one now; nothing of a ledger without entries.
    ///
    /// # Errors
    /// As [`Snapshots::tend`].
    pub async fn make(&mut self) -> Result<Option<SnapshotMade>, SnapshotError> {
        let Some((place, mut manifest)) = self.put_parts().await? else { return Ok(None) };
        let before = self.complete().await?;
        self.clear(place, &before, &mut manifest).await?;
        let there = self.list().await?.remove(&place).unwrap_or_default();
        if !manifest.parts().all(|part| there.contains(&part)) {
            return Err(SnapshotError::Disturbed);
        }
        let name = place.name(&self.service.name, Part::Manifest);
        let text = serde_json::to_vec(&manifest).map_err(std::io::Error::from)?;
        self.target.put(&name, self.keys.backup_key().seal(&name, &text, &self.clock)).await?;
        self.newest = Some(place);
        self.expire(place).await?;
        let rows = manifest.tables.iter().map(|contents| contents.rows).sum();
        Ok(Some(SnapshotMade { entries: place.size, rows }))
    }

    /// Reads the tables at one moment, on a thread and a connection of their own, and puts them into the
    /// target as they come. No writer waits for it.
    async fn put_parts(&self) -> Result<Option<(Place, Manifest)>, SnapshotError> {
        let (sender, mut parts) = mpsc::channel::<(String, Vec<u8>)>(WAITING_MAX);
        let service = self.service.clone();
        let (databases, keys, clock) = (self.databases.clone(), self.keys.clone(), self.clock.clone());
        let reading = thread::Builder::new().name("backup-snapshot".to_owned()).spawn(move || {
            let Service { name, origin, schema, .. } = &service;
            let reader = databases.open_to_read(name, schema)?;
            let making = Making { service: name, origin, schema, keys: &keys, clock: &clock };
            let put = |name, part| sender.blocking_send((name, part)).map_err(|_| SnapshotError::Ended);
            reader.read(|snapshot| Ok(making.write(snapshot, put)))?
        })?;
        while let Some((name, part)) = parts.recv().await {
            self.target.put(&name, part).await?;
        }
        // It has ended, or is about to: nobody holds the sender any more.
        reading.join().unwrap_or(Err(SnapshotError::Ended))
    }

    /// Takes what is erasable of erased people out of the entries in the target: of those who were erased
    /// since the snapshot before the last, so that nothing slips through between two.
    async fn clear(
        &self,
        place: Place,
        before: &[(Place, BTreeSet<Part>)],
        manifest: &mut Manifest,
    ) -> Result<(), SnapshotError> {
        let from = match before.last() {
            Some((last, _)) => {
                manifest.cleared_from = last.size;
                // What cannot be read may not have cleared anything.
                let last = read_manifest(&self.service.name, *last, &self.target, &self.keys).await?;
                last.map_or(0, |last| last.cleared_from)
            }
            None => 0,
        };
        let erased = self.database.read(all_erased)?;
        let erased = erased.into_iter().filter(|erased| (from..place.size).contains(&erased.entry));
        let people = erased.map(|erased| erased.person).collect();
        clear::clear(
            &self.service.name,
            &self.database,
            &self.target,
            &self.keys.backup_key(),
            &self.clock,
            &people,
        )
        .await
    }

    /// Removes those that are too many, those from before an erasure, and what was never completed.
    async fn expire(&self, newest: Place) -> Result<(), SnapshotError> {
        let erased = self.database.read(all_erased)?;
        let stale =
            |place: Place| erased.iter().any(|erased| (place.size..newest.size).contains(&erased.entry));
        let all = self.list().await?;
        let older = all.iter().rev().filter(|(place, _)| **place < newest);
        let mut kept = 1;
        for (place, parts) in older {
            let complete = parts.contains(&Part::Manifest);
            if complete && kept < self.config.kept.get() && !stale(*place) {
                kept += 1;
                continue;
            }
            // The manifest first: without it, the rest is nothing. It is the first in order.
            for part in parts {
                self.target.delete(&place.name(&self.service.name, *part)).await?;
            }
        }
        Ok(())
    }

    async fn list(&self) -> Result<BTreeMap<Place, BTreeSet<Part>>, TargetError> {
        list(&self.service.name, &self.target).await
    }

    async fn complete(&self) -> Result<Vec<(Place, BTreeSet<Part>)>, TargetError> {
        let all = self.list().await?.into_iter();
        Ok(all.filter(|(_, parts)| parts.contains(&Part::Manifest)).collect())
    }
}

/// Every snapshot of a ledger, with the parts that are there, the oldest first.
pub(crate) async fn list(
    service: &str,
    target: &Target,
) -> Result<BTreeMap<Place, BTreeSet<Part>>, TargetError> {
    let mut all: BTreeMap<Place, BTreeSet<Part>> = BTreeMap::new();
    for name in target.list(&names::snapshots(service)).await? {
        if let Some((place, part)) = Place::of_name(&name) {
            all.entry(place).or_default().insert(part);
        }
    }
    Ok(all)
}

/// The manifest of a snapshot; nothing if it is gone or cannot be read.
pub(crate) async fn read_manifest(
    service: &str,
    place: Place,
    target: &Target,
    keys: &Keys,
) -> Result<Option<Manifest>, TargetError> {
    let name = place.name(service, Part::Manifest);
    let Some(object) = target.get(&name).await? else { return Ok(None) };
    let text = keys.backup_key().open(&name, &object).ok();
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
}

impl std::fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshots")
            .field("service", &self.service.name)
            .field("newest", &self.newest)
            .finish_non_exhaustive()
    }
}
