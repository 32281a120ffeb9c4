//! `holdfast repair`: a damaged database anew, from its own ledger and from a backup.

use std::path::Path;

use anyhow::{Context, bail};
use backup::{Repaired, Target, repair as rebuild};
use clap::Args;
use clock::Clock;
use seal::{Keys, PersonKeys};
use store::Databases;
use tokio::runtime;

use crate::{
    data_folder::{DataFolder, places},
    kept,
    settings::SettingsOptions,
    tell,
};

/// What to repair, and with what.
#[derive(Debug, Clone, Args)]
pub struct RepairOptions {
    /// The ledger whose database is damaged: `identity`, `elections`, or `election-` and the identifier of the election
    /// whose board it is.
    #[arg(long, value_name = "LEDGER", default_value = identity::SERVICE)]
    ledger: String,
    /// A backup that has the entries which cannot be read any more.
    #[arg(long, value_name = "TARGET")]
    from: Option<String>,
    #[command(flatten)]
    settings: SettingsOptions,
}

/// Builds the database of a ledger anew and keeps the damaged one beside it.
///
/// # Errors
/// When entries are needed that can be read nowhere.
pub fn repair(options: &RepairOptions) -> anyhow::Result<()> {
    let settings = options.settings.read()?;
    let service = kept::named(&settings, &options.ledger)?;
    let folder = DataFolder::take_existing(&settings)?;
    let config = settings.database_config();
    if config.postgres.url.is_some() {
        bail!("a database on a server is repaired with the server's own tools, or with `holdfast restore`");
    }
    let places = places(&settings);
    let keys = Keys::open_existing(&places.keys, &Clock::System).context("cannot open the key file")?;
    let target = options.from.as_deref().map(Target::open).transpose()?;
    let deployment = PersonKeys::look(&Databases::new(&places.keys, &config)?, &keys)
        .context("the store of persons' keys must be in order before a service's database is repaired")?;
    // Built apart, so that nothing is touched before everything is there.
    let draft = places.services.join("repair");
    if draft.exists() {
        std::fs::remove_dir_all(&draft).context("cannot clear away an earlier repair")?;
    }
    std::fs::create_dir(&draft).context("cannot make a folder for the repair")?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let damaged = Databases::new(&places.services, &config)?;
    let fresh = Databases::new(&draft, &config)?;
    let repaired =
        runtime.block_on(rebuild(&service, &damaged, &fresh, target.as_ref(), &keys, &deployment))?;
    drop((damaged, fresh));
    put_in_place(&places.services, &service.name, &draft)?;
    drop(folder);
    let Repaired { head, own, fetched } = repaired;
    tell(&format!(
        "repaired: {} entries, {own} from the database itself and {fetched} from the backup; the damaged files are kept as {}.db.damaged",
        head.size, service.name
    ));
    Ok(())
}

/// Keeps the damaged files under another name and moves the new ones in their place.
fn put_in_place(services: &Path, name: &str, draft: &Path) -> anyhow::Result<()> {
    for end in ["", "-wal", "-shm"] {
        let (old, kept) = (format!("{name}.db{end}"), format!("{name}.db.damaged{end}"));
        if services.join(&old).exists() {
            std::fs::rename(services.join(&old), services.join(kept))
                .context("cannot keep the damaged file")?;
        }
        if draft.join(&old).exists() {
            std::fs::rename(draft.join(&old), services.join(&old))
                .context("cannot put the new file in place")?;
        }
    }
    std::fs::remove_dir_all(draft).context("cannot clear away the draft")
}
