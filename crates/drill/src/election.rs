//! Elections for the drill to vote in: what they have in common, and the one that is declared not secret, so that a vote costs no
//! more than what it is.

use std::time::Duration;

use anyhow::Context;
use http::Method;
use load::people::People;
use serde_json::{Value, json};

use crate::{
    client::{Client, expect},
    ground::stopwatch,
};

/// What is voted about, as journeys know it.
const CONTEST: &str = "drill";
pub(crate) const OPTIONS: [&str; 2] = ["kelp", "wrack"];

/// What a citizen always votes for, by their number: two in three for the first, so that it is seen if options change places.
pub(crate) const fn option_of(number: usize) -> usize {
    if number % 3 == 2 { 1 } else { 0 }
}

/// How long a step may take that the target takes by itself.
const STEP_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Lines of the roll that are sent at once.
const PAGE: usize = 1000;

/// Holds an election in which all citizens of the drill may vote; its identifier, once it is open.
pub(crate) async fn open(officer: &Client, people: &People, names: &str) -> anyhow::Result<String> {
    let body = json!({"title": {"en": format!("Drill {names}")}, "secret": false, "contests": [contest()]});
    let id = draft(officer, people, &body).await?;
    step(officer, &id, "ceremony", "ready").await?;
    step(officer, &id, "opening", "open").await?;
    Ok(id)
}

/// One vote for one option.
pub(crate) fn contest() -> Value {
    let options = OPTIONS.map(|id| json!({"optionId": id, "title": {"en": id}}));
    json!({
        "contestId": CONTEST, "title": {"en": "Drill"}, "form": {"kind": "plurality"}, "count": "most", "seats": 1,
        "options": options,
    })
}

/// Drafts an election with all citizens on its roll; its identifier.
pub(crate) async fn draft(officer: &Client, people: &People, definition: &Value) -> anyhow::Result<String> {
    let election = expect(officer.post("/api/v1/elections", definition).await?, 201, "drafting an election")?;
    let id = election.text("/electionId");
    for page in people.citizens.chunks(PAGE) {
        let voters: Vec<_> = page.iter().map(|person| json!({"userId": person.user})).collect();
        let roll = json!({"voters": voters});
        expect(officer.post(&path(&id, "/roll"), &roll).await?, 200, "writing the roll")?;
    }
    Ok(id)
}

/// Closes it, has it counted and published: what was counted, and the turnout.
pub(crate) async fn count(officer: &Client, id: &str) -> anyhow::Result<(Value, Value)> {
    step(officer, id, "closing", "closed").await?;
    step(officer, id, "tally", "counted").await?;
    publish(officer, id).await
}

/// Publishes what was counted: that, and the turnout.
pub(crate) async fn publish(officer: &Client, id: &str) -> anyhow::Result<(Value, Value)> {
    step(officer, id, "publication", "published").await?;
    let results = officer.get(&format!("/api/v1/public/elections/{id}/results")).await?;
    let results = expect(results, 200, "reading the results")?.json();
    Ok((results, turnout(officer, id).await?))
}

/// How many may vote, got tokens, and voted.
pub(crate) async fn turnout(client: &Client, id: &str) -> anyhow::Result<Value> {
    let turnout = client.get(&format!("/api/v1/public/elections/{id}/turnout")).await?;
    Ok(expect(turnout, 200, "reading the turnout")?.json())
}

fn path(id: &str, rest: &str) -> String {
    format!("/api/v1/elections/{id}{rest}")
}

/// Has a step taken, and waits until the election is where it leads.
pub(crate) async fn step(officer: &Client, id: &str, step: &str, to: &str) -> anyhow::Result<()> {
    take(officer, id, step).await?;
    until(officer, id, to, STEP_MAX).await.with_context(|| format!("after {step}"))
}

/// Has a step taken.
pub(crate) async fn take(officer: &Client, id: &str, step: &str) -> anyhow::Result<()> {
    let answer = officer.send(Method::POST, &path(id, &format!("/{step}")), None).await?;
    let text = String::from_utf8_lossy(&answer.bytes);
    anyhow::ensure!(matches!(answer.status, 200 | 202), "{step} gave {}: {text}", answer.status);
    Ok(())
}

/// Waits until the election is there.
pub(crate) async fn until(officer: &Client, id: &str, to: &str, wait_max: Duration) -> anyhow::Result<()> {
    let began = stopwatch();
    let mut state = String::new();
    while began.elapsed() < wait_max {
        state = officer.get(&path(id, "")).await?.text("/state");
        if state == to {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    anyhow::bail!("the election is {state} and not {to}")
}
