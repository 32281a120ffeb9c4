//! A served port, and a caller who writes bytes as they please.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use authz::{Actor, Claims, PersonKind, Roles};
use clock::Clock;
use edge::{
    Answer, Direct, Edge, EdgeConfig, Forward, Front, FrontConfig, Handle, Identify, LimitsConfig,
    ListenConfig, TlsConfig, Traffic, serve_forwarding, serve_on,
};
use http::{Method, header::AUTHORIZATION};
use ids::Id;
use limiter::Shared;
use overload::Overload;
use problem::Problem;
use telemetry::Metrics;

pub(crate) struct Rig {
    pub(crate) handle: Handle,
    pub(crate) metrics: Metrics,
    pub(crate) front: Front,
    pub(crate) overload: Overload,
}

pub(crate) fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not zero")
}

/// Serves with the default limits.
pub(crate) fn start() -> Rig {
    start_with(|_, _| ())
}

/// Serves behind a front of the test's.
pub(crate) fn start_behind(front: &FrontConfig) -> Rig {
    serve_with(|_, _| (), front)
}

/// Passes everything on.
pub(crate) fn start_forwarding(forward: &Forward) -> Rig {
    start_forwarding_behind(forward, &open_front())
}

/// Passes on what a front of the test's lets through.
pub(crate) fn start_forwarding_behind(forward: &Forward, front: &FrontConfig) -> Rig {
    let (clock, metrics) = (Clock::System, Metrics::new());
    let front = Front::new(front, &clock, &metrics, None, [0; 32]).expect("settings that can be held to");
    let traffic = Traffic::new(&metrics);
    let edge = Edge::new(EdgeConfig::default(), clock, traffic, Identify::nobody(), front.clone());
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = ListenConfig { address, threads: NonZeroUsize::new(2), ..ListenConfig::default() };
    let handle =
        serve_forwarding(Vec::new(), &listen, &edge, forward, &Direct::none()).expect("a port is free");
    let overload = Overload::new(EdgeConfig::default().overload);
    Rig { handle, metrics, front, overload }
}

/// Serves with limits of the test's, and lets everybody through the front.
pub(crate) fn start_with(set: impl FnOnce(&mut EdgeConfig, &mut ListenConfig)) -> Rig {
    serve_with(set, &open_front())
}

/// No limits at all.
pub(crate) fn open_front() -> FrontConfig {
    let limits = LimitsConfig { rules: Vec::new(), ..LimitsConfig::default() };
    FrontConfig { limits, ..FrontConfig::default() }
}

/// A government's person, each token another.
fn person(token: &[u8]) -> Actor {
    let number = token.last().copied().unwrap_or_default();
    Actor::person(Claims {
        person: Id::new(1, [number; 10]),
        number: number.into(),
        kind: PersonKind::Government,
        roles: Roles::default(),
        session: Id::new(1, [number; 10]),
    })
}

/// Serves on sockets that listen already.
pub(crate) fn start_on(sockets: Vec<TcpListener>) -> Rig {
    serve_all(sockets, |_, _| (), &open_front(), None)
}

/// Serves with all that can be set.
pub(crate) fn serve_with(set: impl FnOnce(&mut EdgeConfig, &mut ListenConfig), front: &FrontConfig) -> Rig {
    serve_all(Vec::new(), set, front, None)
}

/// Serves behind a front of the test's that counts with others.
pub(crate) fn start_sharing(front: &FrontConfig, shared: Shared) -> Rig {
    serve_all(Vec::new(), |_, _| (), front, Some(shared))
}

fn serve_all(
    sockets: Vec<TcpListener>,
    set: impl FnOnce(&mut EdgeConfig, &mut ListenConfig),
    front: &FrontConfig,
    shared: Option<Shared>,
) -> Rig {
    let mut limits = EdgeConfig::default();
    let mut listen = ListenConfig {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        threads: NonZeroUsize::new(2),
        drain_ms_max: nonzero(2000),
        tls: TlsConfig::Off,
        ..ListenConfig::default()
    };
    set(&mut limits, &mut listen);
    let metrics = Metrics::new();
    let identify = Identify::by(|fields| match fields.get(&AUTHORIZATION) {
        None => Ok(Actor::ANONYMOUS),
        Some(b"Bearer good") => Ok(Actor::service("test")),
        Some(token) if token.starts_with(b"Bearer person-") => Ok(person(token)),
        Some(_) => Err(Problem::unauthorized("test/bad-token", "the token does not hold", "Bearer")),
    });
    let front =
        Front::new(front, &Clock::System, &metrics, shared, [7; 32]).expect("limits that can be held to");
    let overload = Overload::new(limits.overload.clone());
    overload.register(&metrics);
    let traffic = Traffic::new(&metrics);
    let edge = Edge::with_overload(limits, Clock::System, traffic, identify, front.clone(), overload.clone());
    let handle =
        serve_on(sockets, &listen, &edge, &crate::http::routes(), &direct()).expect("a port is free");
    Rig { handle, metrics, front, overload }
}

fn direct() -> Direct {
    Direct::none()
        .route(Method::GET, "/session", |ask| {
            let known = ask.fields.get(&AUTHORIZATION).is_some();
            known.then(|| Answer::json(b"{\"session\":1}".as_slice()).not_stored())
        })
        .route(Method::GET, "/direct-panic", |_| panic!("hunter2"))
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// It is a problem document of this status and code, as every refusal must be.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, code: &str) -> serde_json::Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.field("x-content-type-options"), Some("nosniff"), "{self:?}");
        let document: serde_json::Value = serde_json::from_str(&self.body).expect("it is JSON");
        assert_eq!(document["type"], format!("/problems/{code}"));
        assert_eq!(document["status"], status);
        document
    }
}

impl Rig {
    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.address()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket has time-outs");
        stream
    }

    /// A connection on which these bytes were said.
    pub(crate) fn connect_and_say(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("it listens");
        stream
    }

    /// Says these bytes and listens until the connection is closed.
    pub(crate) fn say(&self, bytes: &[u8]) -> Vec<Reply> {
        let mut stream = self.connect();
        // The edge may refuse and close before it has heard us out.
        let _said = stream.write_all(bytes);
        replies(&listen(&mut stream))
    }

    /// Asks once.
    pub(crate) fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> Reply {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: edge\r\nconnection: close\r\ncontent-length: {length}\r\n{fields}\r\n{body}"
        );
        self.say(request.as_bytes()).pop().expect("it answers")
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "", "")
    }
}

/// What comes until the connection is closed.
pub(crate) fn listen(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    // A reset after the answer is as good an end as any, but there must be an end.
    if let Err(error) = stream.read_to_end(&mut heard) {
        assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the connection stays open");
    }
    heard
}

/// Reads one answer from a connection that stays open.
pub(crate) fn hear_one(stream: &mut TcpStream) -> Reply {
    let (mut heard, mut byte) = (Vec::new(), [0]);
    while !heard.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer comes");
        heard.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&heard).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
    stream.read_exact(&mut body).expect("its body comes");
    heard.extend(body);
    replies(&heard).pop().expect("a whole answer")
}

/// All whole answers in these bytes.
pub(crate) fn replies(mut bytes: &[u8]) -> Vec<Reply> {
    let mut found = Vec::new();
    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status line");
        let mut reply = Reply { status, head, body: String::new() };
        let length = reply.field("content-length").map_or(0, |length| length.parse().expect("a length"));
        let Some(body) = bytes.get(end + 4..end + 4 + length) else { break };
        reply.body = String::from_utf8_lossy(body).into_owned();
        bytes = &bytes[end + 4 + length..];
        found.push(reply);
    }
    found
}
