//! A secret election for the drill to vote in, with trustees whom it plays itself: each a process of their own, as `holdfast trustee`
//! is on a trustee's machine, that lives through whatever becomes of the target.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use clock::Clock;
use load::people::{People, Seat};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use uuid::Uuid;
use voter::{Asking, Booth};

use crate::{
    client::{Client, expect},
    election,
    ground::{Ground, PASSWORD},
    local::own_program,
};

/// Trustees, and how many of them are enough.
const TRUSTEES: usize = 3;
const THRESHOLD: usize = 2;
const MIXERS: u8 = 2;
/// How often a trustee looks.
const POLL_MS: u64 = 250;
/// How long all trustees together may take for a key, or the target and them for a count.
const TOGETHER_MAX: Duration = Duration::from_mins(15);

/// The election, as long as its trustees are at work.
#[derive(Debug)]
pub(crate) struct Secret {
    pub(crate) id: String,
    trustees: Vec<Trustee>,
    persons: Vec<Uuid>,
    ca_file: Option<PathBuf>,
    /// A file of keys for each trustee.
    safes: tempfile::TempDir,
}

#[derive(Debug)]
struct Trustee(Child);

impl Drop for Trustee {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Holds an election in which all citizens of the drill may vote, and gives each their seat.
pub(crate) fn open(ground: &mut Ground, officer: &Client) -> anyhow::Result<Secret> {
    let safes = tempfile::Builder::new().prefix("holdfast-trustees-").tempdir()?;
    let (client, names) = (ground.client.clone(), ground.names.clone());
    let runtime = &ground.runtime;
    let users: Vec<_> = (1..=TRUSTEES).map(|number| format!("{names}-trustee-{number}")).collect();
    let mut persons = Vec::new();
    for user in &users {
        let body = json!({"userId": user, "password": PASSWORD});
        let registered = runtime.block_on(client.post("/api/v1/persons", &body))?;
        persons.push(expect(registered, 201, "registering a trustee")?.text("/personId").parse()?);
    }
    let id = runtime.block_on(election::draft(officer, &ground.people, &definition(&names, &users)))?;
    let ca_file = ground.ca_file.clone();
    let mut secret = Secret { id, trustees: Vec::new(), persons, ca_file, safes };
    runtime.block_on(election::take(officer, &secret.id, "ceremony"))?;
    for user in &users {
        let trustee = secret.trustee(&ground.target.url(), user)?;
        secret.trustees.push(trustee);
    }
    runtime.block_on(election::until(officer, &secret.id, "ready", TOGETHER_MAX))?;
    runtime.block_on(election::step(officer, &secret.id, "opening", "open"))?;
    let people = Arc::get_mut(&mut ground.people).context("people are at work")?;
    runtime.block_on(seats(&client, &secret.id, people))?;
    Ok(secret)
}

fn definition(names: &str, users: &[String]) -> Value {
    let persons: Vec<_> = users.iter().map(|user| json!({"userId": user, "name": user.clone()})).collect();
    json!({
        "title": {"en": format!("Drill {names}, in secret")},
        "mixers": MIXERS,
        "contests": [election::contest()],
        "trustees": {"threshold": THRESHOLD, "persons": persons},
    })
}

/// Gives every citizen a token, and something to vote for.
async fn seats(client: &Client, id: &str, people: &mut People) -> anyhow::Result<()> {
    let shown = client.get(&format!("/api/v1/public/elections/{id}")).await?;
    let shown = expect(shown, 200, "reading the election")?.json();
    let booth = Arc::new(Booth::of(serde_json::from_value(shown).context("the election cannot be read")?)?);
    for (number, citizen) in people.citizens.iter_mut().enumerate() {
        let mut dice = StdRng::from_seed(Clock::System.random());
        let asking = Asking::new(&Clock::System.random(), &mut dice)?;
        let blinded = asking.blinded();
        let body = json!({"electionId": id, "blindedInput": blinded});
        let answer = client.with_token(&citizen.token).post("/api/v1/voting/token", &body).await?;
        let answer = expect(answer, 200, "asking for a token")?.json();
        let voter = asking.finish(&booth, &serde_json::from_value(answer).context("this is no token")?)?;
        let booth = Arc::clone(&booth);
        citizen.seat =
            Some(Seat { booth, voter, blinded, option: u8::try_from(election::option_of(number))? });
    }
    Ok(())
}

impl Secret {
    /// Who its trustees are, as the target knows them.
    pub(crate) fn persons(&self) -> &[Uuid] {
        &self.persons
    }

    fn trustee(&self, url: &str, user: &str) -> anyhow::Result<Trustee> {
        let mut command = own_program()?;
        command.args(["trustee", "--server", url, "--election", &self.id, "--user", user]);
        // Its own trustees are one person, and few vote.
        command.args(["--poll-ms", &POLL_MS.to_string(), "--keys-compared", "--few"]);
        command.arg("--key-file").arg(self.safes.path().join(user));
        // In the environment, where other users of the machine do not see it.
        command.env("HOLDFAST_PASSWORD", PASSWORD);
        self.believe(&mut command);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Trustee(command.spawn().context("a trustee cannot begin")?))
    }

    /// Lets a program believe the authorities that the drill believes.
    fn believe(&self, command: &mut Command) {
        if let Some(file) = &self.ca_file {
            command.env("SSL_CERT_FILE", file);
        }
    }

    /// Has it closed, mixed, decrypted, counted and published: what was counted, and the turnout.
    pub(crate) async fn count(&self, officer: &Client) -> anyhow::Result<(Value, Value)> {
        election::step(officer, &self.id, "closing", "closed").await?;
        election::take(officer, &self.id, "tally").await?;
        election::until(officer, &self.id, "counted", TOGETHER_MAX).await?;
        election::publish(officer, &self.id).await
    }

    /// Has an observer verify all that was published; what they say.
    pub(crate) fn verified(&self, url: &str) -> anyhow::Result<String> {
        let mut command = own_program()?;
        command.arg("verify-election").arg(format!("{url}/api/v1/public/elections/{}", self.id));
        self.believe(&mut command);
        let output = command.output().context("nobody can verify the election")?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        ensure!(output.status.success(), "{text}");
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trustee_who_is_dropped_has_ended() {
        let child = Command::new("sleep").arg("600").spawn().expect("it starts");
        let process = std::path::Path::new("/proc").join(child.id().to_string());
        assert!(process.exists());
        drop(Trustee(child));
        assert!(!process.exists());
    }
}
