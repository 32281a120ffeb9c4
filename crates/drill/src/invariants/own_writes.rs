//! Whoever has changed something sees it with their next question.

use http::Method;
use serde_json::json;

use report::Area;

use super::Called;
use crate::{
    client::expect,
    ground::{Ground, device, sign_in_device},
};

const NAME: &str = "invariants/own-writes";
const TITLE: &str = "Whoever has changed something sees it with their next question";
pub(super) const CHECK: Called = (NAME, TITLE);
const ROUNDS: usize = 25;
const TOLD_MAX: usize = 5;

/// How often what was done to its end.
#[derive(Default)]
struct Did {
    looked: usize,
    changed: usize,
}

impl Did {
    fn said(&self, administrator: bool) -> String {
        let Self { looked, changed } = self;
        let changed = match administrator {
            true => format!("{changed} were disabled by an administrator, who looked too"),
            false => "nobody was changed, as no administrator's token was given".to_owned(),
        };
        format!("of {ROUNDS} people {looked} registered, signed in, and looked each time; {changed}")
    }
}

pub(super) fn check(ground: &mut Ground) -> anyhow::Result<()> {
    let (mut against, mut untold, mut did) = (Vec::new(), Vec::new(), Did::default());
    for round in 0..ROUNDS {
        let name = ground.name(&format!("own-{round}"));
        match ground.block_on(one(ground, &name, &mut did)) {
            Ok(wrong) => against.extend(wrong),
            Err(error) => ground.sort(&error, &mut against, &mut untold),
        }
    }
    against.truncate(TOLD_MAX);
    let detail = did.said(ground.staff.administrator.is_some());
    ground.judged_if_told((Area::Invariants, NAME), TITLE, detail, against, &untold);
    Ok(())
}

async fn one(ground: &Ground, name: &str, did: &mut Did) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let person = device(&ground.client, name).await?;
    let answer = expect(sign_in_device(&ground.client, &person).await?, 200, "a sign-in")?;
    let client = ground.client.with_token(&answer.text("/token"));
    let seen = answer.json()["receipt"]["index"].to_string();
    let about = format!("/api/v1/persons/{}", person.id);
    let shown = client.with_field("ledger-seen", &seen).get_told(&about).await?;
    if shown.status != 200 || shown.text("/personId") != person.id {
        wrong.push(format!("{name} is not shown right after their registration: {}", shown.status));
    }
    let sessions = client.get_told("/api/v1/sessions").await?.json();
    let session = answer.text("/sessionId");
    let listed = sessions["sessions"]
        .as_array()
        .is_some_and(|listed| listed.iter().any(|one| one["sessionId"].as_str() == Some(session.as_str())));
    if !listed {
        wrong.push(format!("the session of {name} is not listed right after their sign-in"));
    }
    did.looked += 1;
    let Some(administrator) = &ground.staff.administrator else { return Ok(wrong) };
    let before = administrator.get_told(&about).await?.json()["disabled"].clone();
    let standing = json!({"kind": "citizen", "roles": [], "disabled": true});
    let changed = administrator.send(Method::PUT, &format!("{about}/standing"), Some(&standing)).await?;
    let changed = expect(changed, 204, "disabling somebody")?;
    let seen =
        changed.fields.get("ledger-seen").and_then(|seen| seen.to_str().ok()).unwrap_or("0").to_owned();
    let after = administrator.with_field("ledger-seen", &seen).get_told(&about).await?;
    if before != json!(false) || after.json()["disabled"] != json!(true) {
        wrong.push(format!("{name} was disabled, and is shown as before"));
    }
    did.changed += 1;
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_done_is_said_to_be() {
        let said = Did::default().said(false);
        assert!(said.contains("of 25 people 0 registered") && said.contains("nobody was changed"), "{said}");
        let said = Did { looked: 25, changed: 24 }.said(true);
        assert!(said.contains("25 registered") && said.contains("24 were disabled"), "{said}");
    }
}
