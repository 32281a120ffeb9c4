//! The right to be forgotten (GDPR, article 17): after an erasure the person is known to nobody who asks, nothing that names them
//! is left in any file, and the ledger is still in order.

use std::time::Duration;

use anyhow::bail;
use http::Method;
use serde_json::json;
use tokio::time;

use super::canaries::Canaries;
use load::people::{Person, public_key};
use report::Area;

use crate::{
    client::{Client, expect},
    ground::{Ground, PASSWORD, citizen},
};

const GONE: &str = "compliance/erased";
const GONE_TITLE: &str = "Whoever was erased cannot sign in, and is signed in nowhere";
const NAME: &str = "compliance/erasure";
const TITLE: &str = "Nothing that names an erased person is left, and the ledger is still in order";
const AT_REST: &str = "compliance/at-rest";
const AT_REST_TITLE: &str = "No file says who somebody is, even before they are erased";
const NOT_OURS: &str = "the target's files, or those of its database, are not ours to read";
const SESSION: &str = "/api/v1/session";
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
    let erased = erased(ground, &people)?;
    files(ground, &canaries, (erased, people.len()))
}

/// Erases them, and asks for them afterwards as anybody may; of how many that shows that they are gone.
fn erased(ground: &mut Ground, people: &[Person]) -> anyhow::Result<usize> {
    let (mut against, mut untold, mut gone) = (Vec::new(), Vec::new(), 0);
    let administrator = ground.block_on(administrator(ground, people))?;
    for person in people {
        match ground.block_on(erase(ground, administrator.as_ref(), person)) {
            Ok(None) => gone += 1,
            Ok(Some(why)) => untold.push(format!("{}: {why}", person.user)),
            Err(error) => ground.sort(&error, &mut against, &mut untold),
        }
    }
    against.truncate(TOLD_MAX);
    let known = match administrator {
        Some(_) => "an administrator finds them no more",
        None => "whether they are still known was not asked: no administrator's token that holds was given",
    };
    let detail = format!(
        "{gone} of {} people who were signed in were erased: their password signs nobody in, their token is worth nothing; {known}",
        people.len()
    );
    ground.judged_if_told((Area::Compliance, GONE), GONE_TITLE, detail, against, &untold);
    Ok(gone)
}

/// Whoever may look people up, if their token was given and still holds.
async fn administrator(ground: &Ground, people: &[Person]) -> anyhow::Result<Option<Client>> {
    let (Some(administrator), Some(person)) = (&ground.staff.administrator, people.first()) else {
        return Ok(None);
    };
    let status = administrator.get(&path(person)).await?.status;
    Ok(Some(administrator.clone()).filter(|_| !matches!(status, 401 | 403)))
}

fn path(person: &Person) -> String {
    format!("/api/v1/persons/{}", person.id)
}

/// Looks for them in all that the target wrote.
fn files(ground: &mut Ground, canaries: &Canaries, (erased, people): (usize, usize)) -> anyhow::Result<()> {
    let Some(node) = ground.local.as_mut().filter(|node| node.database().exists()) else {
        ground.skipped(Area::Compliance, NAME, TITLE, NOT_OURS);
        return Ok(());
    };
    // With the process ended, what it kept in journals beside the database is in the database.
    node.stop()?;
    let (mut against, files, bytes) = canaries.search(node.folder())?;
    if let Err(error) = node.verify() {
        against.push(format!("the ledger is not in order: {error:#}"));
    }
    if erased < people {
        against.push(format!("{} of {people} were not erased", people - erased));
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
    let Some(node) = ground.local.as_ref().filter(|node| node.database().exists()) else {
        ground.skipped(Area::Compliance, AT_REST, AT_REST_TITLE, NOT_OURS);
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

/// Erases somebody who is there; nothing if they are gone then, or else why nobody knows. An error is what speaks against it.
async fn erase(
    ground: &Ground,
    administrator: Option<&Client>,
    person: &Person,
) -> anyhow::Result<Option<String>> {
    let (own, path) = (ground.client.with_token(&person.token), path(person));
    // What is asked afterwards has another answer before: else it would show nothing.
    expect(own.get(SESSION).await?, 200, "asking with the token of somebody who is not erased")?;
    if let Some(administrator) = administrator {
        expect(administrator.get(&path).await?, 200, "asking for somebody who is not erased")?;
    }
    let answer = own.send(Method::DELETE, &path, Some(&json!({"proof": PASSWORD}))).await?;
    if !matches!(answer.status, 202 | 204) {
        expect(answer, 204, &format!("erasing {}", person.user))?;
    }
    let began = crate::ground::stopwatch();
    loop {
        let left = left_of(ground, &own, administrator, person).await?;
        let Some(left) = left else { return Ok(None) };
        if began.elapsed() > FINISH_MAX {
            let Left::Untold(why) = left else {
                bail!("{} {FINISH_MAX:?} after the erasure of {}", left.said(), person.user)
            };
            return Ok(Some(why));
        }
        time::sleep(LOOK_EVERY).await;
    }
}

/// What is still there of somebody.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Token(u16),
    Person(u16),
    /// Nobody knows: it was not answered.
    Untold(String),
}

impl Left {
    fn said(&self) -> String {
        match self {
            Self::Token(status) => format!("their token still gives {status}"),
            Self::Person(status) => format!("an administrator who asks for them still gets {status}"),
            Self::Untold(why) => why.clone(),
        }
    }
}

async fn left_of(
    ground: &Ground,
    own: &Client,
    administrator: Option<&Client>,
    person: &Person,
) -> anyhow::Result<Option<Left>> {
    // Another question than whoever is there has asked: what a target answers twice in a moment it answers from memory.
    let body = json!({"userId": person.user, "credentials": PASSWORD, "audience": ground.name("erased")});
    let signed_in = ground.client.post("/api/v1/authenticate", &body).await?.status;
    anyhow::ensure!(signed_in != 200, "{} signed in after their erasure", person.user);
    let token = own.get(SESSION).await?.status;
    let found = match administrator {
        Some(administrator) => Some(administrator.get(&path(person)).await?.status),
        None => None,
    };
    Ok(left(signed_in, token, found))
}

/// By the answers to a sign-in, to their token, and to an administrator who asks for them, if one did.
fn left(signed_in: u16, token: u16, found: Option<u16>) -> Option<Left> {
    let untold = |what: &str, status| Some(Left::Untold(format!("{what} gave {status}")));
    match (signed_in, token, found) {
        (401 | 403 | 404, 401 | 403, None | Some(404)) => None,
        (_, 200..=399 | 500..=502, _) => Some(Left::Token(token)),
        (_, _, Some(status @ (200..=399 | 500..=502))) => Some(Left::Person(status)),
        (401 | 403 | 404, 401 | 403, Some(status)) => untold("an administrator's question", status),
        (401 | 403 | 404, status, _) => untold("their token", status),
        (status, _, _) => untold("a sign-in", status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_known_to_nobody_is_gone() {
        assert_eq!(left(401, 401, Some(404)), None);
        assert_eq!(left(401, 401, None), None);
        assert_eq!(left(401, 200, Some(404)), Some(Left::Token(200)));
        assert_eq!(left(401, 401, Some(200)), Some(Left::Person(200)));
        // Whose question is refused has learned nothing, whoever it is.
        for (signed_in, token, found) in
            [(401, 401, Some(401)), (401, 401, Some(403)), (429, 401, Some(404)), (401, 503, None)]
        {
            let left = left(signed_in, token, found);
            assert!(matches!(left, Some(Left::Untold(_))), "{signed_in} {token} {found:?}: {left:?}");
        }
    }
}
