//! What every part of a drill stands on: the target, the people who are played, and what was found so far.

use std::{
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, anyhow};
use aws_lc_rs::{digest, signature::Ed25519KeyPair};
use clock::{Clock, Stopwatch};
use serde_json::json;
use tokio::runtime::Runtime;

use load::{
    Live, Load, Ran, Shape,
    history::Commands,
    journey::Journey,
    people::{Device, People, Person, public_key},
    target::Target,
};
use report::{Area, Check, Outcome};

use crate::{
    again::again,
    client::{Client, Keeper, expect},
    election, ending,
    ledger_keys::LedgerKeys,
    local::Local,
    profile::Profile,
    put_off::Limited,
    screen::Screen,
    secret::Secret,
};

/// A password that nobody guesses.
pub(crate) const PASSWORD: &str = "kelp holds fast in winter storms";

/// Those of the operators who are known to the drill.
#[derive(Debug, Default, Clone)]
pub(crate) struct Staff {
    pub(crate) administrator: Option<Client>,
    pub(crate) auditor: Option<Client>,
    /// Whoever holds elections.
    pub(crate) officer: Option<Client>,
}

pub(crate) struct Ground {
    pub(crate) runtime: Runtime,
    pub(crate) target: Target,
    pub(crate) client: Client,
    pub(crate) local: Option<Local>,
    /// Nobody else uses the target.
    pub(crate) alone: bool,
    pub(crate) profile: Profile,
    pub(crate) journeys: Vec<Arc<Journey>>,
    pub(crate) people: Arc<People>,
    pub(crate) staff: Staff,
    /// The election that people vote in, if one could be opened.
    pub(crate) election: Option<String>,
    /// The secret one, once there is one.
    pub(crate) secret: Option<Secret>,
    /// Authorities that are believed besides the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// Where acknowledgements are kept.
    pub(crate) history: PathBuf,
    /// Every command that a journey has acknowledged.
    pub(crate) commands: Commands,
    /// Keeps what is acknowledged outside of loads.
    pub(crate) keeper: Keeper,
    pub(crate) seed: u64,
    /// What every name that this run makes begins with.
    pub(crate) names: String,
    pub(crate) checks: Vec<Check>,
    pub(crate) screen: Screen,
    pub(crate) stopwatch: Stopwatch,
    /// What checkpoints must be signed with, as far as that is known.
    pub(crate) ledger_keys: Option<LedgerKeys>,
    /// How many connections were held open at once.
    pub(crate) held: usize,
    /// Numbers runs of load, so that their names differ.
    pub(crate) loads: u32,
    /// The first entry of the ledger that this run may have made.
    pub(crate) from_index: u64,
}

impl Ground {
    /// Keeps what a check came to: a failure if anything speaks against the target.
    pub(crate) fn found(
        &mut self,
        area: Area,
        name: &str,
        title: &str,
        outcome: Outcome,
        detail: impl Into<String>,
        against: Vec<String>,
    ) {
        let check = match ending::ended_by() {
            // Whatever it saw may be what the end did to it.
            Some(who) => {
                let why = format!("the run was broken off by {who} before this was done");
                Check::new(area, name, title, Outcome::NotExercised, why, Vec::new())
            }
            None => Check::new(area, name, title, outcome, detail, against),
        };
        self.screen.check(&check);
        self.checks.push(check);
    }

    /// A check that passes if nothing speaks against it.
    pub(crate) fn judged(
        &mut self,
        area: Area,
        name: &str,
        title: &str,
        detail: impl Into<String>,
        against: Vec<String>,
    ) {
        self.found(area, name, title, Outcome::Passed, detail, against);
    }

    /// The same of what was tried many times. Of some of it the target may not have said what it does with it: that is no success.
    pub(crate) fn judged_if_told(
        &mut self,
        (area, name): (Area, &str),
        title: &str,
        detail: impl Into<String>,
        against: Vec<String>,
        untold: &[String],
    ) {
        let Some(first) = untold.first() else { return self.judged(area, name, title, detail, against) };
        let detail =
            format!("{}; {} times the target did not say, first: {first}", detail.into(), untold.len());
        self.found(area, name, title, Outcome::Invalid, detail, against);
    }

    /// Why a load says nothing about a target that somebody else runs, if it has a limit on the drill's address. A deployment that the
    /// drill started has none on its own.
    pub(crate) fn limited(&self, ran: &Ran) -> Option<String> {
        if self.local.is_some() { None } else { ran.limited() }
    }

    /// Why a load says nothing about the target, if so.
    pub(crate) fn invalid(&self, ran: &Ran) -> Option<String> {
        ran.invalid().or_else(|| self.limited(ran))
    }

