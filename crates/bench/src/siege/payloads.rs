//! Lists of attacks and of honest texts, each line sent to a server that refuses attacks: which are refused.

use std::{fmt::Write, fs, path::Path};

use anyhow::ensure;
use futures_util::{StreamExt, TryStreamExt, stream};
use rig::{Client, Server, ServerOptions};
use serde_json::json;

use super::files;
use crate::figures::Figures;

/// Honest texts that the inspection is tested with.
const HONEST: &str = include_str!("../../../inspection/tests/benign.txt");

/// Kinds of lists that are looked for, by a word of the folder they stand in.
const LOOKED_FOR: [&str; 7] =
    ["sql injection", "xss", "command injection", "traversal", "file inclusion", "template injection", "xxe"];

/// Lines of a list that are sent in a quick run, and bytes of a line.
const LINES_QUICK_MAX: usize = 300;
const LINE_BYTES_MAX: usize = 4000;

/// Requests at once.
const AT_ONCE: usize = 16;

/// How many of so many lines were refused, as a parameter and as a member of a body.
#[derive(Debug, Default, Clone, Copy)]
struct Share {
    sent: usize,
    refused: usize,
}

impl Share {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.refused += other.refused;
    }

    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand lines")]
    fn part(self) -> f64 {
        self.refused as f64 / self.sent.max(1) as f64
    }
}

pub(super) fn run(
    quick: bool,
    payloads: Option<&Path>,
    benign: Option<&Path>,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // Nobody is allowed, limited or blocked here: every request is looked at.
    let settings = "[networks]\n[limits]\nrules = []\n[inspection]\nmode = \"block\"\n\
                    senders = { attacks-max = 400000, window-ms = 1 }\n[attack]\nmode = \"off\"\n";
    let options = ServerOptions { settings: settings.to_owned(), ..ServerOptions::default() };
    let server = Server::start_with(&folder.path().join("data"), &options)?;
    let lines_max = if quick { LINES_QUICK_MAX } else { usize::MAX };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let refused = |text: &str| runtime.block_on(refused(&server.client(), text, lines_max));
    let honest = match benign {
        None => refused(HONEST)?,
        Some(folder) => {
            let mut all = Share::default();
            for file in files(folder)? {
                all.add(refused(&String::from_utf8_lossy(&fs::read(file)?))?);
            }
            all
        }
    };
    ensure!(honest.sent > 0, "there are no honest texts");
    let what = format!("{} of {} requests with honest texts", honest.refused, honest.sent);
    figures.add("benign_refused_share", honest.part(), &what);
    let Some(payloads) = payloads else { return Ok(()) };
    let (mut all, mut sought) = (Share::default(), [Share::default(); LOOKED_FOR.len()]);
    let lists = files(payloads)?;
    let is_list = |path: &Path| path.to_string_lossy().to_ascii_lowercase().contains("intruder");
    let any = lists.iter().any(|path| is_list(path));
    for path in lists.iter().filter(|path| !any || is_list(path)) {
        let share = refused(&String::from_utf8_lossy(&fs::read(path)?))?;
        all.add(share);
        let name = path.to_string_lossy().to_ascii_lowercase();
        // "NoSQL Injection" is another kind.
        let kind = |kind: &&&str| name.contains(**kind) && !name.contains("nosql");
        if let Some(at) = LOOKED_FOR.iter().position(|word| kind(&word)) {
            sought[at].add(share);
        }
    }
    ensure!(all.sent > 0, "there are no lists in {}", payloads.display());
    let mut total = Share::default();
    let mut kinds = String::new();
    for (kind, share) in LOOKED_FOR.iter().zip(sought) {
        total.add(share);
        write!(kinds, "; {kind} {:.3} of {}", share.part(), share.sent)?;
    }
    let what = format!("of {} requests with lines of lists of what is looked for{kinds}", total.sent);
    figures.add("detected_share", total.part(), &what);
    let what = format!("of all {} requests, with lists of what is not looked for", all.sent);
    figures.add("detected_share_of_all", all.part(), &what);
    Ok(())
}

/// How many lines are refused.
async fn refused(client: &Client, text: &str, lines_max: usize) -> anyhow::Result<Share> {
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.trim().is_empty() && line.len() <= LINE_BYTES_MAX).collect();
    let every = lines.len().div_ceil(lines_max).max(1);
    let sent = lines.iter().step_by(every).map(|line| async move {
        let path = format!("/health?q={}", percent(line));
        let as_parameter = client.get(&path).await?;
        let as_member = client.post("/api/v1/challenges", &json!({"q": line})).await?;
        let answers = [as_parameter, as_member];
        let refused = answers.iter().filter(|answer| answer.status == 403).count();
        let odd = answers.iter().find(|answer| answer.status == 429 || answer.status >= 500);
        ensure!(odd.is_none(), "an odd answer: {odd:?}");
        anyhow::Ok(Share { sent: answers.len(), refused })
    });
    let shares: Vec<Share> = stream::iter(sent).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut all = Share::default();
    shares.into_iter().for_each(|share| all.add(share));
    Ok(all)
}

fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(byte.into());
        } else {
            let _written = write!(out, "%{byte:02X}");
        }
    }
    out
}
