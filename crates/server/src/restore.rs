//! `holdfast restore`: a node from what was backed up.

use std::path::Path;

use anyhow::{Context, bail};
use backup::{Restored, Service, Target, Until, Way, restore as rebuild, restore_person_keys};
use clap::Args;
use clock::{Clock, Timestamp};
use seal::{Deployment, Keys};
use store::{Batch, Databases, StoreError};
use tokio::runtime;

use crate::{
    data_folder::{DataFolder, places},
    kept,
    settings::{Settings, SettingsOptions},
    tell,
};

/// What to restore from, and how far.
#[derive(Debug, Clone, Args)]
pub struct RestoreOptions {
    /// The target of the backup: a folder, or s3://BUCKET/PREFIX.
    target: String,
    /// Go only so far: a time such as 2026-03-01T09:30:00.000Z, or a number of entries of the ledger `identity`; the
    /// others then go to the time of the last of these.
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
    let held = runtime.block_on(async {
        let services = [identity::SERVICE];
        let key_databases = Databases::new(&places.keys, &config)?;
        let restored = restore_person_keys(&services, &key_databases, &target, &keys, &Clock::System).await?;
        let Some((_, deployment)) = restored else {
            bail!("{} holds no persons' keys, so nothing sealed could be read", options.target);
        };
        let databases = Databases::new(&places.services, &config)?;
        let restoring = Restoring {
            databases,
            target,
            keys: &keys,
            deployment,
            full: options.full,
            services: &places.services,
        };
        restoring.all(&settings, options.at.unwrap_or(Until::End)).await
    })?;
    if !held.is_empty() {
        tell(&format!(
            "jobs were unfinished, and some may have been done since: the queues {} are held until an operator releases them",
            held.join(", ")
        ));
    }
    Ok(())
}

/// What ledgers are restored with.
struct Restoring<'r> {
    databases: Databases,
    target: Target,
    keys: &'r Keys,
    deployment: Deployment,
    full: bool,
    /// The folder of services' databases.
    services: &'r Path,
}

impl Restoring<'_> {
    /// Restores every ledger of which the target has anything. Answers the queues that are held.
    async fn all(&self, settings: &Settings, until: Until) -> anyhow::Result<Vec<String>> {
        let mut held = Vec::new();
        let (identity, elections) = (kept::identity(settings), kept::elections(settings));
        let restored = self.one(&identity, until, |batch| {
            held = queue::hold_unfinished(batch)?;
            Ok(())
        });
        let head = restored.await?.head;
        // What is counted are the entries of one ledger; the others go as far as it had come by then.
        let until = match until {
            Until::Entries(_) => Until::Time(head.at),
            Until::End | Until::Time(_) => until,
        };
        let there = self.target.services().await?;
        if !there.contains(&elections.name) {
            return Ok(held);
        }
        // Its jobs look what the boards say was done, and do no more.
        self.one(&elections, until, queue::line_up_unfinished).await?;
        let database = self.databases.open_to_read(&elections.name, &elections.schema)?;
        for election in database.read(elections::announced)? {
            let board = kept::board(settings, election);
            if there.contains(&board.name) {
                self.one(&board, until, |_| Ok(())).await?;
            }
        }
        Ok(held)
    }

    /// Restores a ledger, and says how it went.
    async fn one(
        &self,
        service: &Service,
        until: Until,
        last: impl FnOnce(&mut Batch<'_>) -> Result<(), StoreError>,
    ) -> anyhow::Result<Restored> {
        let way = Way { until, full: self.full };
        let stopwatch = Clock::System.stopwatch();
        let rebuilt = rebuild(service, &self.databases, &self.target, self.keys, way, |batch| {
            self.deployment.put(batch);
            last(batch)
        });
        let restored =
            rebuilt.await.with_context(|| format!("cannot restore the ledger {}", service.name))?;
        let Restored { head, shipped, checkpoint, erased, from } = &restored;
        let replayed = match from {
            0 => "all replayed".to_owned(),
            from => format!("{} replayed after a snapshot over {from}", head.size - from),
        };
        let compared = match checkpoint {
            Some((size, note)) => {
                ledger::place_checkpoint(&self.services.join(format!("{}.checkpoint", service.name)), note)?;
                format!("compared with the checkpoint over {size}")
            }
            None => "older than any checkpoint".to_owned(),
        };
        tell(&format!(
            "restored {} of {shipped} entries of {}, the last of {}, {replayed}, {compared}; {erased} erased people were left out; {:.1} s",
            head.size,
            service.name,
            head.at,
            stopwatch.elapsed().as_secs_f64(),
        ));
        Ok(restored)
    }
}
