//! Both versions of HTTP, in the clear and over TLS.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, DigitallySignedStruct, NamedGroup, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::rig::{Rig, nonzero, start, start_with};
use edge::TlsConfig;

pub(crate) type Sender = hyper::client::conn::http2::SendRequest<Empty<Bytes>>;

async fn http2(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Sender {
    let io = TokioIo::new(io);
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    sender
}

/// HTTP/2 with prior knowledge.
pub(crate) async fn plain_http2(rig: &Rig) -> Sender {
    http2(TcpStream::connect(rig.address()).await.expect("it listens")).await
}

pub(crate) async fn get(sender: &mut Sender, path: &str, fields: usize) -> Response<Incoming> {
    let mut request = Request::get(format!("http://edge{path}"));
    for number in 0..fields {
        request = request.header(format!("x-{number}"), "y");
    }
    sender.send_request(request.body(Empty::new()).expect("a request")).await.expect("it answers")
}

async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn http_2_is_spoken_with_prior_knowledge() {
    let rig = start();
    let mut sender = plain_http2(&rig).await;
    let (mut other, mut third) = (sender.clone(), sender.clone());
    let (first, second, refused) = tokio::join!(
        get(&mut sender, "/hello", 0),
        get(&mut other, "/visits/2", 0),
        get(&mut third, "/x", 0)
    );
    assert_eq!(first.version(), Version::HTTP_2);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!((text(first).await, text(second).await), ("hello".to_owned(), "2".to_owned()));
}

#[tokio::test]
async fn too_many_fields_are_refused_over_http_2_too() {
    let rig = start_with(|limits, _| limits.header_fields_max = nonzero(10));
    let mut sender = plain_http2(&rig).await;
    let refused = get(&mut sender, "/hello", 11).await;
    assert_eq!(refused.status(), 431);
    assert!(text(refused).await.contains("edge/header-too-large"));
}

#[tokio::test]
async fn letters_that_no_uri_has_are_refused_over_http_2_too() {
    let rig = start();
    let mut sender = plain_http2(&rig).await;
    for path in ["/caf\u{e9}", "/hello?caf\u{e9}"] {
        let refused = get(&mut sender, path, 0).await;
        assert_eq!(refused.status(), 400);
        assert!(text(refused).await.contains("edge/malformed-request"));
    }
    assert_eq!(get(&mut sender, "/hello", 0).await.status(), 200, "only the request is refused");
}

#[tokio::test]
async fn a_stop_says_goodbye_over_http_2() {
    let rig = start();
    let address = rig.address();
    let mut sender = http2(TcpStream::connect(address).await.expect("it listens")).await;
    let mut other = sender.clone();
    let waiting = tokio::spawn(async move { text(get(&mut other, "/wait?ms=300", 0).await).await });
    while !rig.metrics.encode().contains("http_requests_in_flight 1") {
        tokio::task::yield_now().await;
    }
    tokio::task::spawn_blocking(|| rig.handle.stop()).await.expect("it stops");
    assert_eq!(waiting.await.expect("it was in flight"), "waited");
    assert!(sender.ready().await.is_err(), "the connection is closed");
}

async fn tls(rig: &Rig, trusted: RootCertStore, protocol: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("it is supported")
        .with_root_certificates(trusted)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let socket = TcpStream::connect(rig.address()).await?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

/// Serves with a certificate from files, and tells whom to trust.
fn start_tls() -> (Rig, RootCertStore, tempfile::TempDir) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it can be made");
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("it can be written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("it can be written");
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(&certificate).expect("PEM")).expect("a certificate");
    let rig = start_with(|limits, listen| {
        limits.handshake_ms_max = nonzero(200);
        listen.tls = TlsConfig::Files { certificate, key };
    });
    (rig, trusted, folder)
}

#[tokio::test]
async fn tls_agrees_on_http_2_and_on_a_hybrid_key_exchange() {
    let (rig, trusted, _folder) = start_tls();
    let stream = tls(&rig, trusted, b"h2").await.expect("they shake hands");
    let session = stream.get_ref().1;
    assert_eq!(session.alpn_protocol(), Some(b"h2".as_slice()));
    let group = session.negotiated_key_exchange_group().map(|group| group.name());
    assert_eq!(group, Some(NamedGroup::X25519MLKEM768));
    let mut sender = http2(stream).await;
    assert_eq!(text(get(&mut sender, "/hello", 0).await).await, "hello");
}

#[tokio::test]
async fn tls_serves_http_1_to_those_who_ask_for_it() {
    let (rig, trusted, _folder) = start_tls();
    let stream = tls(&rig, trusted, b"http/1.1").await.expect("they shake hands");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let request = Request::get("/hello").header("host", "localhost").body(Empty::<Bytes>::new());
    let response = sender.send_request(request.expect("a request")).await.expect("it answers");
    assert_eq!(text(response).await, "hello");
}

#[tokio::test]
async fn the_end_of_an_answer_reaches_a_caller_of_tls_who_reads_slowly() {
    let (rig, trusted, _folder) = start_tls();
    let mut stream = tls(&rig, trusted, b"http/1.1").await.expect("they shake hands");
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("it listens");
    let (mut heard, mut piece) = (0, vec![0; 64 << 10]);
    while heard <= 32 << 20 {
        // So slowly that the network is full when the last piece is given to it.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut piece)).await;
        let count = read.unwrap_or_else(|_| panic!("{heard} bytes came and no more")).expect("it goes on");
        assert_ne!(count, 0, "{heard} bytes came and no more");
        heard += count;
    }
}

/// Takes any certificate, as somebody does who looks at a service on their own machine, and keeps it.
#[derive(Debug, Default)]
struct Curious(std::sync::Mutex<Option<CertificateDer<'static>>>);

impl ServerCertVerifier for Curious {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().expect("nobody panics holding it") = Some(certificate.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[tokio::test]
async fn a_self_made_certificate_serves_the_names_it_was_made_for() {
    let rig =
        start_with(|_, listen| listen.tls = TlsConfig::SelfMade { names: vec!["localhost".to_owned()] });
    let curious = Arc::new(Curious::default());
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("it is supported")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&curious) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let socket = TcpStream::connect(rig.address()).await.expect("it listens");
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("they shake hands");
    // Whoever has seen it and trusts it needs to look away no more.
    let seen = curious.0.lock().expect("nobody panics holding it").take().expect("it was shown");
    let mut trusted = RootCertStore::empty();
    trusted.add(seen).expect("a certificate");
    let stream = tls(&rig, trusted, b"h2").await.expect("it is for localhost");
    assert_eq!(text(get(&mut http2(stream).await, "/hello", 0).await).await, "hello");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut() {
    let (rig, _trusted, _folder) = start_tls();
    let mut stream = rig.connect();
    let heard = tokio::task::spawn_blocking(move || crate::rig::listen(&mut stream)).await;
    assert!(heard.expect("it is cut before we lose patience").is_empty());
}
