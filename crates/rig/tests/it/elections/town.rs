//! Officers, trustees and voters of a test, and what they do.

use std::{
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use board::{BallotEntry, Base64, Hex};
use mixnet::{
    Answer, Caster, Contest, ContestFields, Encoded, EncryptionKey, Form, Polling, Ristretto,
    tokens::{BatchProof, Evaluated, Request, TokenIssuer, finish},
};
use rand::{SeedableRng, rngs::StdRng};
use rig::{Client, Server, ServerOptions};
use seal::SigningKeys;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Folder, MANY_COME, PASSWORD};

/// Settings with which one machine can be a whole town.
pub(super) fn options(more: &str) -> ServerOptions {
    let settings = format!("{MANY_COME}{more}");
    ServerOptions { settings, ..ServerOptions::default() }
}

/// An election of two contests, with so many of so many trustees.
pub(super) fn council(threshold: u16, trustees: u16) -> Value {
    let persons: Vec<_> = (1..=trustees)
        .map(|number| json!({"userId": format!("trustee{number}"), "name": format!("Trustee {number}")}))
        .collect();
    let option = |id: &str| json!({"optionId": id, "title": {"en": id}});
    json!({
        "title": {"en": "Council", "de": "Gemeinderat"},
        "mixers": 2,
        "contests": [
            {"contestId": "mayor", "title": {"en": "Mayor"}, "form": {"kind": "plurality"}, "count": "most",
             "writeInBytesMax": 20, "options": [option("ada"), option("bob")]},
            {"contestId": "order", "title": {"en": "Order"}, "form": {"kind": "ranked", "ranksMax": 3, "sharedRanks": false},
             "count": "instant-runoff", "options": [option("x"), option("y"), option("z")]},
        ],
        "trustees": {"threshold": threshold, "persons": persons},
    })
}

/// A server with an election, and those who hold it.
pub(super) struct Town {
    pub(super) server: Server,
    pub(super) client: Client,
    pub(super) officer: Client,
    pub(super) election: String,
    folder: std::path::PathBuf,
    /// Votes that were made: each is later than those before it.
    votes: AtomicU32,
}

/// Somebody with a token.
pub(super) struct Voter {
    pub(super) keys: SigningKeys,
    pub(super) public: [u8; 32],
    pub(super) token: [u8; 64],
    pub(super) weight: u32,
}

/// What a role of the binary said.
pub(super) struct Verdict {
    pub(super) success: bool,
    pub(super) text: String,
}

