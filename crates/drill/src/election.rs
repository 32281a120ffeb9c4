//! An election for the drill to vote in: declared not secret, so that a vote costs no more than what it is.

use std::time::Duration;

use anyhow::Context;
use http::Method;
use load::people::People;
use serde_json::{Value, json};

use crate::{
    client::{Client, expect},
    ground::stopwatch,
};

/// How long a step may take that the target takes by itself.
const STEP_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Lines of the roll that are sent at once.
const PAGE: usize = 1000;

/// Holds an election in which all citizens of the drill may vote; its identifier, once it is open.
pub(crate) async fn open(officer: &Client, people: &People, names: &str) -> anyhow::Result<String> {
    let option = |id: &str| json!({"optionId": id, "title": {"en": id}});
    let body = json!({
        "title": {"en": format!("Drill {names}")},
        "secret": false,
        "contests": [{
            "contestId": "drill", "title": {"en": "Drill"}, "form": {"kind": "plurality"}, "count": "most", "seats": 1,
            "options": [option("kelp"), option("wrack")],
        }],
    });
    let election = expect(officer.post("/api/v1/elections", &body).await?, 201, "drafting an election")?;
    let id = election.text("/electionId");
    for page in people.citizens.chunks(PAGE) {
        let voters: Vec<_> = page.iter().map(|person| json!({"userId": person.user})).collect();
        let roll = json!({"voters": voters});
        expect(officer.post(&path(&id, "/roll"), &roll).await?, 200, "writing the roll")?;
    }
    step(officer, &id, "ceremony", "ready").await?;
    step(officer, &id, "opening", "open").await?;
    Ok(id)
}

/// Closes it, has it counted and published: what was counted, and the turnout.
pub(crate) async fn count(officer: &Client, id: &str) -> anyhow::Result<(Value, Value)> {
    step(officer, id, "closing", "closed").await?;
    step(officer, id, "tally", "counted").await?;
    step(officer, id, "publication", "published").await?;
    let results = officer.get(&format!("/api/v1/public/elections/{id}/results")).await?;
    let turnout = officer.get(&format!("/api/v1/public/elections/{id}/turnout")).await?;
    Ok((
        expect(results, 200, "reading the results")?.json(),
        expect(turnout, 200, "reading the turnout")?.json(),
    ))
}

fn path(id: &str, rest: &str) -> String {
    format!("/api/v1/elections/{id}{rest}")
}

/// Has a step taken, and waits until the election is where it leads.
async fn step(officer: &Client, id: &str, step: &str, to: &str) -> anyhow::Result<()> {
    let answer = officer.send(Method::POST, &path(id, &format!("/{step}")), None).await?;
    let text = String::from_utf8_lossy(&answer.bytes);
    anyhow::ensure!(matches!(answer.status, 200 | 202), "{step} gave {}: {text}", answer.status);
    let began = stopwatch();
    let mut state = String::new();
    while began.elapsed() < STEP_MAX {
        state = officer.get(&path(id, "")).await?.text("/state");
        if state == to {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None.with_context(|| format!("after {step} the election is {state} and not {to}"))
}
