//! A server that lies: it stands between the drill and an honest one, and changes what is said.
//!
//! What a bug does can only be seen in what a server says, so bugs are planted there, on the wire: no build that could
//! ever be shipped has one in it.

mod door;
mod entries;
mod votes;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// Says that somebody was registered, and forgets it, as who answers before the sync does in a crash.
    Forgets,
    /// Says that a change was made, which another one overwrote.
    LosesAnUpdate,
    /// Leaves an entry out of the audit trail.
    DropsAnEntry,
    /// Says that the page behind each page of the audit trail is that page.
    StandsStill,
    /// Gives a receipt that proves something else.
    ForgesAReceipt,
    /// Gives two people one receipt.
    GivesOneReceiptTwice,
    /// Shows what was, after it was changed.
    ShowsWhatWas,
    /// Lets a token pass whose session has ended.
    LetsTheEndedPass,
    /// Does what it is asked twice.
    DoesItTwice,
    /// Takes back what it once signed: an older tree for a newer one.
    TakesBack,
    /// Takes a signature that was used before.
    TakesItAgain,
    /// Takes a signature by anybody's device for anybody's.
    TakesAnothersDevice,
    /// Signs somebody in who was erased.
    SignsTheErasedIn,
    /// Shows somebody who was erased.
    KeepsTheErased,
    /// Leaves out of what somebody is told about themselves that their standing was changed.
    HidesAnEntry,
    /// Says that a vote was taken, and throws it away.
    ThrowsAVoteAway,
    /// Puts one vote on the board twice.
    PutsAVoteInTwice,
    /// Counts one voter twice.
    CountsAVoterTwice,
    /// Counts a vote for one option as one for another.
    CountsAVoteForAnother,
    /// Serves to everybody what is for operators, and describes no route as guarded.
    GuardsNothing,
    /// Refuses one in 25 of everybody, as if they had asked too often.
    RefusesSome,
}

pub(super) const LIES: [Lie; 20] = [
    Lie::Forgets,
    Lie::LosesAnUpdate,
    Lie::DropsAnEntry,
    Lie::StandsStill,
    Lie::ForgesAReceipt,
    Lie::GivesOneReceiptTwice,
    Lie::ShowsWhatWas,
    Lie::LetsTheEndedPass,
    Lie::DoesItTwice,
    Lie::TakesBack,
    Lie::TakesItAgain,
    Lie::TakesAnothersDevice,
    Lie::SignsTheErasedIn,
    Lie::KeepsTheErased,
    Lie::HidesAnEntry,
    Lie::ThrowsAVoteAway,
    Lie::PutsAVoteInTwice,
    Lie::CountsAVoterTwice,
    Lie::CountsAVoteForAnother,
    Lie::GuardsNothing,
];

/// One in so many is lied about: bugs are rare.
const ONE_IN: u64 = 7;

struct Liar {
    lie: Lie,
    honest: SocketAddr,
    http: Client<HttpConnector, Full<Bytes>>,
    asked: AtomicU64,
    /// Answers as they were first, by what was asked.
    first: Mutex<BTreeMap<String, (StatusCode, Bytes)>>,
}

/// Stands before an honest server, and lies in one way; it lives as long as the process.
pub(super) fn before(honest: SocketAddr, lie: Lie) -> SocketAddr {
    let (sender, address) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            sender.send(listener.local_addr().expect("an address")).expect("somebody waits");
            let http = Client::builder(TokioExecutor::new()).build_http();
            let (asked, first) = (AtomicU64::new(0), Mutex::default());
            let liar = Arc::new(Liar { lie, honest, http, asked, first });
            while let Ok((stream, _)) = listener.accept().await {
                let liar = Arc::clone(&liar);
                tokio::spawn(async move {
                    let answer = service_fn(move |request| answer(Arc::clone(&liar), request));
                    // A caller who goes away is no failure.
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await
                        .unwrap_or_default();
                });
            }
        });
    });
    address.recv().expect("it listens")
}

async fn answer(liar: Arc<Liar>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.clone(), parts.uri.to_string());
    let body = body.collect().await?.to_bytes();
    if liar.lie == Lie::RefusesSome && liar.asked.fetch_add(1, Ordering::Relaxed) % 25 == 24 {
        let mut refused = Response::new(Full::from("{}"));
        *refused.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        return Ok(refused);
    }
    let token = parts.headers.get(header::AUTHORIZATION).map(|token| token.as_bytes().to_vec());
    let key = format!("{method} {path} {token:?} {}", String::from_utf8_lossy(&body));
    let ask = async |body: Bytes| {
        let mut request = Request::builder().method(&method).uri(format!("http://{}{path}", liar.honest));
        for (name, value) in parts
            .headers
            .iter()
            .filter(|(name, _)| **name != header::HOST && **name != header::CONTENT_LENGTH)
        {
            request = request.header(name, value);
        }
        let answer = liar.http.request(request.body(Full::from(body)).expect("it was one")).await;
        let (head, body) = answer.expect("the honest one answers").into_parts();
        (head, body.collect().await.expect("it comes whole").to_bytes())
    };
    let (mut head, mut bytes) = ask(body.clone()).await;
    let is_registration = method == Method::POST && path == "/api/v1/persons" && head.status == 201;
    let is_vote = method == Method::POST && path == "/api/v1/voting/submit" && head.status == 201;
    if liar.lie == Lie::PutsAVoteInTwice && is_vote && liar.turn() {
        ask(body.clone()).await;
    }
    if liar.lie == Lie::DoesItTwice && is_registration && liar.turn() {
        let mut twice: Value = serde_json::from_slice(&body).expect("it was read");
        twice["userId"] = json!(format!("{}-", twice["userId"].as_str().unwrap_or_default()));
        ask(Bytes::from(twice.to_string())).await;
    }
    let asked = Asked { method: &method, path: &path, key: &key, body: &body };
    if let Some((status, lie)) = liar.lie(&asked, head.status, &bytes) {
        (head.status, bytes) = (status, lie);
    }
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::TRANSFER_ENCODING);
    Ok(Response::from_parts(head, Full::from(bytes)))
}

