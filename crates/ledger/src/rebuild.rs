//! Building a database anew from entries that were kept elsewhere: a restore, a repair.

use std::{collections::HashSet, path::Path};

use authz::Person;
use clock::Timestamp;
use ids::Id;
use store::{Batch, Databases, Durability, Row, Schema, Snapshot, Store, StoreError, Table, Writer};

use crate::{
    checkpoint::Checkpoint,
    entry::Entry,
    erased::Erased,
    ledger::Head,
    merkle::Hash,
    replay::{AgainError, Commands},
    tree::{self, Tree, TreeError},
};

/// A database that is being built anew. Every entry is replayed, and its effect compared with what it was.
#[derive(Debug)]
pub struct Rebuild {
    writer: Writer,
    tree: Tree,
    last_at: Timestamp,
    commands: Commands,
    tables: Vec<&'static Table>,
    erased: HashSet<Id<Person>>,
}

/// Why a database cannot be built from these entries.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("entry {index} is missing")]
    Missing { index: u64 },
    #[error("entry {index} is dated before the one in front of it")]
    TimeGoesBack { index: u64 },
    #[error(transparent)]
    Replay(#[from] AgainError),
    #[error("the {size} entries are not those that the checkpoint was signed for")]
    Checkpoint { size: u64 },
    #[error("the tree that was built so far is damaged")]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Rebuild {
    /// Goes on with the database of this name, from the first entry if it is not there. What is erasable of
    /// those who were `erased` is left out, whatever the entries still hold.
    ///
    /// # Errors
    /// When the database cannot be opened, or what it holds is damaged.
    pub fn begin(
        databases: &Databases,
        name: &str,
        schema: &Schema,
        commands: Commands,
        erased: HashSet<Id<Person>>,
    ) -> Result<Self, RebuildError> {
        let Store { writer, .. } = databases.open(name, schema)?;
        let (tree, last_at) = writer.read(|snapshot| Ok(Tree::load(snapshot)))??;
        let replayed = schema.tables().iter().filter(|table| table.durability == Durability::Replayed);
        let tables = replayed.copied().collect();
        Ok(Self { writer, tree, last_at, commands, tables, erased })
    }

    /// The entry that is wanted next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.tree.size()
    }

    /// Are there rows that entries made? Where entries were only [laid](Self::lay), there are none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn has_rows(&self) -> Result<bool, StoreError> {
        self.writer.read(|snapshot| {
            let mut any = false;
            for table in &self.tables {
                any = any || !store::is_empty(snapshot, table)?;
            }
            Ok(any)
        })
    }

    /// Are the entries that a checkpoint covers those that were added here?
    ///
    /// # Errors
    /// When there are fewer, or they are others.
    pub fn check(&self, checkpoint: &Checkpoint) -> Result<(), RebuildError> {
        let size = checkpoint.size();
        let root = self.writer.read(|snapshot| Ok(tree::ask(snapshot, |tree| tree.root(size))))??;
        if root == checkpoint.root() { Ok(()) } else { Err(RebuildError::Checkpoint { size }) }
    }

    /// Adds entries, all or none. If `checkpoint` covers one of them as its last, the tree must be the one
    /// that it was signed for.
    ///
    /// # Errors
    /// When they do not follow, or do not do what they once did.
    pub fn add(
        &mut self,
        mut entries: Vec<Entry>,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<(), RebuildError> {
        self.follow(&mut entries)?;
        self.writer.make_room(self.next() + entries.len() as u64);
        let mut batch = self.writer.begin()?;
        let read = self.commands.read_all(&entries, &mut batch)?;
        for (entry, command) in entries.iter().zip(read) {
            command.apply(entry, &mut batch)?;
        }
        let mut tree = self.tree.clone();
        append(&mut tree, entries, checkpoint, &mut batch)?;
        batch.flush()?;
        batch.commit()?;
        self.tree = tree;
        Ok(())
    }

    /// Adds entries to the log without applying them, because their rows come from a snapshot: see
    /// [`Rebuild::fill`].
    ///
    /// # Errors
    /// When they do not follow.
    pub fn lay(&mut self, mut entries: Vec<Entry>) -> Result<(), RebuildError> {
        self.follow(&mut entries)?;
        self.writer.make_room(self.next() + entries.len() as u64);
        let mut batch = self.writer.begin()?;
        let mut tree = self.tree.clone();
        append(&mut tree, entries, None, &mut batch)?;
        batch.flush()?;
        batch.commit()?;
        self.tree = tree;
        Ok(())
    }

    /// Begins to fill the tables with the rows that the entries so far made, as [`Batch::fill`] takes them:
    /// all of them, or none.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn fill(&mut self) -> Result<Batch<'_>, StoreError> {
        self.writer.begin_long()
    }

    /// Puts rows that no entry makes, and that entries to come name.
    ///
    /// # Errors
    /// When the store fails.
    pub fn put_beside(&mut self, put: impl FnOnce(&mut Batch<'_>)) -> Result<(), StoreError> {
        let mut batch = self.writer.begin()?;
        put(&mut batch);
        batch.flush()?;
        batch.commit()
    }

    /// Checks that entries follow those that are there, and takes from them what may not come back.
    fn follow(&mut self, entries: &mut [Entry]) -> Result<(), RebuildError> {
        for (index, entry) in (self.next()..).zip(entries) {
            if entry.index != index {
                return Err(RebuildError::Missing { index });
            }
            if entry.at < self.last_at {
                return Err(RebuildError::TimeGoesBack { index });
            }
            self.last_at = entry.at;
            if entry.subject.is_some_and(|subject| self.erased.contains(&subject)) {
                entry.erasable = None;
            }
        }
        Ok(())
    }

    /// Writes down who was erased, and lets `last` put the finishing touches; then the database is whole.
    ///
    /// # Errors
    /// When the store fails.
    pub fn finish(
        mut self,
        erased: Vec<Erased>,
        last: impl FnOnce(&mut Batch<'_>) -> Result<(), StoreError>,
    ) -> Result<Head, RebuildError> {
        let mut batch = self.writer.begin()?;
        erased.into_iter().for_each(|erased| batch.replace(erased));
        last(&mut batch)?;
        batch.flush()?;
        batch.commit()?;
        drop(batch);
        self.writer.fold_log()?;
        Ok(Head { size: self.tree.size(), root: self.tree.root(), at: self.last_at })
    }
}

fn append(
    tree: &mut Tree,
    entries: Vec<Entry>,
    checkpoint: Option<&Checkpoint>,
    batch: &mut Batch<'_>,
) -> Result<(), RebuildError> {
    let leaves: Vec<Hash> = entries.iter().map(Entry::leaf).collect();
    let covered = checkpoint.and_then(|checkpoint| {
        let within = usize::try_from(checkpoint.size().checked_sub(tree.size())?).ok()?;
        (within > 0 && within <= leaves.len()).then_some((within, checkpoint))
    });
    entries.into_iter().for_each(|entry| batch.append(entry));
    let Some((within, checkpoint)) = covered else {
        tree.append(&leaves, batch);
        return Ok(());
    };
    tree.append(&leaves[..within], batch);
    if tree.root() != checkpoint.root() {
        return Err(RebuildError::Checkpoint { size: tree.size() });
    }
    tree.append(&leaves[within..], batch);
    Ok(())
}

/// Has nothing ever happened here?
///
/// # Errors
/// When the store fails.
pub fn is_empty(snapshot: &Snapshot<'_>) -> Result<bool, StoreError> {
    store::is_empty(snapshot, <Entry as Row>::TABLE)
}

/// How far the ledger in a database had come at one moment.
///
/// # Errors
/// When what is stored of the tree is damaged.
pub fn head_of(snapshot: &Snapshot<'_>) -> Result<Head, RebuildError> {
    let (tree, at) = Tree::load(snapshot)?;
    Ok(Head { size: tree.size(), root: tree.root(), at })
}

/// Writes the newest checkpoint of a ledger where the ledger will look for it.
///
/// # Errors
/// When it cannot be written.
pub fn place_checkpoint(path: &Path, note: &[u8]) -> std::io::Result<()> {
    crate::publisher::replace(path, note)
}
