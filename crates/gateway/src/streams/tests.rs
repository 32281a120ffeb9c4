//! A gateway without sockets of its own before a server that speaks HTTP/2.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use clock::Clock;
use edge::{Content, Passing, RequestId};
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use problem::Code;
use tokio::net::TcpListener;

use crate::{CacheConfig, Gateway, TableConfig, Terms};

/// A server that says what it is told to, and how many connections it took.
struct Server {
    address: std::net::SocketAddr,
    connections: Arc<AtomicU32>,
    /// Those that have not ended.
    open: Arc<AtomicU32>,
}

impl Server {
    /// With so many streams at once on each connection.
    async fn start<F>(
        streams_max: u32,
        answer: impl Fn(Request<Incoming>) -> F + Copy + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Content> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Self {
            address: listener.local_addr().expect("an address"),
            connections: Arc::default(),
            open: Arc::default(),
        };
        let (connections, open) = (server.connections.clone(), server.open.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, SeqCst);
                let service = service_fn(move |request| {
                    let body = answer(request);
                    async move { Ok::<_, Infallible>(Response::new(body.await)) }
                });
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.max_concurrent_streams(streams_max);
                let open = open.clone();
                open.fetch_add(1, SeqCst);
                let serving = builder.serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move {
                    let _ended = serving.await;
                    open.fetch_sub(1, SeqCst);
                });
            }
        });
        server
    }

    /// A gateway that passes everything on to it, with these settings of the pool.
    fn gateway(&self, pool: &str) -> Gateway {
        let text = format!(
            "[pools.main]\nprotocol = \"2\"\nupstreams = [{{ address = \"{}\" }}]\n{pool}\n\
             [[routes]]\nname = \"all\"\npools = {{ main = 1 }}\n",
            self.address
        );
        let table: TableConfig = toml::from_str(&text).expect("settings");
        let body_bytes_max = 100_000_000.try_into().expect("it is not zero");
        let terms = Terms { is_encrypted: false, body_bytes_max, cache: CacheConfig::default() };
        Gateway::new(table, terms, Clock::System).expect("a table")
    }
}

async fn answer(gateway: &Gateway, path: &str, host: &str, body: Content) -> Response<Content> {
    let request = Request::post(path).header("host", host).body(body).expect("a request");
    let id = RequestId::of(None, &Clock::System);
    gateway.clone().handle(request, Passing { client: None, id, seat: None }).await.response
}

/// What became of a request: its status, and why if it was refused.
fn outcome(response: &Response<Content>) -> (u16, Option<&'static str>) {
    (response.status().as_u16(), response.extensions().get::<Code>().map(|code| code.0))
}

async fn ask(gateway: &Gateway, host: &str, body: Content) -> (u16, Option<&'static str>) {
    outcome(&answer(gateway, "/a", host, body).await)
}

/// Requests that an upstream was sent, and those that are held against it.
fn counts(gateway: &Gateway) -> (u64, u64) {
    gateway.table().pools["main"].counts()
}

/// It begins, and nothing more of it comes.
fn stalled() -> Content {
    let begun = futures_util::stream::iter([Ok::<_, Infallible>(http_body::Frame::data(Bytes::from("x")))]);
    Content::new(StreamBody::new(futures_util::StreamExt::chain(begun, futures_util::stream::pending())))
}

async fn read_first(request: Request<Incoming>) -> Content {
    let read = request.into_body().collect().await;
    Content::from(if read.is_ok() { "read" } else { "broken off" })
}

#[tokio::test]
async fn callers_who_stop_sending_are_not_held_against_an_upstream_that_listens() {
    let server = Server::start(100, read_first).await;
    let gateway = server.gateway("times = { first-byte-ms-max = 200 }");
    let callers = (0..12).map(|_| ask(&gateway, "a", stalled()));
    for answered in futures_util::future::join_all(callers).await {
        assert_eq!(answered, (400, Some("gateway/broken-body")));
    }
    assert_eq!(counts(&gateway), (12, 0));
    assert_eq!(ask(&gateway, "a", Content::from("x")).await, (200, None), "nobody else is kept from it");
}

