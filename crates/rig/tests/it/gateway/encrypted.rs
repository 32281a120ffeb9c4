//! Servers behind the gateway that speak TLS and HTTP/2.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http2,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{CertificateParams, KeyPair};
use rig::Gateway;
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::until;

type Frames = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, std::io::Error>>>>;

fn frames(frames: Vec<Frame<Bytes>>) -> Frames {
    StreamBody::new(stream::iter(frames.into_iter().map(Ok).collect::<Vec<_>>()))
}

fn trailers(name: &'static str, value: &str) -> Frame<Bytes> {
    let value = HeaderValue::from_str(value).expect("a value");
    Frame::trailers(HeaderMap::from_iter([(http::HeaderName::from_static(name), value)]))
}

/// Says what came, as gRPC would: in the body, and behind it.
async fn echo(request: Request<Incoming>) -> Result<Response<Frames>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let whole = body.collect().await?;
    let told = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
    let sum = whole.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
    let host = parts.uri.host().map_or_else(|| told("host").to_owned(), str::to_owned);
    let line = format!(
        "{:?} {} {host} te={} for={} sum={sum:?} ",
        parts.version,
        parts.uri.path(),
        told("te"),
        told("x-forwarded-for")
    );
    let http2 = parts.version == Version::HTTP_2;
    let mut answer = vec![Frame::data(line.into()), Frame::data(whole.to_bytes())];
    answer.extend(http2.then(|| trailers("grpc-status", "0")));
    Ok(Response::new(frames(answer)))
}

/// A certificate for 127.0.0.1, with its key, and a file in which it vouches for itself.
struct Certificate {
    config: Arc<ServerConfig>,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Certificate {
    fn new() -> Self {
        Self::spoken_in(&rustls::version::TLS13)
    }

    /// Shown by a server that speaks this version only.
    fn spoken_in(version: &'static rustls::SupportedProtocolVersion) -> Self {
        let key = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
        let certificate = parameters.self_signed(&key).expect("a certificate").pem();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, &certificate).expect("it can be written");
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("PEM");
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .expect("they go together");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { config: Arc::new(config), file, _folder: folder }
    }
}

/// Serves what [`echo`] says on a free port, for as long as the test runs.
async fn serve(certificate: Option<&Certificate>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let acceptor = certificate.map(|certificate| TlsAcceptor::from(certificate.config.clone()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                match acceptor {
                    None => converse(stream).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            converse(stream).await;
                        }
                    }
                }
            });
        }
    });
    address
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let serving = auto::Builder::new(TokioExecutor::new());
    drop(serving.serve_connection(TokioIo::new(stream), service_fn(echo)).await);
}

fn settings(address: SocketAddr, pool: &str) -> String {
    format!(
        "[pools.main]\nupstreams = [{{ address = \"{address}\" }}]\n\
         health = {{ interval-ms = 50, answer-ms-max = 20000 }}\n{pool}\n\
         [[routes]]\nname = \"all\"\npools = {{ main = 1 }}\n"
    )
}

/// Posts `body` in two pieces with trailers behind it, in HTTP/2: what came back, and what came behind that.
async fn call(gateway: &Gateway, body: &[u8]) -> (String, Option<HeaderMap>) {
    let stream = TcpStream::connect(gateway.public).await.expect("it listens");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let (first, second) = body.split_at(body.len() / 2);
    let pieces = [first, second].map(|piece| Frame::data(Bytes::copy_from_slice(piece)));
    let body = frames(pieces.into_iter().chain([trailers("x-sum", "42")]).collect());
    let request = Request::post(format!("http://town.example:{}/call", gateway.public.port()))
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(body)
        .expect("a request");
    let answer = sender.send_request(request).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let whole = answer.into_body().collect().await.expect("it comes whole");
    let behind = whole.trailers().cloned();
    (String::from_utf8_lossy(&whole.to_bytes()).into_owned(), behind)
}

#[tokio::test]
async fn http_2_passes_with_its_trailers_both_ways() {
    let certificate = Certificate::new();
    let (bare, encrypted) = (serve(None).await, serve(Some(&certificate)).await);
    let tls = format!("protocol = \"2\"\ntls = {{ ca-file = {:?} }}\n", certificate.file);
    for (address, pool) in [(bare, "protocol = \"2\"\n"), (encrypted, &*tls)] {
        let gateway = Gateway::start(&settings(address, pool)).expect("it starts");
        let body = "x".repeat(300_000);
        for _ in 0..3 {
            let (said, behind) = call(&gateway, body.as_bytes()).await;
            let (line, echoed) = said.split_at(said.len() - body.len());
            assert_eq!(line, "HTTP/2.0 /call town.example te=trailers for=127.0.0.1 sum=Some(\"42\") ");
            assert_eq!(echoed, body);
            assert_eq!(behind.expect("trailers")["grpc-status"], "0");
        }
        // Who speaks HTTP/1.1 is answered too, without what it does not know.
        let answer = gateway.client().get("/plain").await.expect("an answer");
        assert_eq!(answer.status, 200);
        assert!(answer.bytes.starts_with(b"HTTP/2.0 /plain"), "{:?}", answer.bytes);
        gateway.stop().expect("it stops");
    }
}

