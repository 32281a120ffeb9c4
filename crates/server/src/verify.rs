//! `holdfast verify`: is everything in a folder of data what its ledgers say?

use std::{io::Write, path::PathBuf};

use anyhow::Context;
use backup::Service;
use clap::Args;
use clock::Clock;
use ledger::{
    checkpoint::LogKeys,
    note::KeyName,
    verify::{Report, Subject},
};
use seal::{Keys, PersonKeys};

use crate::{data_folder::DataFolder, kept, key_file::Engines, settings::SettingsOptions};

/// What to verify.
#[derive(Debug, Clone, Args)]
pub struct VerifyOptions {
    /// The folder of data.
    folder: Option<PathBuf>,
    /// Print the keys too by which others check what each ledger publishes (C2SP verifier keys).
    #[arg(long)]
    print_keys: bool,
    #[command(flatten)]
    settings: SettingsOptions,
}

/// Verifies every ledger in the folder, and prints what was found.
///
/// # Errors
/// The first thing that is not in order; the process then ends with a failure.
pub fn verify(options: &VerifyOptions) -> anyhow::Result<()> {
    let mut settings = options.settings.read()?;
    if let Some(folder) = &options.folder {
        settings.data.clone_from(folder);
    }
    let folder = DataFolder::take_existing(&settings)?;
    let keys = Keys::open_existing(&folder.keys(), &Clock::System).context("cannot open the key file")?;
    let engines = folder.engines(&settings)?;
    check_deployment(&engines, &keys)?;
    let at = Place { folder: &folder, engines: &engines, keys: &keys, print_keys: options.print_keys };
    at.verify(kept::identity(&settings))?;
    if !engines.services.exists(elections::SERVICE).context("cannot look for the database")? {
        return Ok(());
    }
    at.verify(kept::elections(&settings))?;
    let database = engines.services.open_to_read(elections::SERVICE, &elections::schema())?;
    for election in database.read(elections::announced)? {
        let board = kept::board(&settings, election);
        // Its board is made when it is first looked after.
        if engines.services.exists(&board.name).context("cannot look for the database")? {
            at.verify(board)?;
        }
    }
    Ok(())
}

/// Where ledgers are, and what they are signed with.
struct Place<'p> {
    folder: &'p DataFolder,
    engines: &'p Engines,
    keys: &'p Keys,
    print_keys: bool,
}

impl Place<'_> {
    fn verify(&self, service: Service) -> anyhow::Result<()> {
        let Service { name, origin, schema, commands, .. } = service;
        let scratch = tempfile::tempdir().context("cannot make a folder for the replay")?;
        let report = ledger::verify::verify(&Subject {
            service: &name,
            databases: &self.engines.services,
            checkpoint: &self.folder.checkpoint(&name),
            origin: &origin,
            keys: self.keys,
            schema,
            commands,
            scratch: scratch.path(),
        });
        print(&report.with_context(|| format!("ledger {name} is not in order"))?)?;
        if self.print_keys { self.print_keys_of(&origin) } else { Ok(()) }
    }

    fn print_keys_of(&self, origin: &str) -> anyhow::Result<()> {
        let log = LogKeys::of(&KeyName::new(origin)?, self.keys.signing());
        for key in [log.ed25519(), log.ml_dsa_44()] {
            writeln!(std::io::stdout(), "  signed with {key}")?;
        }
        Ok(())
    }
}

/// Do the keys and the databases belong together?
fn check_deployment(engines: &Engines, keys: &Keys) -> anyhow::Result<()> {
    let deployment =
        PersonKeys::look(&engines.keys, keys).context("cannot use the store of persons' keys")?;
    let database = engines.services.open_to_read(identity::SERVICE, &identity::schema());
    let database = database.with_context(|| format!("ledger {} is not in order", identity::SERVICE))?;
    Ok(deployment.check(&database, identity::SERVICE)?)
}

fn print(report: &Report) -> anyhow::Result<()> {
    let Report { service, entries, root, published, replayed_tables } = report;
    let covered =
        published.map_or_else(|| "none published".to_owned(), |size| format!("signed for {size} entries"));
    writeln!(
        std::io::stdout(),
        "ledger {service} is in order: {entries} entries, root {}, checkpoint {covered}, \
         {replayed_tables} tables replayed and compared",
        root.to_base64()
    )?;
    Ok(())
}