#[tokio::test]
async fn an_upstream_that_takes_no_more_or_has_all_of_it_is_what_is_too_slow() {
    let server = Server::start(100, |request: Request<Incoming>| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(request);
        Content::empty()
    })
    .await;
    let gateway = server.gateway("times = { first-byte-ms-max = 200 }");
    let pieces =
        std::iter::repeat_with(|| Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(vec![7; 50_000]))));
    let long = futures_util::stream::iter(pieces.take(100));
    let endless = futures_util::StreamExt::chain(long, futures_util::stream::pending());
    for body in [Content::from("x"), Content::new(StreamBody::new(endless))] {
        assert_eq!(ask(&gateway, "a", body).await, (504, Some("gateway/too-slow")));
    }
    assert_eq!(counts(&gateway), (2, 2));
}

#[tokio::test]
async fn a_request_that_cannot_be_said_in_http_2_is_its_callers_fault_and_is_sent_to_nobody() {
    let server = Server::start(100, read_first).await;
    let gateway = server.gateway("ejection = { failures-max = 1 }");
    for host in ["", "[", "a%zz", "a:b:c"] {
        assert_eq!(
            ask(&gateway, host, Content::empty()).await,
            (400, Some("gateway/unfit-request")),
            "{host}"
        );
    }
    assert_eq!((counts(&gateway), server.connections.load(SeqCst)), ((0, 0), 0));
}

/// Answers of `/events` begin and never end.
async fn endless_or_not(request: Request<Incoming>) -> Content {
    if request.uri().path() == "/events" { stalled() } else { Content::from("plain") }
}

#[tokio::test]
async fn when_a_connection_has_all_the_requests_it_takes_the_next_goes_over_another() {
    let server = Server::start(2, endless_or_not).await;
    let gateway = server.gateway("times = { first-byte-ms-max = 2000 }");
    // Nobody knows yet how many it takes.
    let events = (0..6).map(|_| answer(&gateway, "/events", "a", Content::empty()));
    let events = futures_util::future::join_all(events).await;
    assert!(events.iter().all(|event| outcome(event) == (200, None)));
    for _ in 0..6 {
        assert_eq!(ask(&gateway, "a", Content::empty()).await, (200, None));
    }
    assert_eq!((counts(&gateway), server.connections.load(SeqCst)), ((12, 0), 4));
    drop(events);
    let again = (0..8).map(|_| ask(&gateway, "a", Content::empty()));
    assert_eq!(futures_util::future::join_all(again).await, [(200, None); 8]);
    assert_eq!(server.connections.load(SeqCst), 4, "places that are free again are taken");
}

#[tokio::test]
async fn what_fits_on_no_connection_is_refused_at_once_and_is_nobodys_fault() {
    let server = Server::start(1, endless_or_not).await;
    let gateway = server.gateway("connections = { idle-max = 2 }\nbreaker = { calls-min = 1 }");
    let events = (0..2).map(|_| answer(&gateway, "/events", "a", Content::empty()));
    let mut events = futures_util::future::join_all(events).await;
    for _ in 0..5 {
        assert_eq!(ask(&gateway, "a", Content::empty()).await, (503, Some("gateway/full")));
    }
    events.pop();
    assert_eq!(ask(&gateway, "a", Content::empty()).await, (200, None));
    assert_eq!((counts(&gateway).1, server.connections.load(SeqCst)), (0, 2));
}

#[tokio::test]
async fn a_connection_that_nobody_uses_any_more_is_closed() {
    let server = Server::start(100, endless_or_not).await;
    let gateway = server.gateway("connections = { idle-ms-max = 100 }");
    let events = answer(&gateway, "/events", "a", Content::empty()).await;
    tokio::time::sleep(Duration::from_millis(2200)).await;
    assert_eq!(server.open.load(SeqCst), 1, "somebody uses it");
    drop(events);
    tokio::time::sleep(Duration::from_millis(2200)).await;
    assert_eq!(server.open.load(SeqCst), 0);
    assert_eq!(ask(&gateway, "a", Content::empty()).await, (200, None));
    assert_eq!(server.connections.load(SeqCst), 2);
}