/// A question, and what tells it from others.
struct Asked<'a> {
    method: &'a Method,
    path: &'a str,
    key: &'a str,
    body: &'a Bytes,
}

impl Liar {
    /// Is it this one's turn?
    fn turn(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) % ONE_IN == ONE_IN - 1
    }

    /// What was answered first to this question; the honest answer if it is the first.
    fn first(&self, key: &str, status: StatusCode, bytes: &Bytes) -> (StatusCode, Bytes) {
        let mut first = self.first.lock().expect("nobody panics");
        first.entry(key.to_owned()).or_insert_with(|| (status, bytes.clone())).clone()
    }

    /// Is the lie to say what was said first to this question?
    fn says_it_again(&self, method: &Method, path: &str, status: StatusCode) -> bool {
        let of_a_person = method == Method::GET && path.starts_with("/api/v1/persons/");
        match self.lie {
            Lie::ShowsWhatWas => of_a_person && status == 200,
            Lie::KeepsTheErased => of_a_person,
            Lie::LetsTheEndedPass => method == Method::GET && path == "/api/v1/session",
            Lie::Forgets
            | Lie::LosesAnUpdate
            | Lie::DropsAnEntry
            | Lie::StandsStill
            | Lie::ForgesAReceipt
            | Lie::GivesOneReceiptTwice
            | Lie::DoesItTwice
            | Lie::TakesBack
            | Lie::TakesItAgain
            | Lie::TakesAnothersDevice
            | Lie::SignsTheErasedIn
            | Lie::HidesAnEntry
            | Lie::ThrowsAVoteAway
            | Lie::PutsAVoteInTwice
            | Lie::CountsAVoterTwice
            | Lie::CountsAVoteForAnother
            | Lie::GuardsNothing
            | Lie::RefusesSome => false,
        }
    }

    /// What is said in place of the truth, if this is a moment to lie.
    fn lie(&self, asked: &Asked<'_>, status: StatusCode, bytes: &Bytes) -> Option<(StatusCode, Bytes)> {
        let Asked { method, path, key, .. } = *asked;
        if method == Method::POST && path == "/api/v1/authenticate" {
            return self.at_the_door(asked, status, bytes);
        }
        if self.says_it_again(method, path, status) {
            return Some(self.first(key, status, bytes));
        }
        let registers = method == Method::POST && path == "/api/v1/persons" && status == 201;
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut body: Value = serde_json::from_slice(bytes).ok()?;
            change(&mut body);
            Some((status, Bytes::from(body.to_string())))
        };
        if let Some(lie) = self.about_votes(path, status).or_else(|| self.about_entries(path, status)) {
            return changed(&lie);
        }
        match self.lie {
            // The entry that it names will never be there.
            Lie::Forgets if registers && self.turn() => changed(&|body| {
                body["receipt"]["index"] = json!(1_000_000 + self.asked.load(Ordering::Relaxed))
            }),
            Lie::LosesAnUpdate if method == Method::GET && path.ends_with("/device-keys") => {
                changed(&|body| {
                    let keys = body["deviceKeys"].as_array_mut();
                    keys.into_iter().for_each(|keys| drop(keys.pop()));
                })
            }
            Lie::ForgesAReceipt if registers && self.turn() => {
                let leaf = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
                changed(&|body| body["receipt"]["leafHash"] = json!(leaf))
            }
            Lie::GivesOneReceiptTwice if registers && self.turn() => {
                let (_, first) = self.first("receipt", status, bytes);
                let first: Value = serde_json::from_slice(&first).ok()?;
                changed(&|body| body["receipt"] = first["receipt"].clone())
            }
            Lie::TakesBack if path.ends_with("/checkpoint") => {
                // The second time it is asked and ever after, what it said the first time, a little smaller.
                let (_, first) = self.first(path, status, bytes);
                (first != bytes && self.turn()).then_some((status, first))
            }
            Lie::GuardsNothing if path == "/openapi.json" => changed(&calls_nothing_guarded),
            Lie::GuardsNothing if path == "/api/v1/queues" => Some((StatusCode::OK, Bytes::from("{}"))),
            Lie::Forgets
            | Lie::LosesAnUpdate
            | Lie::DropsAnEntry
            | Lie::StandsStill
            | Lie::ForgesAReceipt
            | Lie::GivesOneReceiptTwice
            | Lie::ShowsWhatWas
            | Lie::LetsTheEndedPass
            | Lie::DoesItTwice
            | Lie::TakesBack
            | Lie::TakesItAgain
            | Lie::TakesAnothersDevice
            | Lie::SignsTheErasedIn
            | Lie::KeepsTheErased
            | Lie::HidesAnEntry
            | Lie::ThrowsAVoteAway
            | Lie::PutsAVoteInTwice
            | Lie::CountsAVoterTwice
            | Lie::CountsAVoteForAnother
            | Lie::GuardsNothing
            | Lie::RefusesSome => None,
        }
    }
}

/// A description in which no route says that it wants a token.
fn calls_nothing_guarded(description: &mut Value) {
    let paths = description["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in paths.filter_map(Value::as_object_mut).flat_map(|path| path.values_mut()) {
        operation.as_object_mut().map(|operation| operation.remove("security"));
    }
}
