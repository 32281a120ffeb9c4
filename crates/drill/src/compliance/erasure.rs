//! The right to be forgotten (GDPR, article 17): after an erasure nothing that names the person is left in any file, and
//! the ledger is still in order.

use std::time::Duration;

use anyhow::Context;
use http::Method;
use serde_json::json;
use tokio::time;

use super::canaries::Canaries;
use load::people::{Person, public_key};
use report::Area;

use crate::{
    client::expect,
    ground::{Ground, PASSWORD, citizen},
};

const NAME: &str = "compliance/erasure";
const TITLE: &str = "Nothing that names an erased person is left, and the ledger is still in order";
const AT_REST: &str = "compliance/at-rest";
const AT_REST_TITLE: &str = "No file says who somebody is, even before they are erased";
const TOLD_MAX: usize = 5;
/// How long an erasure that was begun may take.
const FINISH_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let (mut people, mut names) = (Vec::new(), Vec::new());
    for number in 0..ground.profile.erased {
        let (name, label) =
            (ground.name(&format!("canary-{number}")), ground.name(&format!("feather-{number}")));
        people.push(ground.block_on(person(ground, &name, &label))?);
        names.extend([name, label]);
    }
    let canaries = Canaries::new(names)?;
    at_rest(ground, &canaries)?;
    let mut against = Vec::new();
    for person in &people {
        if let Err(error) = ground.block_on(erase(ground, person)) {
            against.push(format!("{error:#}"));
        }
    }
    let erased = people.len();
    let Some(node) = &mut ground.local else {
        let detail = format!(
            "{erased} people were erased and cannot sign in; the target's files are not ours to read"
        );
        ground.judged(Area::Compliance, NAME, TITLE, detail, against);
        return Ok(());
    };
    // With the process ended, what it kept in journals beside the database is in the database.
    node.stop()?;
    let (found, files, bytes) = canaries.search(node.folder())?;
    against.extend(found);
    if let Err(error) = node.verify() {
        against.push(format!("the ledger is not in order: {error:#}"));
    }
    node.begin()?;
    against.truncate(TOLD_MAX);
    let detail = format!(
        "{erased} people were erased; {} names of theirs were looked for in {files} files ({} KiB) as text, in hexadecimal, \
         in base64 and as UTF-16, and the ledger was verified",
        canaries.count(),
        bytes / 1024
    );
    ground.judged(Area::Compliance, NAME, TITLE, detail, against);
    Ok(())
}

fn at_rest(ground: &mut Ground, canaries: &Canaries) -> anyhow::Result<()> {
    let Some(node) = &ground.local else {
        ground.skipped(Area::Compliance, AT_REST, AT_REST_TITLE, "the target's files are not ours to read");
        return Ok(());
    };
    let (found, files, _) = canaries.search(node.folder())?;
    let detail = format!("{} names of living people were looked for in {files} files", canaries.count());
    ground.judged(
        Area::Compliance,
        AT_REST,
        AT_REST_TITLE,
        detail,
        found.into_iter().take(TOLD_MAX).collect(),
    );
    Ok(())
}

/// Somebody with names that nobody else has, everywhere where a name can be given.
async fn person(ground: &Ground, name: &str, label: &str) -> anyhow::Result<Person> {
    let mut person = citizen(&ground.client, name).await?;
    let client = ground.client.with_token(&person.token);
    let key = aws_lc_rs::signature::Ed25519KeyPair::generate()?;
    let body =
        json!({"algorithm": "Ed25519", "publicKey": public_key(&key), "label": label, "proof": PASSWORD});
    let path = format!("/api/v1/persons/{}/device-keys", person.id);
    expect(client.post(&path, &body).await?, 201, "enrolling a device")?;
    let body = json!({"userId": name, "credentials": PASSWORD, "audience": "holdfast"});
    let token = expect(client.post("/api/v1/authenticate", &body).await?, 200, "a sign-in")?.text("/token");
    person.token = token;
    Ok(person)
}

async fn erase(ground: &Ground, person: &Person) -> anyhow::Result<()> {
    let client = ground.client.with_token(&person.token);
    let path = format!("/api/v1/persons/{}", person.id);
    let answer = client.send(Method::DELETE, &path, Some(&json!({"proof": PASSWORD}))).await?;
    anyhow::ensure!(matches!(answer.status, 202 | 204), "erasing {} gave {}", person.user, answer.status);
    let administrator = ground.staff.administrator.clone().unwrap_or(client);
    let began = crate::ground::stopwatch();
    while began.elapsed() < FINISH_MAX {
        let gone = administrator.get(&path).await?.status;
        let body = json!({"userId": person.user, "credentials": PASSWORD});
        let signed_in = ground.client.post("/api/v1/authenticate", &body).await?.status;
        anyhow::ensure!(signed_in != 200, "{} signed in after their erasure", person.user);
        if matches!(gone, 401 | 403 | 404) {
            return Ok(());
        }
        time::sleep(LOOK_EVERY).await;
    }
    None.with_context(|| format!("{} is still known {FINISH_MAX:?} after their erasure", person.user))
}
