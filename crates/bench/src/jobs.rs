//! How many jobs a second go from being asked for to being done, beside BullMQ.

mod bullmq;
mod ours;

pub(crate) use ours::Ask;
use peers::{Postgres, Redis};

use crate::figures::{Figures, median};

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, jobs) = if quick { (3, 20_000) } else { (5, 100_000) };
    let redis = Redis::start()?;
    let postgres = Postgres::start()?;
    let peer = bullmq::install()?;
    let (mut sqlite, mut shared) = (Vec::new(), Vec::new());
    let (mut sqlite_ratio, mut shared_ratio) = (Vec::new(), Vec::new());
    for run in 0..runs {
        redis.command(&["FLUSHALL"])?;
        let theirs = peer.measure(&redis, jobs)?;
        let in_files = ours::measure(None, jobs)?;
        let database = postgres.create_database(&format!("jobs{run}"))?;
        let on_postgres = ours::measure(Some(&database), jobs / 2)?;
        sqlite_ratio.push(in_files / theirs);
        shared_ratio.push(on_postgres / theirs);
        sqlite.push(in_files);
        shared.push(on_postgres);
    }
    let mut figures = Figures::new("jobs");
    figures.add("sqlite_per_s", median(sqlite), "no-op jobs, enqueued to done, each step durable");
    figures.add("postgres_per_s", median(shared), "the same on PostgreSQL");
    figures.add("ratio_sqlite_to_bullmq", median(sqlite_ratio), "of BullMQ on Redis, in bulk, not synced");
    figures.add("ratio_postgres_to_bullmq", median(shared_ratio), "of the same");
    Ok(figures)
}
