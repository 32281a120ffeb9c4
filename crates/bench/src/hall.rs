//! A server with an election that is open, and as many voters as wanted, each with a token.

mod voters;

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use clock::Clock;
use hdrhistogram::Histogram;
use mixnet::{Answer, Marks};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;
use rig::{Client, Outcome, Server, ServerOptions};
use serde_json::{Value, json};
use voter::{Booth, Submission, Voter};
use voters::enrolled;

use crate::load::{Connection, on_runtime, request};

const PASSWORD: &str = "kelp holds fast in winter storms";

/// One machine is a whole country here.
const SETTINGS: &str = "[identity]\nregistrations = { burst = 100000000, interval-ms = 1 }\n";

/// Those who send votes, each on a connection of their own: those that wait for an answer together share a sync.
const SENDERS: usize = 400;

/// How large an election is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) voters: usize,
    pub(crate) trustees: u16,
    /// Trustees that are enough, and all that come to decrypt.
    pub(crate) threshold: u16,
}

/// A server with an election that is open.
pub(crate) struct Hall {
    plan: Plan,
    server: Server,
    client: Client,
    officer: Client,
    election: String,
    booth: Booth,
    voters: Vec<Voter>,
    folder: tempfile::TempDir,
}

/// What came of sending votes.
pub(crate) struct Sent {
    pub(crate) took: Duration,
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Hall {
    pub(crate) fn open(plan: Plan) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let options = ServerOptions { settings: SETTINGS.to_owned(), ..ServerOptions::default() };
        let server = Server::start_with(&folder.path().join("data"), &options)?;
        let client = server.client();
        let (officer, election, shown) = on_runtime(async {
            let officer = officer(&server, &client, plan).await?;
            let election = announced(&officer, plan).await?;
            let path = format!("/api/v1/elections/{election}");
            let trustees = (1..=plan.trustees)
                .map(|number| trustee(&server, &election, number, folder.path(), &["--until-ready"]));
            let trustees = trustees.collect::<anyhow::Result<Vec<_>>>()?;
            let is_ready = async || Ok((officer.get(&path).await?.text("state") == "ready").then_some(()));
            until(is_ready, "a key").await?;
            ended_well(trustees)?;
            let shown = officer.post(&format!("{path}/opening"), &json!({})).await?.json();
            anyhow::Ok((officer, election, shown))
        })?;
        // One thread of callers is slower than the server.
        let half = plan.voters / 2;
        let issued = [0..half, half..plan.voters].into_par_iter().map(|numbers| {
            let client = server.client();
            on_runtime(async { enrolled(&client, &election, numbers).await })
        });
        let issued = issued.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect::<Vec<_>>();
        let booth = Booth::of(serde_json::from_value(shown)?)?;
        let finish = |asked: voters::Asked| asked.finish(&booth);
        let voters = issued.into_par_iter().map(finish).collect::<anyhow::Result<_>>()?;
        Ok(Self { plan, server, client, officer, election, booth, voters, folder })
    }

    fn address(&self) -> SocketAddr {
        self.server.public
    }

    /// So many votes, as they are sent: the voters one after the other, and again.
    pub(crate) fn votes(&self, count: usize, run: usize) -> anyhow::Result<Vec<Vec<u8>>> {
        let vote = |place: usize| {
            let voter = &self.voters[place % self.voters.len()];
            let mut rng = StdRng::seed_from_u64((run * 10_000_000 + place) as u64);
            let option = u8::from(place % 2 == 1);
            let answer = Answer { marks: Marks::Plurality(Some(option)), write_in: None };
            let entry = voter.vote(&self.booth, &[answer], 0, &mut rng)?;
            Ok(serde_json::to_vec(&Submission::of(self.booth.election(), entry))?)
        };
        (0..count).into_par_iter().map(vote).collect()
    }

