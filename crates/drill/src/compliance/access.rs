//! Subject access (GDPR, articles 15 and 20): an export has everything that the person has given, and what happened.

use serde_json::{Value, json};

use load::people::public_key;
use report::Area;

use crate::{
    client::expect,
    ground::{Ground, PASSWORD, citizen},
};

const NAME: &str = "compliance/access";
const TITLE: &str = "An export holds everything that is held about a person";

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let name = ground.name("export");
    let against = ground.block_on(one(ground, &name))?;
    let detail = "a person with a name, a device, two sessions and a changed standing asked for their data";
    ground.judged(Area::Compliance, NAME, TITLE, detail, against);
    Ok(())
}

async fn one(ground: &Ground, name: &str) -> anyhow::Result<Vec<String>> {
    let person = citizen(&ground.client, name).await?;
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
    for command in ["identity/register-person", "identity/sign-in", "identity/enrol-device-key"] {
        want(command, any("ledgerEntries", &|entry| entry["command"] == json!(command)));
    }
    Ok(against)
}
