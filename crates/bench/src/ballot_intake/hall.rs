//! An election that is open, and a few voters who think again very often.

use std::{net::SocketAddr, process::Stdio};

use anyhow::{Context, ensure};
use board::{BallotEntry, Base64, Hex};
use mixnet::{
    Answer, Caster, Contest, ContestFields, Encoded, EncryptionKey, Form, Marks, Polling, Ristretto,
    tokens::{BatchProof, Evaluated, Request, TokenIssuer, finish},
};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;
use rig::{Client, Server};
use seal::SigningKeys;
use serde_json::{Value, json};

use super::until;
use crate::load::on_runtime;

const PASSWORD: &str = "kelp holds fast in winter storms";
const VOTERS: usize = 16;

/// A server with an election that is open.
pub(super) struct Hall {
    server: Server,
    client: Client,
    election: String,
    hash: Hex<32>,
    polling: Polling<Ristretto>,
    answer: Vec<<Ristretto as mixnet::Group>::Element>,
    voters: Vec<Voter>,
    _folder: tempfile::TempDir,
}

struct Voter {
    keys: SigningKeys,
    public: [u8; 32],
    token: [u8; 64],
}

impl Hall {
    pub(super) fn open() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = Server::start(&folder.path().join("data"))?;
        let client = server.client();
        let (election, shown, voters) = on_runtime(async {
            let officer = officer(&server, &client).await?;
            let election = announced(&officer).await?;
            let mut trustees = Vec::new();
            for number in 1..=3 {
                let keys = folder.path().join(format!("trustee{number}"));
                let mut command = rig::command();
                command.args(["trustee", "--until-ready", "--poll-ms", "200", "--election", &election]);
                command.args([
                    "--server",
                    &format!("http://{}", server.public),
                    "--user",
                    &format!("trustee{number}"),
                ]);
                command.arg("--key-file").arg(keys).env("HOLDFAST_PASSWORD", PASSWORD).stderr(Stdio::null());
                trustees.push(command.spawn()?);
            }
            let path = format!("/api/v1/elections/{election}");
            let is_ready = async || Ok((officer.get(&path).await?.text("state") == "ready").then_some(()));
            until(is_ready, "a key").await?;
            for mut trustee in trustees {
                ensure!(trustee.wait()?.success(), "a trustee failed");
            }
            let shown = officer.post(&format!("{path}/opening"), &json!({})).await?.json();
            let mut voters = Vec::new();
            for number in 0..VOTERS {
                voters.push(voter(&client, &election, number).await?);
            }
            anyhow::Ok((election, shown, voters))
        })?;
        let hash: Hex<32> = shown["electionHash"].as_str().context("there is no hash")?.parse()?;
        let key: Hex<32> = shown["key"].as_str().context("there is no key")?.parse()?;
        let fields = ContestFields { form: Form::Plurality {}, options: 2, write_in_bytes_max: 0 };
        let contest = Contest::try_from(fields)?;
        let answer =
            contest.embed::<Ristretto>(&Answer { marks: Marks::Plurality(Some(1)), write_in: None })?;
        let polling = Polling::new(&hash.0, 0, contest.width(), EncryptionKey::from_bytes(&key.0)?);
        Ok(Self { server, client, election, hash, polling, answer, voters, _folder: folder })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.public
    }

    /// So many votes, as they are sent.
    pub(super) fn votes(&self, count: usize, run: usize) -> anyhow::Result<Vec<Vec<u8>>> {
        let vote = |place: usize| {
            let voter = &self.voters[place % self.voters.len()];
            let caster = Caster { voter: &voter.public, token: &voter.token };
            let mut rng = StdRng::seed_from_u64((run * 1_000_000 + place) as u64);
            let ballot = Base64(self.polling.cast(caster, &self.answer, &mut rng)?.to_bytes());
            let mut entry = BallotEntry {
                voter: Hex(voter.public),
                token: Hex(voter.token),
                weight: 1,
                ballots: vec![ballot],
                signature: Hex([0; 64]),
            };
            let signature = voter.keys.sign_ed25519(&entry.statement(&self.hash.0))?;
            entry.signature = Hex(signature.try_into().map_err(|_| anyhow::anyhow!("64 bytes"))?);
            Ok(serde_json::to_vec(&json!({
                "electionId": self.election, "weight": 1, "voterKey": entry.voter, "token": entry.token,
                "ballots": entry.ballots, "signature": entry.signature,
            }))?)
        };
        (0..count).into_par_iter().map(vote).collect()
    }

    async fn turnout(&self) -> anyhow::Result<Value> {
        Ok(self.client.get(&format!("/api/v1/public/elections/{}/turnout", self.election)).await?.json())
    }

    /// Votes that are confirmed.
    pub(super) fn confirmed(&self) -> anyhow::Result<u64> {
        on_runtime(async { self.turnout().await?["confirmed"].as_u64().context("there is no turnout") })
    }

    pub(super) fn until_confirmed(&self, votes: u64) -> anyhow::Result<()> {
        let enough = async || {
            let turnout = self.turnout().await?;
            ensure!(turnout["refused"] == 0, "an honest vote was refused: {turnout}");
            Ok((turnout["confirmed"].as_u64() >= Some(votes)).then_some(()))
        };
        on_runtime(until(enough, "all votes being confirmed"))
    }

    pub(super) fn close(self) -> anyhow::Result<()> {
        self.server.stop()
    }
}

