//! What everything that defends a route costs those who ask honestly.

use std::fmt::Write;

use rig::{Server, ServerOptions};

use crate::{
    figures::{Figures, median},
    peer,
    session::{PATH, sign_in},
};

/// Networks that are blocked in the settings.
const BLOCKED: u16 = 10_000;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, seconds) = if quick { (5, 2) } else { (9, 4) };
    let folder = tempfile::tempdir()?;
    let start = |name: &str, settings: String| {
        let options = ServerOptions { settings, ..ServerOptions::default() };
        let server = Server::start_with(&folder.path().join(name), &options)?;
        let (token, _) = sign_in(&server)?;
        anyhow::Ok((server, token))
    };
    let (off, off_token) = start("off", "[limits]\nrules = []\n[inspection]\nmode = \"off\"\n".to_owned())?;
    let (on, on_token) = start("on", defended()?)?;
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        // One after the other, so that what the machine does meanwhile falls on both.
        without.push(peer::wrk(off.public, PATH, &off_token, seconds, 1)?);
        with.push(peer::wrk(on.public, PATH, &on_token, seconds, 1)?);
        ratios.push(with[with.len() - 1] / without[without.len() - 1]);
    }
    let mut figures = Figures::new("layers");
    figures.add("ratio_on_to_off", median(ratios), "of `GET /api/v1/session`, 64 keep-alive connections");
    figures.add(
        "on_per_s",
        median(with),
        "two limits by address, one by person, 10,000 blocked networks, requests inspected",
    );
    figures.add("off_per_s", median(without), "none of it");
    Ok(figures)
}

/// Limits that nobody reaches, and networks that nobody comes from.
fn defended() -> anyhow::Result<String> {
    let mut settings = "[networks]\nblocked = [".to_owned();
    for number in 0..BLOCKED {
        write!(settings, "\"10.{}.{}.0/24\",", number >> 8, number & 255)?;
    }
    settings.push_str("]\n[inspection]\nmode = \"block\"\n");
    for (name, by, more) in [
        ("address", "address", "more = [{ kind = \"government\", times = 2 }]"),
        ("readings", "address", "routes = [\"GET /api/v1/*\"]"),
        ("person", "person", ""),
    ] {
        writeln!(
            settings,
            "[[limits.rules]]\nname = \"{name}\"\nby = [\"{by}\"]\nannounced = false\nadapts = false\n\
             quota = {{ algorithm = \"fixed-window\", limit = 400000000, window-ms = 1000, block-ms = 60000 }}\n{more}"
        )?;
    }
    Ok(settings)
}