    /// Sends each vote once: as fast as it goes, or so many a second.
    pub(crate) fn send(&self, bodies: Vec<Vec<u8>>, pace: Option<f64>) -> anyhow::Result<Sent> {
        let (address, bodies, next) = (self.address(), Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
        let running = Clock::System.stopwatch();
        let latency = on_runtime(async move {
            let senders = (0..SENDERS)
                .map(|_| tokio::spawn(one(address, Arc::clone(&bodies), Arc::clone(&next), pace)));
            let senders: Vec<_> = senders.collect();
            let mut latency = Histogram::<u64>::new(3)?;
            for sender in senders {
                latency.add(sender.await??)?;
            }
            anyhow::Ok(latency)
        })?;
        Ok(Sent { took: running.elapsed(), latency })
    }

    async fn turnout(&self) -> anyhow::Result<Value> {
        Ok(self.client.get(&format!("/api/v1/public/elections/{}/turnout", self.election)).await?.json())
    }

    /// Votes that are confirmed.
    pub(crate) fn confirmed(&self) -> anyhow::Result<u64> {
        on_runtime(async { self.turnout().await?["confirmed"].as_u64().context("there is no turnout") })
    }

    pub(crate) fn until_confirmed(&self, votes: u64) -> anyhow::Result<()> {
        let enough = async || {
            let turnout = self.turnout().await?;
            ensure!(turnout["refused"] == 0, "an honest vote was refused: {turnout}");
            Ok((turnout["confirmed"].as_u64() >= Some(votes)).then_some(()))
        };
        on_runtime(until(enough, "all votes being confirmed"))
    }

    /// Enough trustees, who wait for what they are to decrypt.
    pub(crate) fn trustees(&self) -> anyhow::Result<Vec<Child>> {
        let numbers = 1..=self.plan.threshold;
        numbers.map(|number| trustee(&self.server, &self.election, number, self.folder.path(), &[])).collect()
    }

    /// Has the election take a step, such as `closing`.
    pub(crate) fn step(&self, step: &str) -> anyhow::Result<Value> {
        on_runtime(async {
            let path = format!("/api/v1/elections/{}/{step}", self.election);
            let answer = self.officer.post(&path, &json!({})).await?;
            ensure!(answer.status < 300, "{step}: {}", answer.json());
            Ok(answer.json())
        })
    }

    /// Waits until the election is in this state.
    pub(crate) fn until_state(&self, state: &'static str) -> anyhow::Result<()> {
        let path = format!("/api/v1/elections/{}", self.election);
        let there = async || Ok((self.officer.get(&path).await?.text("state") == state).then_some(()));
        on_runtime(until(there, state))
    }

    /// Has an observer verify the election.
    pub(crate) fn verified(&self) -> anyhow::Result<Outcome> {
        let url = format!("http://{}/api/v1/public/elections/{}", self.address(), self.election);
        rig::run_alone(&["verify-election", &url])
    }

    pub(crate) fn close(self) -> anyhow::Result<()> {
        self.server.stop()
    }
}

/// One sender. At a given pace the time counts from when the vote was due, so that a slow answer is not hidden by
/// the wait that it causes.
async fn one(
    address: SocketAddr,
    bodies: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicUsize>,
    pace: Option<f64>,
) -> anyhow::Result<Histogram<u64>> {
    let mut connection = Connection::open(address).await?;
    let mut latency = Histogram::<u64>::new(3)?;
    let running = Clock::System.stopwatch();
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(body) = bodies.get(place) else { return Ok(latency) };
        #[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 votes")]
        let due = pace.map_or_else(|| running.elapsed(), |pace| Duration::from_secs_f64(place as f64 / pace));
        tokio::time::sleep(due.saturating_sub(running.elapsed())).await;
        let vote = request("POST", "/api/v1/voting/submit", &[("content-type", "application/json")], body);
        // Who is told that there is no room now sends again; the time goes on.
        loop {
            let (status, answer) = connection.ask(&vote).await?;
            if status == 201 {
                break;
            }
            ensure!(status == 503, "a vote was not taken: {}", String::from_utf8_lossy(answer));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        latency.record(u64::try_from(running.elapsed().saturating_sub(due).as_micros())?)?;
    }
}

/// Asks again and again until something is so; for up to two hours.
async fn until<T>(mut ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>, what: &str) -> anyhow::Result<T> {
    for _ in 0..72_000 {
        if let Some(found) = ask().await? {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("it never came to {what}")
}

pub(crate) fn ended_well(trustees: Vec<Child>) -> anyhow::Result<()> {
    for mut trustee in trustees {
        ensure!(trustee.wait()?.success(), "a trustee failed");
    }
    Ok(())
}

/// A trustee's own process.
fn trustee(
    server: &Server,
    election: &str,
    number: u16,
    folder: &Path,
    more: &[&str],
) -> anyhow::Result<Child> {
    let mut command = rig::command();
    command.args(["trustee", "--poll-ms", "200", "--keys-compared", "--election", election]).args(more);
    command.args(["--server", &format!("http://{}", server.public), "--user", &format!("trustee{number}")]);
    command.arg("--key-file").arg(folder.join(format!("trustee{number}")));
    command.env("HOLDFAST_PASSWORD", PASSWORD).stderr(Stdio::null());
    Ok(command.spawn()?)
}

/// Those who hold the election are registered, and the officer signed in.
async fn officer(server: &Server, client: &Client, plan: Plan) -> anyhow::Result<Client> {
    let administrator = server.administrator().await?;
    let trustees = (1..=plan.trustees).map(|number| (format!("trustee{number}"), json!([])));
    for (name, roles) in trustees.chain([("officer".to_owned(), json!(["officer"]))]) {
        let body = json!({"userId": name, "password": PASSWORD, "kind": "staff", "roles": roles});
        let status = administrator.post("/api/v1/persons", &body).await?.status;
        ensure!(status == 201, "{name} was not registered");
    }
    client.sign_in("officer", PASSWORD).await
}

/// An election of one contest, with its roll, in which the trustees may begin.
async fn announced(officer: &Client, plan: Plan) -> anyhow::Result<String> {
    let persons: Vec<_> = (1..=plan.trustees)
        .map(|number| json!({"userId": format!("trustee{number}"), "name": number.to_string()}))
        .collect();
    let option = |id: &str| json!({"optionId": id, "title": {"en": id}});
    let definition = json!({
        "title": {"en": "Bench"},
        "mixers": 3,
        "contests": [{"contestId": "a", "title": {"en": "A"}, "form": {"kind": "plurality"}, "count": "most",
            "options": [option("x"), option("y")]}],
        "trustees": {"threshold": plan.threshold, "persons": persons},
    });
    let made = officer.post("/api/v1/elections", &definition).await?;
    ensure!(made.status == 201, "no election: {}", made.json());
    let path = format!("/api/v1/elections/{}", made.text("electionId"));
    let names: Vec<_> = (0..plan.voters).map(|number| json!({"userId": voters::name(number)})).collect();
    for page in names.chunks(1000) {
        let added = officer.post(&format!("{path}/roll"), &json!({"voters": page})).await?;
        ensure!(added.status == 200, "no roll: {}", added.json());
    }
    ensure!(officer.post(&format!("{path}/ceremony"), &json!({})).await?.status == 202, "no ceremony");
    Ok(made.text("electionId"))
}