    /// Sorts an error among what speaks against the target, or says nothing of it: that the drill's address asked too often.
    pub(crate) fn sort(&self, error: &anyhow::Error, against: &mut Vec<String>, untold: &mut Vec<String>) {
        let excused = self.local.is_none() && error.downcast_ref::<Limited>().is_some();
        if excused { untold } else { against }.push(format!("{error:#}"));
    }

    /// A check that came to no end. That is a failure, unless the target only said that the drill's address asked too often.
    pub(crate) fn broke_off(
        &mut self,
        (area, name): (Area, &str),
        title: &str,
        detail: String,
        error: &anyhow::Error,
    ) {
        if self.local.is_none() && error.downcast_ref::<Limited>().is_some() {
            return self.found(area, name, title, Outcome::Invalid, format!("{error:#}"), Vec::new());
        }
        self.judged(area, name, title, detail, vec![format!("{error:#}")]);
    }

    /// A check that cannot be made here.
    pub(crate) fn skipped(&mut self, area: Area, name: &str, title: &str, why: impl Into<String>) {
        self.found(area, name, title, Outcome::NotExercised, why, Vec::new());
    }

    pub(crate) fn journey(&self, name: &str) -> anyhow::Result<Arc<Journey>> {
        let found = self.journeys.iter().find(|journey| journey.name == name);
        found.cloned().with_context(|| format!("there is no journey {name}"))
    }

    /// A load of this profile. Its callers are those of the seed and of what it is called, however many loads came before.
    pub(crate) fn load(&mut self, called: &str, journeys: Vec<(Arc<Journey>, u32)>, shape: Shape) -> Load {
        self.loads += 1;
        Load {
            target: self.target.clone(),
            journeys,
            people: Arc::clone(&self.people),
            shape,
            threads: self.profile.threads,
            connections_max: self.profile.connections_max,
            depth: 1,
            http2: false,
            patience: Duration::from_millis(self.profile.patience_ms),
            seed: seed_of(self.seed, called),
            names: format!("{}-{}", self.names, self.loads),
            election: self.election.clone().unwrap_or_default(),
            history: Some(self.history.clone()),
            commands: self.commands.clone(),
            from: Vec::new(),
        }
    }

    /// Runs a load to its end, and shows how it goes.
    pub(crate) fn run(&self, what: &str, load: Load) -> anyhow::Result<Ran> {
        let live = Arc::new(Live::default());
        let running = in_background(load, &live)?;
        self.screen.follow(what, &live, || running.is_finished());
        running.join().map_err(|_| anyhow!("the load panicked"))?
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Somebody who was registered, by a name of this run.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.names)
    }
}

/// Tries something of a part. What cannot go on has failed, and the rest is tried all the same.
pub(crate) fn attempt(
    ground: &mut Ground,
    area: Area,
    what: &str,
    part: impl FnOnce(&mut Ground) -> anyhow::Result<()>,
) {
    if let Err(error) = part(ground) {
        let name = match what {
            "" => format!("{}/goes-on", area.title().to_lowercase()),
            what => format!("{}/goes-on/{what}", area.title().to_lowercase()),
        };
        let said = ground.local.as_ref().map(Local::said).unwrap_or_default();
        let title = format!("{}: the target could be asked to the end", name.replace("/goes-on", " "));
        ground.broke_off((area, &name), &title, said, &error);
    }
}

