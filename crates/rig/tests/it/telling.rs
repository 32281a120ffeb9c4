//! What operators are told of floods and blocks: by a signed message, and by the ledger.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rig::{Client, Gateway, Server, ServerOptions};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use signatures::{Algorithm, Digesting, Message, VerifyingKey, read};

use crate::{Folder, PASSWORD};

/// A message as it came.
#[derive(Debug, Clone)]
struct Heard {
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

/// The operators' end of a webhook, which answers as it is told.
struct Listener {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    heard: Arc<Mutex<Vec<Heard>>>,
    scheme: &'static str,
}

impl Listener {
    fn start(status: u16) -> Self {
        Self::start_with(status, None)
    }

    /// The same, in TLS where there is a way to speak it.
    fn start_with(status: u16, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has one");
        let (status, heard) = (Arc::new(AtomicU16::new(status)), Arc::<Mutex<Vec<Heard>>>::default());
        let (answers, hears) = (status.clone(), heard.clone());
        let scheme = if tls.is_some() { "https" } else { "http" };
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                match &tls {
                    None => listen(&mut stream, &answers, &hears),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls.clone()).expect("it can speak TLS");
                        listen(&mut StreamOwned::new(connection, stream), &answers, &hears);
                    }
                }
            }
        });
        Self { address, status, heard, scheme }
    }

    fn settings(&self) -> String {
        format!(
            "[webhook]\nurl = \"{}://{}/hooks?of=town\"\nkey-id = \"town\"\nretry-ms-min = 50\n",
            self.scheme, self.address
        )
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("nobody panics").clone()
    }

    /// All events that were heard and taken or not.
    fn events(&self) -> Vec<Value> {
        let parse = |heard: &Heard| serde_json::from_slice::<Vec<Value>>(&heard.body).expect("a batch");
        self.heard().iter().flat_map(parse).collect()
    }

    /// Waits for an event of this type.
    async fn until(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..2400 {
            let events = self.events();
            let found = events.iter().find(|event| event["type"] == kind && fits(event));
            if let Some(event) = found {
                return event.clone();
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("nobody told of {kind}: {:#?}", self.events());
    }
}

/// Hears a message, keeps it and answers.
fn listen(stream: &mut (impl Read + Write), answers: &AtomicU16, hears: &Mutex<Vec<Heard>>) {
    let Some(message) = hear(stream) else { return };
    let status = answers.load(SeqCst);
    hears.lock().expect("nobody panics").push(message);
    let answer = format!("HTTP/1.1 {status} Well\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _told = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
}

fn hear(stream: &mut impl Read) -> Option<Heard> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut fields = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        fields.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = fields.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Heard { target, fields, body })
}

/// Behind a proxy that names for whom it speaks, with a limit that blocks.
const LIMIT: &str = "[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]\n[[limits.rules]]\nname = \"flood\"\n\
                     adapts = false\nby = [\"header:x-forwarded-for\", \"address\"]\nquota = { algorithm = \"fixed-window\", limit = 5, \
                     block-ms = 600000, window-ms = 600000 }\n";

fn start(folder: &Folder, settings: &str) -> Server {
    let options = ServerOptions { settings: format!("{LIMIT}{settings}"), ..ServerOptions::default() };
    Server::start_with(&folder.data(), &options).expect("it starts")
}

/// The incidents that stand in the ledger.
async fn recorded(auditor: &Client) -> Vec<Value> {
    let entries = auditor.get("/ledger/identity/entries").await.expect("an answer").json();
    let entries = entries["entries"].as_array().cloned().unwrap_or_default();
    let ours = entries.iter().filter(|entry| entry["command"] == "identity/record-incidents");
    ours.flat_map(|entry| entry["body"]["incidents"].as_array().cloned().unwrap_or_default()).collect()
}