/// Those who hold the election are registered, and the officer signed in.
async fn officer(server: &Server, client: &Client) -> anyhow::Result<Client> {
    let administrator = server.administrator().await?;
    let names = ["officer", "trustee1", "trustee2", "trustee3"];
    for name in names {
        let roles: &[&str] = if name == "officer" { &["officer"] } else { &[] };
        let body = json!({"userId": name, "password": PASSWORD, "kind": "staff", "roles": roles});
        ensure!(
            administrator.post("/api/v1/persons", &body).await?.status == 201,
            "{name} was not registered"
        );
    }
    client.sign_in("officer", PASSWORD).await
}

/// An election of one contest, with its roll, in which the trustees may begin.
async fn announced(officer: &Client) -> anyhow::Result<String> {
    let persons: Vec<_> = (1..=3)
        .map(|number| json!({"userId": format!("trustee{number}"), "name": number.to_string()}))
        .collect();
    let option = |id: &str| json!({"optionId": id, "title": {"en": id}});
    let definition = json!({
        "title": {"en": "Bench"},
        "contests": [{"contestId": "a", "title": {"en": "A"}, "form": {"kind": "plurality"}, "count": "most",
            "options": [option("x"), option("y")]}],
        "trustees": {"threshold": 2, "persons": persons},
    });
    let made = officer.post("/api/v1/elections", &definition).await?;
    ensure!(made.status == 201, "no election: {}", made.json());
    let path = format!("/api/v1/elections/{}", made.text("electionId"));
    let voters: Vec<_> = (0..VOTERS).map(|number| json!({"userId": format!("voter{number}")})).collect();
    ensure!(
        officer.post(&format!("{path}/roll"), &json!({"voters": voters})).await?.status == 200,
        "no roll"
    );
    ensure!(officer.post(&format!("{path}/ceremony"), &json!({})).await?.status == 202, "no ceremony");
    Ok(made.text("electionId"))
}

/// Somebody with a token.
async fn voter(client: &Client, election: &str, number: usize) -> anyhow::Result<Voter> {
    let name = format!("voter{number}");
    client.register(&name, PASSWORD).await?;
    let person = client.sign_in(&name, PASSWORD).await?;
    let mut secret = [7; 32];
    secret[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let keys = SigningKeys::from_seeds(&secret, &secret);
    let public: [u8; 32] = keys.ed25519().as_bytes().try_into()?;
    let request = Request::new(&public, &mut StdRng::seed_from_u64(number as u64))?;
    let blinded =
        Hex::<32>(request.blinded().to_bytes().try_into().map_err(|_| anyhow::anyhow!("32 bytes"))?);
    let body = json!({"electionId": election, "blindedInput": blinded});
    let answer = person.post("/api/v1/voting/token", &body).await?;
    ensure!(answer.status == 200, "no token: {}", answer.json());
    let issuer: Hex<32> = answer.text("issuer").parse()?;
    let evaluated: Hex<32> = answer.text("evaluated").parse()?;
    let proof: Hex<64> = answer.text("proof").parse()?;
    let (issuer, evaluated) = (TokenIssuer::from_bytes(&issuer.0)?, Evaluated::from_bytes(&evaluated.0)?);
    let blinded = [*request.blinded()];
    let tokens =
        finish(&issuer, vec![(0, request)], &blinded, &[evaluated], &BatchProof::from_bytes(&proof.0)?)?;
    Ok(Voter { keys, public, token: tokens.first().context("there is no token")?.output })
}
