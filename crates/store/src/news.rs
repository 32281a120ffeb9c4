//! What one node's batches changed, for the others that keep a view of the same tables in memory.
//!
//! Where a database is shared, each batch writes the changed rows of the tables that are *told* once more,
//! as news; every node reads them in order and follows as if it had made the change itself.

use clock::Timestamp;

use crate::{
    cell::{CellRef, decode},
    error::StoreError,
    migrate::Schema,
    row::{Row, RowKey},
    table,
    tx::{Changes, Working},
};

table! {
    /// One changed row.
    pub struct News in "news", Operational {
        key {
            /// The batch: where its first entry stands.
            pub batch: u64,
            pub place: u32,
        }
        pub at: Timestamp,
        pub told: String,
        pub deleted: bool,
        /// All its columns, or if it was deleted those of its key, in their canonical encoding.
        pub cells: Vec<u8>,
    }
}

type Hear = fn(&mut Working, bool, &[CellRef<'_>]) -> Option<()>;

/// The tables whose changes other nodes are told.
#[derive(Debug, Clone, Default)]
pub struct Told(Vec<(&'static str, Hear)>);

impl Told {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// One more.
    #[must_use]
    pub fn table<R: Row>(mut self) -> Self {
        self.0.push((R::TABLE.name, hear::<R>));
        self
    }

    pub(crate) fn holds(&self, table: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == table)
    }

    /// Calls `follow` with what these news say, as if a batch of this node had changed it.
    ///
    /// # Errors
    /// When a news cannot be read.
    pub fn hear(&self, news: &[News], follow: impl FnOnce(&Changes<'_>)) -> Result<(), StoreError> {
        let mut working = Working::default();
        for news in news {
            // A table that this program does not follow was told by a newer one.
            let Some((_, hear)) = self.0.iter().find(|(name, _)| *name == news.told) else { continue };
            let heard = decode(&news.cells).and_then(|cells| hear(&mut working, news.deleted, &cells));
            heard.ok_or_else(|| StoreError::Unreadable { table: news.told.clone() })?;
        }
        follow(&Changes::new(&working));
        Ok(())
    }
}

/// The table that news are kept in.
#[must_use]
pub fn news_schema() -> Schema {
    Schema::new().migration("store/0001_news", include_str!("../migrations/0001_news.sql")).table::<News>()
}

fn hear<R: Row>(working: &mut Working, deleted: bool, cells: &[CellRef<'_>]) -> Option<()> {
    let mut cell = |place| cells.get(place).copied().unwrap_or(CellRef::Null);
    let (key, row) = if deleted {
        (R::Key::from_cells(&mut cell)?, None)
    } else {
        let row = R::from_cells(&mut cell).ok()?;
        (row.key(), Some(row))
    };
    working.set::<R>().note(key, row);
    Some(())
}