async fn until_recorded(auditor: &Client, kind: &str) -> Value {
    for _ in 0..2400 {
        if let Some(found) = recorded(auditor).await.into_iter().find(|incident| incident["kind"] == kind) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{kind} was never recorded: {:#?}", recorded(auditor).await);
}

#[tokio::test]
async fn a_flood_is_told_to_operators_once_and_signed() {
    let folder = Folder::new();
    let listener = Listener::start(204);
    let server = start(&folder, &listener.settings());
    let flood = server.client().with_field("x-forwarded-for", "192.0.2.77");
    for _ in 0..30 {
        flood.get("/health").await.expect("an answer");
    }
    let event = listener.until("holdfast.front.limit-blocked", |_| true).await;
    assert_eq!((&event["subject"], &event["data"]["reason"]), (&json!("192.0.2.77/32"), &json!("flood")));
    assert_eq!((&event["specversion"], &event["source"]), (&json!("1.0"), &json!("//localhost/holdfast")));
    for _ in 0..30 {
        flood.get("/health").await.expect("an answer");
    }
    server.operator().put("/attack", &json!({ "mode": "on" })).await.expect("an answer");
    listener.until("holdfast.front.attack-began", |event| event["data"]["reason"] == "operator").await;
    let floods =
        listener.events().iter().filter(|event| event["type"] == "holdfast.front.limit-blocked").count();
    assert!(floods < 3, "{floods} messages for one flood");
    let state = server.operator().get("/webhook").await.expect("an answer").json();
    let key = state["publicKey"].as_str().expect("a public key");
    let key = VerifyingKey::read(Algorithm::Ed25519, key).expect("a key");
    for heard in listener.heard() {
        check_signed(&listener, &heard, &key);
    }
}

/// The message is signed by this key, as a whole.
#[track_caller]
fn check_signed(listener: &Listener, heard: &Heard, key: &VerifyingKey) {
    let values = |name: &str| -> Vec<Vec<u8>> {
        let found = heard.fields.iter().filter(|(known, _)| known == name);
        found.map(|(_, value)| value.clone().into_bytes()).collect()
    };
    let lines = |name: &str| values(name);
    let (inputs, signatures) = (lines("signature-input"), lines("signature"));
    let found =
        read(inputs.iter().map(Vec::as_slice), signatures.iter().map(Vec::as_slice)).expect("well formed");
    let (path, query) = heard.target.split_once('?').expect("a query");
    let authority = listener.address.to_string();
    let message = Message {
        method: "POST",
        scheme: listener.scheme,
        authority: &authority,
        path,
        query: Some(query),
        status: None,
        fields: &values,
    };
    assert_eq!(found[0].is_by(key, &message), Ok(true), "{heard:?}");
    assert_eq!(found[0].params.key_id.as_deref(), Some("town"));
    assert!(found[0].covers("content-digest") && found[0].covers("@target-uri"));
    let digests = lines("content-digest");
    let mut digesting = Digesting::of(digests.iter().map(Vec::as_slice)).expect("a digest");
    digesting.update(&heard.body);
    assert!(digesting.holds());
}

#[tokio::test]
async fn what_the_webhook_does_not_take_is_sent_again_and_keeps_nobody_waiting() {
    let folder = Folder::new();
    let listener = Listener::start(500);
    let server = start(&folder, &listener.settings());
    let operator = server.operator();
    operator.put("/attack", &json!({ "mode": "on" })).await.expect("an answer");
    let event = listener.until("holdfast.front.attack-began", |_| true).await;
    let twice = || listener.events().iter().filter(|again| again["id"] == event["id"]).count() > 1;
    for _ in 0..2400 {
        if twice() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(twice(), "it is sent again as the same event");
    let state = operator.get("/webhook").await.expect("an answer").json();
    assert_eq!(
        (&state["sent"], &state["lastFailure"]),
        (&json!(0), &json!("it answered 500 Internal Server Error"))
    );
    listener.status.store(200, SeqCst);
    for _ in 0..2400 {
        let state = operator.get("/webhook").await.expect("an answer").json();
        if state["queued"] == 0 && state["sent"].as_u64().is_some_and(|sent| sent > 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it was never taken");
}

/// How to speak TLS with a certificate of an authority of one's own, and that authority (PEM).
fn own_authority() -> (Arc<ServerConfig>, String) {
    let own = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&own).expect("a certificate");
    let issuer = Issuer::new(params, own);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("names");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("a key");
    let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("they are supported")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("it can be used");
    (Arc::new(tls), authority.pem())
}

#[tokio::test]
async fn a_webhook_with_an_authority_of_its_own_is_told_over_tls_and_another_is_told_nothing() {
    let folder = Folder::new();
    let (tls, authority) = own_authority();
    let (listener, stranger) =
        (Listener::start_with(204, Some(tls)), Listener::start_with(204, Some(own_authority().0)));
    let ca_file = tempfile::tempdir().expect("a folder");
    let ca_file = (ca_file.path().join("ca.pem"), ca_file);
    std::fs::write(&ca_file.0, authority).expect("it can be written");
    let of = |listener: &Listener| format!("{}ca-file = {:?}\n", listener.settings(), ca_file.0);
    let server = start(&folder, &of(&listener));
    let operator = server.operator();
    operator.put("/attack", &json!({ "mode": "on" })).await.expect("an answer");
    listener.until("holdfast.front.attack-began", |_| true).await;
    let state = operator.get("/webhook").await.expect("an answer").json();
    let key =
        VerifyingKey::read(Algorithm::Ed25519, state["publicKey"].as_str().expect("a key")).expect("a key");
    for heard in listener.heard() {
        check_signed(&listener, &heard, &key);
    }
    server.stop().expect("it stops");
    let server = start(&folder, &of(&stranger));
    let operator = server.operator();
    operator.put("/attack", &json!({ "mode": "on" })).await.expect("an answer");
    for _ in 0..2400 {
        let state = operator.get("/webhook").await.expect("an answer").json();
        if state["lastFailure"].as_str().is_some_and(|failure| failure.contains("certificate")) {
            assert!(stranger.heard().is_empty(), "nothing is said to somebody whom nobody vouches for");
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it was told, or nobody says why not");
}

async fn auditor(server: &Server) -> Client {
    let administrator = server.administrator().await.expect("the first password holds");
    let body = json!({ "userId": "ada", "password": PASSWORD, "kind": "government", "roles": ["auditor", "operator"] });
    let registered = administrator.post("/api/v1/persons", &body).await.expect("an answer");
    assert_eq!(registered.status, 201, "{}", registered.json());
    server.client().sign_in("ada", PASSWORD).await.expect("they sign in")
}

#[tokio::test]
async fn what_was_blocked_and_by_whom_stands_in_the_ledger_without_an_address() {
    let folder = Folder::new();
    let server = start(&folder, "");
    let auditor = auditor(&server).await;
    assert_eq!(server.operator().get("/webhook").await.expect("an answer").problem(), "server/no-webhook");
    let person = auditor.get("/api/v1/session").await.expect("an answer").json()["personId"].clone();
    let body = json!({ "network": "192.0.2.77/32", "seconds": 60, "reason": "Ada's neighbour" });
    let operator = server.operator();
    assert_eq!(operator.put("/blocks", &body).await.expect("an answer").status, 204);
    let blocked = until_recorded(&auditor, "network-blocked").await;
    assert_eq!((&blocked["network"], &blocked["reason"]), (&json!("192.0.2.0/24"), &json!("operator")));
    assert_eq!((&blocked["by"], &blocked["count"]), (&Value::Null, &json!(1)));
    let token = auditor.token.clone().expect("it has one");
    let named = server.operator().with_token(&token);
    assert_eq!(named.delete("/blocks?network=192.0.2.77/32").await.expect("an answer").status, 204);
    let taken_back = until_recorded(&auditor, "network-unblocked").await;
    assert_eq!(taken_back["by"], person, "whoever says who they are is named");
    let flood = server.client().with_field("x-forwarded-for", "198.51.100.7");
    for _ in 0..10 {
        flood.get("/health").await.expect("an answer");
    }
    server.stop().expect("it stops");
    let server = start(&folder, "");
    let auditor = server.client().with_token(&token);
    let flooded = until_recorded(&auditor, "limit-blocked").await;
    assert_eq!((&flooded["network"], &flooded["reason"]), (&json!("198.51.100.0/24"), &json!("flood")));
    let entries = auditor.get("/ledger/identity/entries").await.expect("an answer");
    let text = String::from_utf8_lossy(&entries.bytes).into_owned();
    assert!(
        !text.contains("neighbour") && !text.contains("192.0.2.77") && !text.contains("198.51.100.7"),
        "{text}"
    );
}

#[tokio::test]
async fn a_gateway_tells_of_floods_too_and_needs_something_to_sign_with() {
    let (listener, folder) = (Listener::start(204), tempfile::tempdir().expect("a folder"));
    let routes = "[pools.a]\nupstreams = [{ address = \"127.0.0.1:9\" }]\n[[routes]]\nname = \"all\"\npools = { a = 1 }\n";
    let settings = format!("region = \"north\"\n{LIMIT}{}{routes}", listener.settings());
    let unsigned = Gateway::start(&settings).expect_err("it has no key");
    assert!(format!("{unsigned:#}").contains("nothing to sign with"), "{unsigned:#}");
    let keys = format!("keys = {:?}\n", folder.path().join("keys.json"));
    let gateway = Gateway::start(&format!("{keys}{settings}")).expect("it starts");
    let flood = gateway.client().with_field("x-forwarded-for", "192.0.2.77");
    for _ in 0..30 {
        flood.get("/").await.expect("an answer");
    }
    let event = listener.until("holdfast.front.limit-blocked", |_| true).await;
    assert_eq!((&event["subject"], &event["source"]), (&json!("192.0.2.77/32"), &json!("//gateway/north")));
    assert_eq!(gateway.operator().get("/webhook").await.expect("an answer").json()["keyId"], "town");
}