#[tokio::test]
async fn http_1_passes_in_tls_and_connections_are_used_again() {
    let certificate = Certificate::new();
    let address = serve(Some(&certificate)).await;
    let pool = format!("tls = {{ ca-file = {:?} }}\n", certificate.file);
    let gateway = Gateway::start(&settings(address, &pool)).expect("it starts");
    for number in 0..20 {
        let body = vec![b'y'; number * 50_000];
        let answer = gateway.client().send(http::Method::POST, "/a", "text/plain", body.clone()).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{:?}", answer.bytes);
        assert!(answer.bytes.starts_with(b"HTTP/1.1 /a") && answer.bytes.ends_with(&body), "{number}");
    }
    gateway.stop().expect("it stops");
}

#[tokio::test]
async fn nobody_is_asked_whom_nobody_vouches_for() {
    let (certificate, other) = (Certificate::new(), Certificate::new());
    let address = serve(Some(&certificate)).await;
    let pool = format!("tls = {{ ca-file = {:?} }}\n", other.file);
    let gateway = Gateway::start(&settings(address, &pool)).expect("it starts");
    until(&gateway, "the upstream is not well", |seen| seen["pools"][0]["upstreams"][0]["well"] == false)
        .await;
    assert_eq!(gateway.client().get("/a").await.expect("an answer").problem(), "gateway/nobody-well");
    // A file that cannot be read is refused, and everything stays as it is.
    let unreadable = settings(address, "tls = { ca-file = \"nowhere.pem\" }\n");
    gateway.reload(&unreadable).expect("it can be written");
    let refused =
        gateway.operator().post("/gateway/reload", &serde_json::json!({})).await.expect("an answer");
    assert!(refused.text("detail").contains("nowhere.pem"), "{}", refused.json());
    let right = settings(address, &format!("tls = {{ ca-file = {:?} }}\n", certificate.file));
    gateway.reload(&right).expect("it can be used");
    until(&gateway, "the upstream is well", |seen| seen["pools"][0]["upstreams"][0]["well"] == true).await;
    let answer = gateway.client().get("/a").await.expect("an answer");
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn certificates_that_are_renewed_in_their_files_are_read_with_each_change() {
    let (certificate, other) = (Certificate::new(), Certificate::new());
    let address = serve(Some(&certificate)).await;
    let file = other.file.clone();
    let text = settings(address, &format!("tls = {{ ca-file = {file:?} }}\n"))
        .replace("health = { ", "health = { active = false, ");
    let gateway = Gateway::start(&text).expect("it starts");
    let (client, operator) = (gateway.client(), gateway.operator());
    assert_eq!(client.get("/").await.expect("an answer").status, 502);
    let renew = async || operator.post("/gateway/reload", &serde_json::json!({})).await.expect("an answer");
    std::fs::copy(&certificate.file, &file).expect("it can be written");
    assert_eq!(renew().await.status, 204);
    assert_eq!(client.get("/").await.expect("an answer").status, 200);
    let state = operator.get("/gateway").await.expect("an answer").json();
    assert_eq!(state["pools"][0]["upstreams"][0]["requests"], 2, "what is known of it stays");
    std::fs::remove_file(&file).expect("it is there");
    let refused = renew().await;
    assert_eq!((refused.status, refused.problem().as_str()), (422, "gateway/bad-settings"));
    assert_eq!(client.get("/").await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_1_3_is_asked_only_if_the_pool_says_so() {
    let certificate = Certificate::spoken_in(&rustls::version::TLS12);
    let address = serve(Some(&certificate)).await;
    for (oldest, status) in [("1.2", 200), ("1.3", 502)] {
        let tls = format!("tls = {{ ca-file = {:?}, oldest = \"{oldest}\" }}\n", certificate.file);
        let text = settings(address, &tls).replace("health = { ", "health = { active = false, ");
        let gateway = Gateway::start(&text).expect("it starts");
        assert_eq!(gateway.client().get("/").await.expect("an answer").status, status, "{oldest}");
    }
}
