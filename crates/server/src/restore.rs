//! `holdfast restore`: a node from what was backed up.

use anyhow::{Context, bail};
use backup::{Restored, Service, Target, Until, Way, restore as rebuild, restore_person_keys};
use clap::Args;
use clock::{Clock, Timestamp};
use seal::Keys;
use store::Databases;
use tokio::runtime;

use crate::{
    data_folder::{DataFolder, places},
    settings::SettingsOptions,
    tell,
};

/// What to restore from, and how far.
#[derive(Debug, Clone, Args)]
pub struct RestoreOptions {
    /// The target of the backup: a folder, or s3://BUCKET/PREFIX.
    target: String,
    /// Go only so far: a number of entries, or a time such as 2026-03-01T09:30:00.000Z.
    #[arg(long, value_name = "TIME|INDEX", value_parser = until)]
    at: Option<Until>,
    /// Replay every entry from the first, and begin with no snapshot.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    settings: SettingsOptions,
}

fn until(text: &str) -> Result<Until, String> {
    if let Ok(entries) = text.parse() {
        return Ok(Until::Entries(entries));
    }
    let time: Result<Timestamp, _> = text.parse();
    time.map(Until::Time)
        .map_err(|_| "write a number of entries, or a time such as 2026-03-01T09:30:00.000Z".to_owned())
}

/// Restores what the settings name, which must be empty or begun by an earlier restore. The key file must be
/// there: it is never in a backup.
///
/// # Errors
/// When the target lacks something, was altered, or does not replay.
pub fn restore(options: &RestoreOptions) -> anyhow::Result<()> {
    let settings = options.settings.read()?;
    let folder = DataFolder::take(&settings)?;
    folder.make_rooms()?;
    let places = places(&settings);
    let keys = Keys::open_existing(&places.keys, &Clock::System)
        .context("cannot open the key file: put back the one that the backup was made under")?;
    let config = settings.database_config();
    let target = Target::open(&options.target)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let way = Way { until: options.at.unwrap_or(Until::End), full: options.full };
    let stopwatch = Clock::System.stopwatch();
    let (restored, held) = runtime.block_on(async {
        let services = [identity::SERVICE];
        let key_databases = Databases::new(&places.keys, &config)?;
        let restored = restore_person_keys(&services, &key_databases, &target, &keys, &Clock::System).await?;
        let Some((_, deployment)) = restored else {
            bail!("{} holds no persons' keys, so nothing sealed could be read", options.target);
        };
        let service = Service {
            name: identity::SERVICE,
            origin: &settings.origin(identity::SERVICE),
            schema: identity::schema(),
            commands: identity::commands(),
        };
        let databases = Databases::new(&places.services, &config)?;
        let mut held = Vec::new();
        let restored = rebuild(service, &databases, &target, &keys, way, |batch| {
            deployment.put(batch);
            held = queue::hold_unfinished(batch)?;
            Ok(())
        });
        Ok((restored.await?, held))
    })?;
    let Restored { head, shipped, checkpoint, erased, from } = restored;
    let replayed = match from {
        0 => "all replayed".to_owned(),
        from => format!("{} replayed after a snapshot over {from}", head.size - from),
    };
    let compared = match checkpoint {
        Some((size, note)) => {
            ledger::place_checkpoint(&places.services.join("identity.checkpoint"), &note)?;
            format!("compared with the checkpoint over {size}")
        }
        None => "older than any checkpoint".to_owned(),
    };
    tell(&format!(
        "restored {} of {shipped} entries, the last of {}, {replayed}, {compared}; {erased} erased people were left out; {:.1} s",
        head.size,
        head.at,
        stopwatch.elapsed().as_secs_f64(),
    ));
    if !held.is_empty() {
        tell(&format!(
            "jobs were unfinished, and some may have been done since: the queues {} are held until an operator releases them",
            held.join(", ")
        ));
    }
    Ok(())
}
