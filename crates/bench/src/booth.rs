//! How long the booth takes in a real browser, Debian's Chromium, to encrypt a ballot of ten choices.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, ensure};
use peers::Browser;
use serde::Deserialize;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

use crate::{
    figures::{Figures, median},
    load::on_runtime,
};

/// Milliseconds, by ballot.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Took {
    one_question: Vec<f64>,
    ten_questions: Vec<f64>,
}

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (ballots, loads) = if quick { (10, 3) } else { (50, 7) };
    let script = bundled()?;
    let (mut first, mut one, mut ten) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..loads {
        let took = on_runtime(in_browser(&script, ballots))?;
        first.extend(took.one_question.first());
        one.extend(&took.one_question);
        ten.extend(&took.ten_questions);
    }
    let mut figures = Figures::new("booth");
    figures.add("first_ms", median(first), "the first ballot after a page was loaded: ten options to tick");
    figures.add("ballot_ms", median(one), "any ballot of one question with ten options to tick");
    figures.add("ten_questions_ms", median(ten), "any ballot of ten questions");
    Ok(figures)
}

/// What the booth encrypts with, in one script.
fn bundled() -> anyhow::Result<String> {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    if !web.join("node_modules").exists() {
        run_in(&web, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])?;
    }
    let folder = tempfile::tempdir()?;
    let into = folder.path().to_str().context("a folder whose name is text")?;
    run_in(&web, "node", &["build.mjs", "--measure", "--into", into])?;
    Ok(fs::read_to_string(folder.path().join("booth.js"))?)
}

fn run_in(folder: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new(program).current_dir(folder).args(arguments).status();
    let status = status.with_context(|| format!("cannot run {program}: install Node.js 20.19 or newer"))?;
    ensure!(status.success(), "{program} failed");
    Ok(())
}

async fn in_browser(script: &str, ballots: usize) -> anyhow::Result<Took> {
    let browser = Browser::start()?;
    let mut wanted = DesiredCapabilities::chrome();
    for argument in Browser::arguments() {
        wanted.add_arg(argument)?;
    }
    let address = format!("http://{}", browser.address);
    let page = loop {
        match WebDriver::new(&address, wanted.clone()).await {
            Ok(page) => break page,
            // It takes a moment to listen.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let took = page.execute(format!("{script}; return measure.run({ballots})"), Vec::new()).await;
    let took = took.and_then(|took| took.convert());
    page.quit().await?;
    Ok(took?)
}
