//! Servers behind the gateway that end their HTTP/2 connections as they should, saying what they did not look at.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use http::Method;
use rig::Gateway;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
const PREFACE_BYTES: usize = 24;
const REFUSED_STREAM: u32 = 7;
/// `:status: 200` in the static table of HPACK.
const OK: &[u8] = b"\x88";

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// Kind, flags, stream and payload of the next frame.
fn next(stream: &mut TcpStream) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let [high, middle, low, kind, flags, id @ ..] = head;
    let mut payload =
        vec![0; usize::try_from(u32::from_be_bytes([0, high, middle, low])).expect("it is short")];
    stream.read_exact(&mut payload).ok()?;
    Some((kind, flags, u32::from_be_bytes(id), payload))
}

fn answer(id: u32, body: &[u8]) -> Vec<u8> {
    [frame(HEADERS, END_HEADERS, id, OK), frame(DATA, END_STREAM, id, body)].concat()
}

fn goodbye(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), 0_u32.to_be_bytes()].concat())
}

/// What is said to a request that came whole: how many came before it on its connection, how many
/// connections came before that, on which stream it came, and its body.
type Rule = dyn Fn(usize, usize, u32, &[u8]) -> Vec<u8> + Send + Sync;

/// A server that speaks HTTP/2 by a rule, and counts its connections.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// Requests that came whole.
    whole: Arc<AtomicUsize>,
}

impl Server {
    fn start(rule: impl Fn(usize, usize, u32, &[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let rule: Arc<Rule> = Arc::new(rule);
        let server = Self { address, connections: Arc::default(), whole: Arc::default() };
        let (connections, whole) = (server.connections.clone(), server.whole.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (rule, number, whole) = (rule.clone(), connections.fetch_add(1, SeqCst), whole.clone());
                thread::spawn(move || serve(stream, number, &*rule, &whole));
            }
        });
        server
    }

    /// Settings of a gateway in front of it, with one thread.
    fn settings(&self) -> String {
        format!(
            "[public]\nthreads = 1\n[pools.main]\nupstreams = [{{ address = \"{}\" }}]\nprotocol = \"2\"\n\
             health = {{ active = false }}\n[[routes]]\nname = \"all\"\npools = {{ main = 1 }}\n",
            self.address
        )
    }
}

fn serve(mut stream: TcpStream, connection: usize, rule: &Rule, all: &AtomicUsize) -> Option<()> {
    stream.read_exact(&mut [0; PREFACE_BYTES]).ok()?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).ok()?;
    let (mut whole, mut bodies) = (0, std::collections::HashMap::<u32, Vec<u8>>::new());
    loop {
        let (kind, flags, id, payload) = next(&mut stream)?;
        match kind {
            SETTINGS if flags & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, &[])).ok()?,
            DATA => bodies.entry(id).or_default().extend(payload),
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM > 0 {
            let said = rule(whole, connection, id, &bodies.remove(&id).unwrap_or_default());
            stream.write_all(&said).ok()?;
            whole += 1;
            all.fetch_add(1, SeqCst);
        }
    }
}

async fn failed(gateway: &Gateway) -> u64 {
    let state = gateway.operator().get("/gateway").await.expect("an answer").json();
    state["pools"][0]["upstreams"][0]["failed"].as_u64().expect("a count")
}

/// Posts so many bodies at once, of this many bytes: each is given back.
async fn post(gateway: &Gateway, count: usize, bytes: usize) -> Vec<u16> {
    let callers: Vec<_> = (0..count)
        .map(|number| {
            let client = gateway.client();
            let body = format!("{number:0>bytes$}").into_bytes();
            tokio::spawn(async move {
                let answer = client.send(Method::POST, "/a", "text/plain", body.clone()).await;
                let answer = answer.expect("an answer");
                assert!(answer.status != 200 || answer.bytes == body, "{number} is answered for itself");
                answer.status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for caller in callers {
        statuses.push(caller.await.expect("it is answered"));
    }
    statuses
}

#[tokio::test]
async fn what_an_ending_connection_did_not_look_at_is_sent_again_and_is_nobodys_fault() {
    // The first waits for twenty, and looks at one of them.
    let server = Server::start(|whole, connection, id, body| match (connection, whole) {
        (0, 0..19) => Vec::new(),
        (0, _) => [goodbye(1), answer(1, b"")].concat(),
        _ => answer(id, body),
    });
    let gateway = Gateway::start(&server.settings()).expect("it starts");
    // One comes first for certain, and is the one that is looked at.
    let client = gateway.client();
    let first = tokio::spawn(async move { client.get("/first").await.expect("an answer").status });
    while server.whole.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(post(&gateway, 19, 1000).await, [200; 19]);
    assert_eq!(first.await.expect("it is answered"), 200);
    assert_eq!(server.connections.load(SeqCst), 2, "they all go to one other connection");
    assert_eq!(failed(&gateway).await, 0);
}

#[tokio::test]
async fn a_connection_that_said_goodbye_is_given_nothing_more() {
    let server = Server::start(|_, _, id, body| [answer(id, body), goodbye(id)].concat());
    let gateway = Gateway::start(&server.settings()).expect("it starts");
    for _ in 0..20 {
        assert_eq!(post(&gateway, 1, 100).await, [200]);
    }
    assert_eq!((server.connections.load(SeqCst), failed(&gateway).await), (20, 0));
}

#[tokio::test]
async fn what_is_refused_unseen_goes_out_again_a_few_times() {
    let refusal = |id| frame(RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes());
    let server = Server::start(move |whole, _, id, body| match whole {
        0 | 1 => refusal(id),
        _ => answer(id, body),
    });
    let gateway = Gateway::start(&server.settings()).expect("it starts");
    assert_eq!(post(&gateway, 1, 100).await, [200]);
    assert_eq!((server.connections.load(SeqCst), failed(&gateway).await), (1, 0));
    // Who refuses everything is no better than one who fails.
    let server = Server::start(move |_, _, id, _| refusal(id));
    let gateway = Gateway::start(&server.settings()).expect("it starts");
    assert_eq!(post(&gateway, 1, 100).await, [502]);
    let asked = server.whole.load(SeqCst);
    assert!((3..=9).contains(&asked), "{asked}");
    assert!(failed(&gateway).await > 0);
}
