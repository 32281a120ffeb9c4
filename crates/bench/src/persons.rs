//! How long the console's page of people takes where there are ten million of them, wherever in the list one is.

mod sql;

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use authz::{PersonKind, Roles};
use clock::Clock;
use hdrhistogram::Histogram;
use identity::Person;
use ids::Id;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rig::{Client, Server};
use store::{Databases, Erasable, Writer};

use crate::{figures::Figures, fixture, load::on_runtime};

const PERSONS: u64 = 10_000_000;
const PERSONS_QUICK: u64 = 20_000;
const BATCH: u64 = 100_000;

/// People on a page, as the console asks.
const PAGE: usize = 50;
/// Pages that are read.
const PAGES: usize = 500;

/// Bytes of a sealed name, and of a sealed verifier of a password.
const NAME_BYTES: usize = 48;
const VERIFIER_BYTES: usize = 140;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let persons = if quick { PERSONS_QUICK } else { PERSONS };
    let data = fixture::kept(&format!("persons-{persons}"), |database| fill(database, persons))?;
    let anywhere = cursors(&data)?;
    let server = Server::start(&data)?;
    let asked = on_runtime(async {
        let administrator = server.administrator().await?;
        administrator.register("somebody", "kelp holds fast in winter storms").await?;
        let first = pages(&administrator, &[None]).await?;
        let somewhere = pages(&administrator, &anywhere).await?;
        let named = named(&administrator).await?;
        anyhow::Ok((first, somewhere, named))
    });
    let (first, somewhere, named) = asked?;
    server.stop()?;
    let mut figures = Figures::new("persons");
    #[expect(clippy::cast_precision_loss, reason = "people are far below 2^52")]
    figures.add("persons", persons as f64, "in the database");
    figures.add("first_page_ms", ms(&first, 0.5), "the page of 50 that the console begins with, the median");
    figures.add("page_p50_ms", ms(&somewhere, 0.5), "a page from anywhere in the list");
    figures.add("page_p99_ms", ms(&somewhere, 0.99), "of these");
    figures.add(
        "page_max_ms",
        ms(&somewhere, 1.0),
        "the slowest of them; the first has nothing in memory yet",
    );
    figures.add("named_p99_ms", ms(&named, 0.99), "finding one by the whole name that they sign in with");
    Ok(figures)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a request are far below 2^52")]
fn ms(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1000.0
}

/// Reads the page behind each of these people, or the first.
async fn pages(
    administrator: &Client,
    after: &[Option<Id<authz::Person>>],
) -> anyhow::Result<Histogram<u64>> {
    let mut latency = Histogram::new(3)?;
    for place in 0..PAGES {
        let after = after[place % after.len()].map_or_else(String::new, |after| format!("&after={after}"));
        let running = Clock::System.stopwatch();
        let answer = administrator.get(&format!("/api/v1/persons?limit={PAGE}{after}")).await?;
        latency.record(u64::try_from(running.elapsed().as_micros())?)?;
        let found = answer.json()["persons"].as_array().map_or(0, Vec::len);
        ensure!(answer.status == 200 && found > 0, "no page: {} {}", answer.status, answer.json());
    }
    Ok(latency)
}

async fn named(administrator: &Client) -> anyhow::Result<Histogram<u64>> {
    let mut latency = Histogram::new(3)?;
    for _ in 0..PAGES {
        let running = Clock::System.stopwatch();
        let answer = administrator.get("/api/v1/persons?userId=somebody").await?;
        latency.record(u64::try_from(running.elapsed().as_micros())?)?;
        let found = answer.json()["persons"].as_array().map_or(0, Vec::len);
        ensure!(found == 1, "somebody is not found: {}", answer.json());
    }
    Ok(latency)
}

/// Places all over the list, in no order; that pages are found by the identifiers' own order, and nothing is sorted for them.
fn cursors(data: &Path) -> anyhow::Result<Vec<Option<Id<authz::Person>>>> {
    let store = Databases::in_files(&data.join("services")).open(identity::SERVICE, &identity::schema())?;
    let steps = store.writer.read(sql::plan_of_a_page)?;
    let indexed = steps.len() == 1 && steps[0].starts_with("SEARCH persons USING PRIMARY KEY");
    ensure!(indexed, "a page is not found by its key: {steps:?}");
    let ends = store.writer.read(sql::first_and_last)?;
    let (first, last) = ends.first().zip(ends.last()).context("there are people")?;
    // The last page has nobody behind it.
    let last = last.unix_ms().saturating_sub(2 * PAGE as u64);
    let mut dice = StdRng::seed_from_u64(7);
    Ok((0..PAGES).map(|_| Some(Id::new(dice.random_range(first.unix_ms()..last), dice.random()))).collect())
}

/// People in the order in which they came, a millisecond apart. Their names are not among those that can be looked up: that index is a
/// table of its own, which a page does not touch.
fn fill(database: &mut Writer, persons: u64) -> anyhow::Result<()> {
    let clock = Clock::System;
    let begun = clock.now().minus(Duration::from_millis(persons));
    for first in (0..persons).step_by(usize::try_from(BATCH)?) {
        let mut batch = database.begin()?;
        for number in first..persons.min(first + BATCH) {
            let created_at = begun.plus(Duration::from_millis(number));
            let erasable = |bytes: usize| Erasable::new(clock.random(), vec![7; bytes]);
            batch.append(Person {
                id: Id::new(created_at.millis(), clock.random()),
                number: u32::try_from(number)? + 2,
                kind: PersonKind::Citizen,
                roles: Roles::NONE,
                disabled: false,
                login: erasable(32),
                name: erasable(NAME_BYTES),
                password: Some(erasable(VERIFIER_BYTES)),
                created_at,
            });
        }
        batch.flush()?;
        batch.commit()?;
    }
    Ok(())
}
