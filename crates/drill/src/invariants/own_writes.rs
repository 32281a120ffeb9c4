//! Whoever has changed something sees it with their next question.

use serde_json::json;

use report::Area;

use super::Called;
use crate::ground::{Ground, device, sign_in_device};

const NAME: &str = "invariants/own-writes";
const TITLE: &str = "Whoever has changed something sees it with their next question";
pub(super) const CHECK: Called = (NAME, TITLE);
const ROUNDS: usize = 25;
const TOLD_MAX: usize = 5;

pub(super) fn check(ground: &mut Ground) -> anyhow::Result<()> {
    let mut against = Vec::new();
    for round in 0..ROUNDS {
        let name = ground.name(&format!("own-{round}"));
        match ground.block_on(one(ground, &name)) {
            Ok(wrong) => against.extend(wrong),
            Err(error) => against.push(format!("{error:#}")),
        }
    }
    against.truncate(TOLD_MAX);
    let detail =
        format!("{ROUNDS} people registered, signed in, changed what they are, and looked each time");
    ground.judged(Area::Invariants, NAME, TITLE, detail, against);
    Ok(())
}

async fn one(ground: &Ground, name: &str) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let person = device(&ground.client, name).await?;
    let answer = sign_in_device(&ground.client, &person).await?;
    let client = ground.client.with_token(&answer.text("/token"));
    let seen = answer.json()["receipt"]["index"].to_string();
    let about = format!("/api/v1/persons/{}", person.id);
    let shown = client.with_field("ledger-seen", &seen).get(&about).await?;
    if shown.status != 200 || shown.text("/personId") != person.id {
        wrong.push(format!("{name} is not shown right after their registration: {}", shown.status));
    }
    let sessions = client.get("/api/v1/sessions").await?.json();
    let session = answer.text("/sessionId");
    let listed = sessions["sessions"]
        .as_array()
        .is_some_and(|listed| listed.iter().any(|one| one["sessionId"].as_str() == Some(session.as_str())));
    if !listed {
        wrong.push(format!("the session of {name} is not listed right after their sign-in"));
    }
    let Some(administrator) = &ground.staff.administrator else { return Ok(wrong) };
    let before = administrator.get(&about).await?.json()["disabled"].clone();
    let standing = json!({"kind": "citizen", "roles": [], "disabled": true});
    let changed =
        administrator.send(http::Method::PUT, &format!("{about}/standing"), Some(&standing)).await?;
    let seen =
        changed.fields.get("ledger-seen").and_then(|seen| seen.to_str().ok()).unwrap_or("0").to_owned();
    let after = administrator.with_field("ledger-seen", &seen).get(&about).await?;
    if changed.status != 204 || before != json!(false) || after.json()["disabled"] != json!(true) {
        wrong.push(format!("{name} was disabled ({}), and is shown as before", changed.status));
    }
    Ok(wrong)
}
