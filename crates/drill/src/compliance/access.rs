//! Subject access (GDPR, articles 15 and 20): an export has everything that the person has given, and what happened.

use anyhow::ensure;
use http::Method;
use serde_json::{Value, json};

use load::people::{Person, public_key};
use report::Area;

use crate::{
    client::expect,
    ground::{Ground, PASSWORD, citizen},
};

const NAME: &str = "compliance/access";
const TITLE: &str = "An export holds everything that is held about a person";
/// What the person is, what they are changed to for as long as it is looked at, and by which command.
const FIRST_KIND: &str = "citizen";
const CHANGED_KIND: &str = "staff";
const STANDING: &str = "identity/change-standing";

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let name = ground.name("export");
    let (against, changed) = ground.block_on(one(ground, &name))?;
    let standing = match changed {
        true => "and a changed standing",
        false => "whose standing nobody could change (--administrator-token-file),",
    };
    let detail = format!("a person with a name, a device, two sessions {standing} asked for their data");
    ground.judged(Area::Compliance, NAME, TITLE, detail, against);
    Ok(())
}

/// What is missing, and whether the person's standing was changed before.
async fn one(ground: &Ground, name: &str) -> anyhow::Result<(Vec<String>, bool)> {
    let mut person = citizen(&ground.client, name).await?;
    let changed = stands(ground, &person, CHANGED_KIND).await?;
    if changed {
        // It ended their session. Another question than the one before: that may be answered from memory for a moment.
        let body = json!({"userId": name, "credentials": PASSWORD, "audience": "holdfast"});
        let again =
            expect(ground.client.post("/api/v1/authenticate", &body).await?, 200, "signing in again")?;
        person.token = again.text("/token");
    }
    let client = ground.client.with_token(&person.token);
    let label = format!("phone of {name}");
    let key = aws_lc_rs::signature::Ed25519KeyPair::generate()?;
    let body =
        json!({"algorithm": "Ed25519", "publicKey": public_key(&key), "label": label, "proof": PASSWORD});
    let path = format!("/api/v1/persons/{}", person.id);
    expect(client.post(&format!("{path}/device-keys"), &body).await?, 201, "enrolling a device")?;
    let second = json!({"userId": name, "credentials": PASSWORD, "deviceFingerprint": "drill-device"});
    expect(client.post("/api/v1/authenticate", &second).await?, 200, "a second sign-in")?;
    let export = expect(client.get(&format!("{path}/export")).await?, 200, "an export")?.json();
    let mut against = Vec::new();
    let mut want = |what: &str, there: bool| {
        if !there {
            against.push(format!("{what} is missing in the export"));
        }
    };
    want("the name", export["userId"] == json!(name));
    want("the identifier", export["personId"] == json!(person.id));
    let any = |list: &str, is: &dyn Fn(&Value) -> bool| {
        export[list].as_array().is_some_and(|all| all.iter().any(is))
    };
    want("the device's label", any("deviceKeys", &|key| key["label"] == json!(label)));
    want("two sessions", export["sessions"].as_array().is_some_and(|all| all.len() >= 2));
    if changed {
        want("the kind that was changed", export["kind"] == json!(CHANGED_KIND));
        want(STANDING, any("ledgerEntries", &|entry| entry["command"] == json!(STANDING)));
    }
    for command in ["identity/register-person", "identity/sign-in", "identity/enrol-device-key"] {
        want(command, any("ledgerEntries", &|entry| entry["command"] == json!(command)));
    }
    if changed {
        // Nobody of ours is left with more than anybody has.
        stands(ground, &person, FIRST_KIND).await?;
    }
    Ok((against, changed))
}

/// Has somebody's standing changed to this kind, if somebody may: were they?
async fn stands(ground: &Ground, person: &Person, kind: &str) -> anyhow::Result<bool> {
    let Some(administrator) = &ground.staff.administrator else { return Ok(false) };
    let path = format!("/api/v1/persons/{}/standing", person.id);
    let body = json!({"kind": kind, "roles": [], "disabled": false});
    let status = administrator.send(Method::PUT, &path, Some(&body)).await?.status;
    // Their token may have ended, or they may have to come later.
    ensure!(matches!(status, 204 | 401 | 403 | 429 | 503), "changing a standing gave {status}");
    Ok(status == 204)
}
