//! What ten million live sessions cost: bytes each, and time to start with them.

use std::{fs, path::Path, time::Duration};

use clock::Clock;
use identity::{Assurance, Session};
use ids::Id;
use rig::Server;
use store::Writer;

use crate::{
    figures::{Figures, median},
    fixture,
};

const SESSIONS: u64 = 10_000_000;
const BATCH: u64 = 100_000;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let data = fixture::kept("live-sessions-2", fill)?;
    let runs = if quick { 3 } else { 5 };
    let (mut starts, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let stopwatch = Clock::System.stopwatch();
        let server = Server::start(&data)?;
        starts.push(stopwatch.elapsed().as_secs_f64());
        resident.push(server.resident_bytes()?);
        server.stop()?;
    }
    let empty = tempfile::tempdir()?;
    let empty_data = empty.path().join("data");
    let server = Server::start(&empty_data)?;
    let base = server.resident_bytes()?;
    server.stop()?;
    let on_disk = database_bytes(&data)? - database_bytes(&empty_data)?;
    #[expect(clippy::cast_precision_loss, reason = "bytes of a machine are far below 2^52")]
    let sessions = SESSIONS as f64;
    let mut figures = Figures::new("live-sessions");
    figures.add(
        "bytes_each",
        on_disk / sessions + (median(resident) - base).max(0.0) / sessions,
        "on disk and in memory",
    );
    figures.add("disk_bytes_each", on_disk / sessions, "of that on disk");
    figures.add("start_s", median(starts), "from the command to the first answer");
    Ok(figures)
}

/// Sessions of ten million people, in no order, as they would have come.
fn fill(database: &mut Writer) -> anyhow::Result<()> {
    let clock = Clock::System;
    let expires_at = clock.now().plus(Duration::from_hours(24 * 365));
    for first in (0..SESSIONS).step_by(usize::try_from(BATCH)?) {
        let mut batch = database.begin()?;
        for _ in first..first + BATCH {
            let person = Id::from_bytes(clock.random());
            let assurance = Assurance::DeviceKey;
            batch.append(Session {
                person,
                id: clock.id(),
                expires_at,
                epoch: 0,
                assurance,
                device_bound: false,
            });
        }
        batch.flush()?;
        batch.commit()?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a disk are far below 2^52")]
fn database_bytes(data: &Path) -> anyhow::Result<f64> {
    Ok(fs::metadata(data.join("services/identity.db"))?.len() as f64)
}
