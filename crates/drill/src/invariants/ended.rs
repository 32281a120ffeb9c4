//! A session that has ended has ended: its token is worth nothing from that moment on.

use http::Method;

use load::people::Person;
use report::Area;

use super::Called;
use crate::{
    client::{Client, expect},
    ground::{Ground, device, sign_in_device},
};

const NAME: &str = "invariants/ended-sessions";
const TITLE: &str = "A token is worth nothing from the moment on at which its session was ended";
pub(super) const CHECK: Called = (NAME, TITLE);
const ROUNDS: usize = 20;
const TOLD_MAX: usize = 5;
/// How often each dead token is tried.
const TRIES: usize = 5;

pub(super) fn check(ground: &mut Ground) -> anyhow::Result<()> {
    let (mut against, mut untold) = (Vec::new(), Vec::new());
    let person = ground.block_on(device(&ground.client, &ground.name("ended")))?;
    let mut ended = 0;
    for round in 0..ROUNDS {
        // One session, or all of them.
        let path = if round % 4 == 3 { "/api/v1/sessions" } else { "/api/v1/session" };
        match ground.block_on(end(&ground.client, &person, path, &mut against)) {
            Ok(()) => ended += 1,
            Err(error) => ground.sort(&error, &mut against, &mut untold),
        }
    }
    against.truncate(TOLD_MAX);
    let detail =
        format!("{ended} of {ROUNDS} sessions were ended, and each token tried {TRIES} times afterwards");
    ground.judged_if_told((Area::Invariants, NAME), TITLE, detail, against, &untold);
    Ok(())
}

async fn end(client: &Client, person: &Person, path: &str, against: &mut Vec<String>) -> anyhow::Result<()> {
    let answer = expect(sign_in_device(client, person).await?, 200, "a sign-in")?;
    let client = client.with_token(&answer.text("/token"));
    let before = client.get_told("/api/v1/session").await?;
    if before.status != 200 {
        against.push(format!("a new token gave {}", before.status));
    }
    expect(client.send(Method::DELETE, path, None).await?, 204, "signing out")?;
    for _ in 0..TRIES {
        let after = client.get_told("/api/v1/session").await?;
        if after.status != 401 {
            against.push(format!("after DELETE {path} the token gave {}", after.status));
        }
    }
    Ok(())
}