/// The seed of one load of a run.
fn seed_of(seed: u64, called: &str) -> u64 {
    let hash = digest::digest(&digest::SHA256, &[&seed.to_be_bytes(), called.as_bytes()].concat());
    hash.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Runs a load on threads of its own.
pub(crate) fn in_background(load: Load, live: &Arc<Live>) -> anyhow::Result<JoinHandle<anyhow::Result<Ran>>> {
    in_background_from(load, live, &stopwatch())
}

/// The same by a stopwatch that just began.
pub(crate) fn in_background_from(
    load: Load,
    live: &Arc<Live>,
    stopwatch: &Stopwatch,
) -> anyhow::Result<JoinHandle<anyhow::Result<Ran>>> {
    ending::stops(live);
    let (live, stopwatch) = (Arc::clone(live), stopwatch.clone());
    let run = move || load::run_from(&load, &live, &stopwatch);
    thread::Builder::new().name("drill-load".to_owned()).spawn(run).context("cannot start a thread")
}

/// Registers somebody with a password, and signs them in.
pub(crate) async fn citizen(client: &Client, user: &str) -> anyhow::Result<Person> {
    let person = registered(client, user).await?;
    Ok(Person { token: sign_in(client, user, PASSWORD).await?, ..person })
}

/// Registers somebody with a password.
pub(crate) async fn registered(client: &Client, user: &str) -> anyhow::Result<Person> {
    let body = json!({"userId": user, "password": PASSWORD});
    let registered = expect(client.post("/api/v1/persons", &body).await?, 201, "a registration")?;
    Ok(Person {
        user: user.to_owned(),
        password: PASSWORD.to_owned(),
        id: registered.text("/personId"),
        receipt_index: registered.json()["receipt"]["index"].as_u64().context("a receipt has an index")?,
        ..Person::default()
    })
}

/// Registers somebody with a device.
pub(crate) async fn device(client: &Client, user: &str) -> anyhow::Result<Person> {
    let key = Ed25519KeyPair::generate()?;
    let told = json!({"algorithm": "Ed25519", "publicKey": public_key(&key), "label": "drill"});
    let body = json!({"userId": user, "deviceKey": told});
    let registered = expect(client.post("/api/v1/persons", &body).await?, 201, "a registration")?;
    Ok(Person {
        user: user.to_owned(),
        id: registered.text("/personId"),
        receipt_index: registered.json()["receipt"]["index"].as_u64().context("a receipt has an index")?,
        device: Some(Device { key, key_id: registered.text("/keyId") }),
        ..Person::default()
    })
}

/// Signs somebody in with a password: their token.
pub(crate) async fn sign_in(client: &Client, user: &str, password: &str) -> anyhow::Result<String> {
    let answer = expect(sign_in_password(client, user, password).await?, 200, "a sign-in")?;
    Ok(answer.text("/token"))
}

/// Signs somebody in with a password: the whole answer.
pub(crate) async fn sign_in_password(
    client: &Client,
    user: &str,
    password: &str,
) -> anyhow::Result<load::client::Answer> {
    let body = json!({"userId": user, "credentials": password});
    client.post("/api/v1/authenticate", &body).await
}

/// Signs somebody in with their device: the whole answer.
pub(crate) async fn sign_in_device(client: &Client, person: &Person) -> anyhow::Result<load::client::Answer> {
    let challenge =
        expect(client.send(http::Method::POST, "/api/v1/challenges", None).await?, 201, "a challenge")?;
    let body = signed(person, &challenge.text("/challenge"));
    client.post("/api/v1/authenticate", &body).await
}

/// The body of a sign-in over a challenge.
pub(crate) fn signed(person: &Person, challenge: &str) -> serde_json::Value {
    json!({"userId": person.user, "credentials": {
        "type": "device-key", "keyId": person.key_id(), "challenge": challenge,
        "signature": person.sign("sign-in", challenge),
    }})
}

/// Registers everybody whom the profile wants, and those of the staff whom a local deployment lets be made.
pub(crate) async fn people(client: &Client, profile: &Profile, names: &str) -> anyhow::Result<People> {
    let mut people = People::default();
    // Whether somebody was registered whose connection was lost nobody knows: the next try has another name.
    let name = |kind: &str, number: usize, before: usize| match before {
        0 => format!("{names}-{kind}-{number}"),
        _ => format!("{names}-{kind}-{number}-{before}"),
    };
    for number in 0..profile.citizens {
        let citizen = again(async |before| citizen(client, &name("citizen", number, before)).await).await?;
        let option = election::OPTIONS[election::option_of(number)].to_owned();
        people.citizens.push(Person { option, ..citizen });
    }
    for number in 0..profile.devices {
        let device = again(async |before| device(client, &name("device", number, before)).await).await?;
        people.devices.push(device);
    }
    Ok(people)
}

/// The administrator of a local deployment, and those whom they register: an auditor, and an officer of elections.
pub(crate) async fn staff(client: &Client, local: &Local) -> anyhow::Result<Staff> {
    let token = sign_in(client, "administrator", &local.first_password()?).await?;
    let administrator = client.with_token(&token);
    let mut registered = Vec::new();
    for role in ["auditor", "officer"] {
        let user = format!("drill-{role}");
        let body = json!({"userId": user, "password": PASSWORD, "kind": "government", "roles": [role]});
        expect(administrator.post("/api/v1/persons", &body).await?, 201, "registering staff")?;
        registered.push(client.with_token(&sign_in(client, &user, PASSWORD).await?));
    }
    let officer = registered.pop();
    Ok(Staff { administrator: Some(administrator), auditor: registered.pop(), officer })
}

/// A stopwatch of the system.
pub(crate) fn stopwatch() -> Stopwatch {
    Clock::System.stopwatch()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_has_its_callers_by_its_name_however_many_came_before() {
        assert_eq!(seed_of(7, "volume/vote"), seed_of(7, "volume/vote"));
        let others = [seed_of(7, "volume/register"), seed_of(8, "volume/vote")];
        assert!(!others.contains(&seed_of(7, "volume/vote")));
    }
}
