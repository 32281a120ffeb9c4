//! People who follow an election as it goes on: each is told of every change, however many they are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use load::{Phase, Shape, Spacing, dial::dial, target::Target};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    ground::{Ground, in_background, stopwatch},
    report::Area,
};

const NAME: &str = "volume/followers";
const TITLE: &str = "Everybody who follows an election sees it move";
const VOTES_PER_S: f64 = 30.0;
const SECONDS: f64 = 2.0;
/// After the last vote, within this everybody has been told.
const TOLD_MAX: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What one follower was told last: how many votes were received.
type Told = Arc<AtomicU64>;

/// Has people follow while others vote.
pub(crate) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let Some(id) = ground.election.clone() else {
        ground.skipped(Area::Volume, NAME, TITLE, "no election was held that could be followed");
        return Ok(());
    };
    let wanted = ground.profile.followers;
    let shape =
        Shape::Open { phases: vec![Phase::constant(VOTES_PER_S, SECONDS)], spacing: Spacing::Poisson };
    let votes = ground.load(vec![(ground.journey("vote")?, 1)], shape);
    let (target, turnout) = (ground.target.clone(), format!("/api/v1/public/elections/{id}/turnout"));
    let (open, told, late) = ground.block_on(async {
        let mut following = JoinSet::new();
        let told: Vec<Told> = (0..wanted).map(|_| Told::default()).collect();
        for one in &told {
            following.spawn(follow(target.clone(), id.clone(), Arc::clone(one)));
        }
        let voting = in_background(votes, &Arc::default())?;
        while !voting.is_finished() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        voting.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        let stopwatch = stopwatch();
        let mut last = (0, 0);
        while stopwatch.elapsed() < TOLD_MAX {
            let received = ground.client.get(&turnout).await?.json()["received"].as_u64().unwrap_or_default();
            let knows = told.iter().filter(|told| told.load(Ordering::Relaxed) >= received).count();
            last = (knows, received);
            if knows == wanted && received > 0 {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let ended = std::iter::from_fn(|| following.try_join_next()).count();
        anyhow::Ok((wanted - ended, last, stopwatch.elapsed()))
    })?;
    let (knows, received) = told;
    let detail = format!(
        "{open} of {wanted} followed to the end; {knows} knew of all {received} votes {} ms after the last one",
        late.as_millis()
    );
    let against = (knows < wanted).then(|| format!("{} were not told within {TOLD_MAX:?}", wanted - knows));
    ground.judged(Area::Volume, NAME, TITLE, detail, against.into_iter().collect());
    Ok(())
}

/// Reads a stream of events, and keeps the newest count.
async fn follow(target: Target, id: String, told: Told) -> anyhow::Result<()> {
    let (stream, _) = dial(&target, true).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(format!("/api/v1/public/elections/{id}/events"))
        .header(http::header::HOST, &target.host)
        .header(http::header::ACCEPT, "text/event-stream")
        .body(Empty::<Bytes>::new())?;
    let mut body = sender.send_request(request).await?.into_body();
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.context("the stream was broken off")?.into_data() else { continue };
        text.extend_from_slice(&data);
        while let Some(end) = memchr::memmem::find(&text, b"\n\n") {
            let event: Vec<_> = text.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event).into_owned();
            let said = event.lines().find_map(|line| line.strip_prefix("data:"));
            let said: Option<Value> = said.and_then(|said| serde_json::from_str(said).ok());
            if let Some(received) = said.and_then(|said| said["received"].as_u64()) {
                told.fetch_max(received, Ordering::Relaxed);
            }
        }
    }
    Ok(())
}
