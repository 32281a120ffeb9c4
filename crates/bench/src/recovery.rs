//! How fast a lost node comes back, and how far behind its backup is meanwhile.

use std::{path::Path, time::Duration};

use backup::{Service, Shipper, Target, Until, Way, restore};
use clock::{Clock, Timestamp};
use futures_util::{StreamExt, stream};
use ledger::Ledger;
use seal::Keys;
use store::Databases;
use telemetry::Metrics;

use crate::{
    figures::{Figures, median},
    ledger::notes,
    load::on_runtime,
};

const NAME: &str = "bench";
const ORIGIN: &str = "example.org/bench";

/// Commands a second while the backup's lag is measured.
const RATE: u32 = 5000;
/// How often is shipped, as by default.
const EVERY: Duration = Duration::from_secs(1);
/// Commands on their way while the ledger is filled.
const WAITING: usize = 8192;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, entries, seconds) = if quick { (3, 200_000, 5) } else { (5, 1_000_000, 20) };
    let folder = tempfile::tempdir()?;
    let (data, target) = (folder.path().join("data"), folder.path().join("target"));
    std::fs::create_dir(&data)?;
    let ledger = notes::open(&data, &Metrics::new())?;
    let lag = on_runtime(async {
        fill(&ledger, entries).await?;
        let mut shipper = shipper(&data, &target).await?;
        shipper.ship().await?;
        lag(&ledger, shipper, seconds).await
    })?;
    ledger.stop();
    on_runtime(async { shipper(&data, &target).await?.ship().await.map_err(anyhow::Error::from) })?;
    let mut restored = Vec::new();
    for _ in 0..runs {
        restored.push(on_runtime(restore_once(&data, &target))?);
    }
    let restored = median(restored);
    let mut figures = Figures::new("recovery");
    figures.add("restored_per_s", restored, "entries unsealed, replayed, compared and synced");
    figures.add("backup_lag_ms", lag, "age of the oldest entry when it is safe, shipping every second");
    figures.add("rto_s_per_million", 1_000_000.0 / restored, "seconds for a million entries");
    Ok(figures)
}

async fn fill(ledger: &Ledger, entries: usize) -> anyhow::Result<()> {
    let mut sent = stream::iter(0..entries).map(|_| notes::write_note(ledger)).buffer_unordered(WAITING);
    while let Some(sent) = sent.next().await {
        sent?;
    }
    Ok(())
}

fn service() -> Service {
    Service {
        name: NAME.to_owned(),
        origin: ORIGIN.to_owned(),
        schema: notes::schema(),
        commands: notes::commands(),
        attachments: None,
    }
}

async fn shipper(data: &Path, target: &Path) -> anyhow::Result<Shipper> {
    let databases = Databases::in_files(data);
    let target = Target::open(&target.display().to_string())?;
    let keys = Keys::open_existing(data, &Clock::System)?;
    let checkpoint = data.join("bench.checkpoint");
    Ok(Shipper::open(&service(), &databases, checkpoint, target, &keys, Clock::System).await?)
}

/// Ships every second while commands come at a steady rate; how old the oldest of a shipment was when it was
/// safe, in milliseconds.
async fn lag(ledger: &Ledger, mut shipper: Shipper, seconds: u64) -> anyhow::Result<f64> {
    let writes = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        loop {
            ticks.tick().await;
            let sent = (0..RATE / 100).map(|_| notes::write_note(ledger));
            for sent in futures_util::future::join_all(sent).await {
                sent?;
            }
        }
        #[expect(unreachable_code, reason = "it says what the loop's errors are")]
        anyhow::Ok(())
    };
    let ships = async {
        let mut lags = Vec::new();
        for _ in 0..seconds {
            let from = shipper.ship().await?.entries;
            tokio::time::sleep(EVERY).await;
            let oldest = oldest_since(ledger, from).await?;
            shipper.ship().await?;
            lags.push(Clock::System.now().since(oldest).as_secs_f64() * 1000.0);
        }
        anyhow::Ok(median(lags))
    };
    tokio::select! {
        lag = ships => lag,
        failed = writes => failed.map(|()| 0.0),
    }
}

async fn oldest_since(ledger: &Ledger, from: u64) -> anyhow::Result<Timestamp> {
    let oldest = ledger.entries(from, 1).await?.pop();
    Ok(oldest.map_or_else(|| Clock::System.now(), |entry| entry.at))
}

/// Entries restored a second, from the target into an empty folder.
async fn restore_once(data: &Path, target: &Path) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let target = Target::open(&target.display().to_string())?;
    let keys = Keys::open_existing(data, &Clock::System)?;
    let stopwatch = Clock::System.stopwatch();
    let databases = Databases::in_files(folder.path());
    let way = Way { until: Until::End, full: true };
    let restored = restore(&service(), &databases, &target, &keys, way, |_| Ok(())).await?;
    anyhow::ensure!(restored.head.size == restored.shipped, "not everything was restored");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 entries")]
    Ok(restored.head.size as f64 / stopwatch.elapsed().as_secs_f64())
}
