//! Every ledger of a deployment, shipped in an order in which a target never holds an effect without its cause: a
//! vote's token was given to somebody on the roll, and whoever got one signed in.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::Context;
use backup::{Mark, Service, Shipped, Shipper, Target};
use board::Election;
use clock::Clock;
use elections::{announced, board_is_over};
use ids::Id;
use seal::Keys;
use store::{Databases, Writer};

use crate::{kept, settings::Settings};

/// Shippers of all ledgers.
pub(super) struct Ledgers {
    settings: Settings,
    databases: Databases,
    /// The folder of services' databases.
    folder: PathBuf,
    target: Target,
    keys: Keys,
    identity: Shipper,
    elections: Option<Ledger>,
    boards: BTreeMap<Id<Election>, Ledger>,
    /// Boards that are over, and wholly in the target.
    over: BTreeSet<Id<Election>>,
}

/// A ledger's shipper, and its database, to be asked about more than its entries.
struct Ledger {
    shipper: Shipper,
    database: Writer,
}

impl Ledgers {
    pub(super) async fn open(
        settings: &Settings,
        databases: Databases,
        folder: PathBuf,
        target: Target,
        keys: Keys,
    ) -> anyhow::Result<Self> {
        let service = kept::identity(settings);
        let checkpoint = folder.join(format!("{}.checkpoint", service.name));
        let identity =
            Shipper::open(&service, &databases, checkpoint, target.clone(), &keys, Clock::System).await;
        let identity = identity.context("cannot back up the ledger of the identity service")?;
        let (elections, boards, over) = (None, BTreeMap::new(), BTreeSet::new());
        let settings = settings.clone();
        let mut this = Self { settings, databases, folder, target, keys, identity, elections, boards, over };
        this.look().await?;
        Ok(this)
    }

    /// Ships what is new in all of them. What hinders one board hinders no other.
    pub(super) async fn ship(&mut self) -> anyhow::Result<Shipped> {
        let hindered = self.look().await.err();
        // Effects are marked first, and shipped last.
        let mut marks: BTreeMap<Id<Election>, (Mark, bool)> = BTreeMap::new();
        for (election, board) in &self.boards {
            let is_over = board.database.read(board_is_over)?;
            marks.insert(*election, (board.shipper.mark()?, is_over));
        }
        let elections = self.elections.as_ref().map(|elections| elections.shipper.mark()).transpose()?;
        let mut all = self.identity.ship().await?;
        if let (Some(elections), Some(mark)) = (&mut self.elections, elections) {
            add(&mut all, elections.shipper.ship_to(mark).await?);
        }
        let mut failed = hindered;
        for (election, (mark, is_over)) in marks {
            let Some(board) = self.boards.get_mut(&election) else { continue };
            match board.shipper.ship_to(mark).await {
                Ok(shipped) => {
                    add(&mut all, shipped);
                    if is_over {
                        self.boards.remove(&election);
                        self.over.insert(election);
                    }
                }
                Err(error) => failed = Some(told(error.into(), election)),
            }
        }
        failed.map_or(Ok(all), Err)
    }

    /// Looks which boards there are now.
    async fn look(&mut self) -> anyhow::Result<()> {
        if self.elections.is_none() {
            let service = kept::elections(&self.settings);
            if self.databases.exists(&service.name)? {
                self.elections = Some(self.ledger(&service).await.context("cannot back up elections")?);
            }
        }
        let Some(elections) = &self.elections else { return Ok(()) };
        for election in elections.database.read(announced)? {
            let board = kept::board(&self.settings, election);
            let known = self.boards.contains_key(&election) || self.over.contains(&election);
            // A board is made when it is first looked after.
            if !known && self.databases.exists(&board.name)? {
                let board = self.ledger(&board).await.map_err(|error| told(error, election))?;
                self.boards.insert(election, board);
            }
        }
        Ok(())
    }

    async fn ledger(&self, service: &Service) -> anyhow::Result<Ledger> {
        let Self { databases, folder, target, keys, .. } = self;
        let checkpoint = folder.join(format!("{}.checkpoint", service.name));
        let shipper =
            Shipper::open(service, databases, checkpoint, target.clone(), keys, Clock::System).await?;
        Ok(Ledger { shipper, database: databases.open_to_read(&service.name, &service.schema)? })
    }
}

fn told(error: anyhow::Error, election: Id<Election>) -> anyhow::Error {
    error.context(format!("cannot back up the board of election {election}"))
}

fn add(all: &mut Shipped, more: Shipped) {
    all.entries += more.entries;
    all.at = all.at.max(more.at);
}
