//! What was sent once, sent again.

use serde_json::json;

use report::Area;

use crate::{
    client::expect,
    ground::{Ground, device, signed},
};

const NAME: &str = "attack/replay";
const TITLE: &str = "What was signed once signs nobody in twice, nor anything else";

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let name = ground.name("replayed");
    let against = ground.block_on(tried(ground, &name))?;
    let detail =
        "a signed challenge was sent again, for another purpose, for another person, and one of nobody's";
    ground.judged(Area::Attack, NAME, TITLE, detail, against);
    Ok(())
}

async fn tried(ground: &Ground, name: &str) -> anyhow::Result<Vec<String>> {
    let client = &ground.client;
    let mut against = Vec::new();
    let (person, other) = (device(client, name).await?, device(client, &format!("{name}-other")).await?);
    let challenge =
        expect(client.send(http::Method::POST, "/api/v1/challenges", None).await?, 201, "a challenge")?;
    let challenge = challenge.text("/challenge");
    let body = signed(&person, &challenge);
    let first = client.post("/api/v1/authenticate", &body).await?;
    if first.status != 200 {
        against.push(format!("an honest sign-in gave {}", first.status));
    }
    for (what, body) in [
        ("the same signature", body.clone()),
        ("the signature of somebody else's device", {
            let mut body = signed(&other, &challenge);
            body["userId"] = json!(person.user);
            body
        }),
        ("a challenge of nobody's", signed(&person, "ZHJpbGw")),
        ("a signature for another purpose", {
            let fresh = client.send(http::Method::POST, "/api/v1/challenges", None).await?.text("/challenge");
            let mut body = signed(&person, &fresh);
            body["credentials"]["signature"] = json!(person.sign("confirm", &fresh));
            body
        }),
    ] {
        let answer = client.post("/api/v1/authenticate", &body).await?;
        if !(400..500).contains(&answer.status) {
            against.push(format!("{what} gave {}", answer.status));
        }
    }
    Ok(against)
}