/// Anything that chance decides, alike in each run.
pub(super) fn dice(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub(super) fn ended_well(child: std::process::Child) {
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A trustee's program ended well, and said that the key of the election with this hash is theirs.
pub(super) fn confirmed(child: std::process::Child, hash: &str) {
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    let theirs = said.contains("the key on the public board is this trustee's") && said.contains(hash);
    assert!(output.status.success() && theirs, "{said}");
}

impl Town {
    pub(super) async fn start(folder: &Folder, options: &ServerOptions) -> Self {
        let server = Server::start_with(&folder.data(), options).expect("it starts");
        let client = server.client();
        let administrator = server.administrator().await.expect("the first password holds");
        for (name, roles) in [
            ("officer", json!(["officer"])),
            ("trustee1", json!([])),
            ("trustee2", json!([])),
            ("trustee3", json!([])),
        ] {
            let body = json!({"userId": name, "password": PASSWORD, "kind": "staff", "roles": roles});
            let answer = administrator.post("/api/v1/persons", &body).await.expect("an answer");
            assert_eq!(answer.status, 201, "{}", answer.json());
        }
        let officer = client.sign_in("officer", PASSWORD).await.expect("they sign in");
        let votes = AtomicU32::new(0);
        Self { server, client, officer, election: String::new(), folder: folder.data(), votes }
    }

    pub(super) fn path(&self, what: &str) -> String {
        format!("/api/v1/elections/{}{what}", self.election)
    }

    pub(super) fn public(&self, what: &str) -> String {
        format!("/api/v1/public/elections/{}{what}", self.election)
    }

    pub(super) async fn create(&mut self, definition: &Value) {
        let made = self.officer.post("/api/v1/elections", definition).await.expect("an answer");
        assert_eq!(made.status, 201, "{}", made.json());
        self.election = made.text("electionId");
    }

    /// So many people are on the roll.
    pub(super) async fn enrol(&self, count: usize) {
        let voters: Vec<_> = (0..count).map(|number| json!({"userId": format!("voter{number}")})).collect();
        let added =
            self.officer.post(&self.path("/roll"), &json!({"voters": voters})).await.expect("an answer");
        assert_eq!(
            (added.status, added.json()["voters"].as_u64()),
            (200, Some(count as u64)),
            "{}",
            added.json()
        );
    }

    pub(super) async fn step(&self, what: &str, status: u16) {
        let path = self.path(&format!("/{what}"));
        let answer = self.officer.post(&path, &json!({})).await.expect("an answer");
        assert_eq!(answer.status, status, "{what}: {}", answer.json());
    }

    pub(super) async fn until_state(&self, state: &str) {
        let mut found = String::new();
        for _ in 0..1200 {
            found = self.officer.get(&self.path("")).await.expect("an answer").text("state");
            if found == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let ceremony = self.officer.get(&self.path("/ceremony")).await.expect("an answer").json();
        panic!("the election is {found} and not {state}: {ceremony}");
    }

    /// Until the board says that this trustee's part is false.
    pub(super) async fn until_lied(&self, trustee: u16) {
        let mut shown = Value::Null;
        for _ in 0..600 {
            shown = self.officer.get(&self.path("/decryption")).await.expect("an answer").json();
            if shown["lied"].as_array().is_some_and(|lied| lied.contains(&json!(trustee))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nobody noticed the lie of trustee {trustee}: {shown}");
    }

    /// So many trustees, each a process of their own.
    pub(super) fn trustees(&self, count: u16, until_ready: bool) -> Vec<std::process::Child> {
        (1..=count).map(|number| self.trustee(number, until_ready)).collect()
    }

    pub(super) fn trustee(&self, number: u16, until_ready: bool) -> std::process::Child {
        let key_file = self.folder.with_file_name(format!("trustee{number}.keys"));
        let mut command = rig::command();
        command
            .args([
                "trustee",
                "--server",
                &format!("http://{}", self.server.public),
                "--election",
                &self.election,
            ])
            .args(["--user", &format!("trustee{number}"), "--poll-ms", "200", "--keys-compared", "--few"])
            .arg("--key-file")
            .arg(key_file)
            .env("HOLDFAST_PASSWORD", PASSWORD)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if until_ready {
            command.arg("--until-ready");
        }
        command.spawn().expect("a trustee begins")
    }

    /// A voter, signed in; registered if they are new.
    pub(super) async fn person(&self, number: usize) -> Client {
        let name = format!("voter{number}");
        if let Ok(signed_in) = self.client.sign_in(&name, PASSWORD).await {
            return signed_in;
        }
        self.client.register(&name, PASSWORD).await.expect("they register");
        self.client.sign_in(&name, PASSWORD).await.expect("they sign in")
    }

    /// So many voters, each with a token.
    pub(super) async fn voters(&self, count: usize) -> Vec<Voter> {
        let mut voters = Vec::new();
        for number in 0..count {
            voters.push(self.voter(&self.person(number).await, number as u64).await);
        }
        voters
    }

    pub(super) async fn voter(&self, person: &Client, seed: u64) -> Voter {
        let (request, keys, public) = asking(seed);
        let (token, weight) = self.token(person, request).await;
        Voter { keys, public, token, weight }
    }

    /// The token that a person asks for, and the weight that it is for.
    pub(super) async fn token(&self, person: &Client, request: Request) -> ([u8; 64], u32) {
        let body =
            json!({"electionId": self.election, "blindedInput": hex::encode(request.blinded().to_bytes())});
        let answer = person.post("/api/v1/voting/token", &body).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.json());
        let bytes = |member: &str| hex::decode(answer.text(member)).expect("hexadecimal");
        let issuer = TokenIssuer::from_bytes(&bytes("issuer")).expect("an issuer");
        let evaluated = Evaluated::from_bytes(&bytes("evaluated")).expect("an element");
        let proof = BatchProof::from_bytes(&bytes("proof")).expect("a proof");
        let blinded = [*request.blinded()];
        let tokens = finish(&issuer, vec![(0, request)], &blinded, &[evaluated], &proof).expect("a token");
        let weight = u32::try_from(answer.json()["weight"].as_u64().expect("a weight")).expect("a small one");
        (tokens[0].output, weight)
    }

    /// What a voter sends.
    pub(super) async fn ballot(&self, voter: &Voter, answers: &[Answer], seed: u64) -> BallotEntry {
        let election = self.client.get(&self.public("")).await.expect("an answer").json();
        let hash: Hex<32> = election["electionHash"].as_str().expect("a hash").parse().expect("hexadecimal");
        let key = hex::decode(election["key"].as_str().expect("a key")).expect("hexadecimal");
        let key = EncryptionKey::<Ristretto>::from_bytes(&key).expect("a key");
        let contests = election["contests"].as_array().expect("contests");
        let issuers = election["issuers"].as_array().expect("issuers");
        let weight =
            issuers.iter().position(|issuer| issuer["weight"] == voter.weight).expect("a known weight");
        let first = weight * contests.len();
        let contests = contests.iter().map(contest);
        let caster = Caster { voter: &voter.public, token: &voter.token };
        let ballots = contests.zip(answers).enumerate().map(|(place, (contest, answer))| {
            let list = u32::try_from(first + place).expect("few contests");
            let polling = Polling::new(&hash.0, list, contest.width(), key);
            let elements = contest.embed::<Ristretto>(answer).expect("an answer");
            Base64(polling.cast(caster, &elements, &mut dice(seed)).expect("a ballot").to_bytes())
        });
        let mut entry = BallotEntry {
            voter: Hex(voter.public),
            token: Hex(voter.token),
            weight: voter.weight,
            sequence: self.votes.fetch_add(1, Ordering::Relaxed),
            ballots: ballots.collect(),
            signature: Hex([0; 64]),
        };
        sign(&mut entry, &voter.keys, &hash);
        entry
    }

    pub(super) fn body(&self, entry: &BallotEntry) -> Value {
        json!({
            "electionId": self.election, "weight": entry.weight, "voterKey": entry.voter, "token": entry.token,
            "sequence": entry.sequence, "ballots": entry.ballots, "signature": entry.signature,
        })
    }

    /// Votes, and answers with the tracker.
    pub(super) async fn cast(&self, voter: &Voter, answers: &[Answer]) -> String {
        let seed = u64::from_be_bytes(clock::Clock::System.random());
        let entry = self.ballot(voter, answers, seed).await;
        let taken = self.client.post("/api/v1/voting/submit", &self.body(&entry)).await.expect("an answer");
        assert_eq!((taken.status, taken.text("status").as_str()), (201, "RECEIVED"), "{}", taken.json());
        assert_eq!(taken.text("tracker"), entry.tracker().to_string());
        taken.text("tracker")
    }

    pub(super) async fn until_ballot(&self, tracker: &str, status: &str) -> Value {
        let mut found = Value::Null;
        for _ in 0..1200 {
            let path = self.public(&format!("/ballots/{tracker}"));
            found = self.client.get(&path).await.expect("an answer").json();
            if found["status"] == status {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the vote never was {status}: {found}");
    }

    /// The server's process is killed, and comes back.
    pub(super) async fn crash(self, options: &ServerOptions) -> Self {
        self.come_back(options, |server| server.kill().expect("it is killed")).await
    }

    /// The server is gone, and another stands in its place.
    pub(super) async fn come_back(self, options: &ServerOptions, meanwhile: impl FnOnce(Server)) -> Self {
        let Self { server, election, folder, votes, .. } = self;
        meanwhile(server);
        let server = Server::start_with(&folder, options).expect("it starts again");
        let client = server.client();
        let officer = client.sign_in("officer", PASSWORD).await.expect("they sign in");
        Self { server, client, officer, election, folder, votes }
    }

    /// What the stream of events says first.
    pub(super) async fn first_event(&self) -> String {
        let mut stream = TcpStream::connect(self.server.public).await.expect("it connects");
        let request = format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", self.public("/events"));
        stream.write_all(request.as_bytes()).await.expect("it is sent");
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while !text.contains("\n\n") {
            let read = stream.read(&mut buffer).await.expect("it reads");
            assert!(read > 0, "the stream ended: {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        text
    }

    /// The results, once the node that is asked knows that they are published.
    pub(super) async fn results(&self) -> Value {
        for _ in 0..600 {
            let answer = self.client.get(&self.public("/results")).await.expect("an answer");
            if answer.status == 200 {
                return answer.json();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the results are not published");
    }

    /// Waits until a checkpoint of the officer's node covers all that stands on the board.
    pub(super) async fn until_signed(&self) {
        for _ in 0..600 {
            let size =
                self.officer.get(&self.path("")).await.expect("an answer").json()["board"]["size"].clone();
            let note = self.officer.get(&self.public("/board/checkpoint")).await.expect("an answer");
            let note = String::from_utf8_lossy(&note.bytes).into_owned();
            if note.lines().nth(1) == Some(size.to_string().as_str()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the board is not signed");
    }

    pub(super) fn verify_election(&self, save: Option<&Path>) -> Verdict {
        let url = format!("http://{}{}", self.server.public, self.public(""));
        let mut command = rig::command();
        command.args(["verify-election", &url]);
        if let Some(folder) = save {
            command.arg("--save").arg(folder);
        }
        verdict(command)
    }
}

pub(super) fn verify_saved(folder: &Path) -> Verdict {
    let mut command = rig::command();
    command.arg("verify-election").arg(folder);
    verdict(command)
}

fn verdict(mut command: std::process::Command) -> Verdict {
    let output = command.output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    Verdict { success: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() }
}

/// What somebody asks a token with, and for which key.
pub(super) fn asking(seed: u64) -> (Request, SigningKeys, [u8; 32]) {
    let mut secret = [7; 32];
    secret[..8].copy_from_slice(&seed.to_be_bytes());
    let keys = SigningKeys::from_seeds(&secret, &secret);
    let public: [u8; 32] = keys.ed25519().as_bytes().try_into().expect("32 bytes");
    let request = Request::new(&public, &mut dice(seed)).expect("a request");
    (request, keys, public)
}

pub(super) fn sign(entry: &mut BallotEntry, keys: &SigningKeys, hash: &Hex<32>) {
    let signature = keys.sign_ed25519(&entry.statement(&hash.0)).expect("it signs");
    entry.signature = Hex(signature.try_into().expect("64 bytes"));
}

/// A contest as the API shows it.
fn contest(shown: &Value) -> Contest {
    let number = |value: &Value| u8::try_from(value.as_u64().expect("a number")).expect("a small one");
    let form = match shown["form"]["kind"].as_str() {
        Some("plurality") => Form::Plurality {},
        Some("ranked") => Form::Ranked { ranks_max: number(&shown["form"]["ranksMax"]), shared_ranks: false },
        other => panic!("no contest of these tests is {other:?}"),
    };
    let options = u8::try_from(shown["options"].as_array().expect("options").len()).expect("few");
    let fields = ContestFields { form, options, write_in_bytes_max: number(&shown["writeInBytesMax"]) };
    Contest::try_from(fields).expect("a contest")
}
