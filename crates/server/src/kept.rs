//! The ledgers of a deployment, and what is needed to replay each.

use anyhow::{Context, bail};
use backup::{Attachments, Service};
use board::{Election, Event};
use elections::{blob_piece, board_commands, board_name, board_schema, put_blob_piece};
use ids::Id;

use crate::settings::Settings;

/// The ledger of who people are and what they may.
pub(crate) fn identity(settings: &Settings) -> Service {
    Service {
        name: identity::SERVICE.to_owned(),
        origin: settings.origin(identity::SERVICE),
        schema: identity::schema(),
        commands: identity::commands(),
        attachments: None,
    }
}

/// The ledger of what officers decide, and who got a token.
pub(crate) fn elections(settings: &Settings) -> Service {
    Service {
        name: elections::SERVICE.to_owned(),
        origin: settings.origin(elections::SERVICE),
        schema: elections::schema(),
        commands: elections::commands(),
        attachments: None,
    }
}

/// The ledger that is an election's board.
pub(crate) fn board(settings: &Settings, election: Id<Election>) -> Service {
    let named = |entry: &ledger::Entry| {
        let event = Event::read(&entry.command, &entry.body);
        event.map_or_else(|_| Vec::new(), |event| event.blobs().into_iter().map(|hash| hash.0).collect())
    };
    Service {
        name: board_name(election),
        origin: settings.origin(&format!("{}/{election}", elections::SERVICE)),
        schema: board_schema(),
        commands: board_commands(),
        attachments: Some(Attachments { named, piece: blob_piece, put: put_blob_piece }),
    }
}

/// The ledger of this name.
pub(crate) fn named(settings: &Settings, name: &str) -> anyhow::Result<Service> {
    if let Some(election) = name.strip_prefix("election-") {
        let election = election.parse().context("this is no election's identifier")?;
        return Ok(board(settings, election));
    }
    match name {
        identity::SERVICE => Ok(identity(settings)),
        elections::SERVICE => Ok(elections(settings)),
        other => bail!("there is no ledger {other}: write `identity`, `elections` or `election-ID`"),
    }
}
