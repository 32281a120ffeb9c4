//! One message to the webhook: a connection of its own, a signature (RFC 9421), and an answer in time.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use clock::Clock;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use signatures::{Component, Message, Params, SigningKey, content_digest, sign};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{WebhookConfig, config::WebhookUrl};
use crate::tls_client::connector;

const CONTENT_TYPE: &str = "application/cloudevents-batch+json; charset=utf-8";
/// What the signature is for: no other request can be made of it.
const TAG: &str = "holdfast-webhook";

/// Knows the way.
pub(super) struct Deliverer {
    url: WebhookUrl,
    tls: Option<TlsConnector>,
    answer_max: Duration,
}

impl Deliverer {
    pub(super) fn new(config: &WebhookConfig) -> anyhow::Result<Self> {
        let url = config.url.clone().context("there is no URL")?;
        let tls = url.is_secure().then(|| connector(config.ca_file.as_deref())).transpose();
        let tls = tls.context("webhook.ca-file names no authority for the webhook's host")?;
        Ok(Self { url, tls, answer_max: Duration::from_millis(config.answer_ms_max.get().into()) })
    }

    /// Sends a message; anything but a success is a failure.
    pub(super) async fn deliver(&self, body: Vec<u8>, key: &SigningKey, key_id: &str) -> anyhow::Result<()> {
        let request = self.request(body, key, key_id)?;
        let delivering = async {
            let socket =
                TcpStream::connect((self.url.host(), self.url.port())).await.context("cannot connect")?;
            match &self.tls {
                Some(tls) => {
                    let name = ServerName::try_from(self.url.host().to_owned())?;
                    exchange(tls.connect(name, socket).await.context("no TLS")?, request).await
                }
                None => exchange(socket, request).await,
            }
        };
        tokio::time::timeout(self.answer_max, delivering).await.context("it did not answer in time")?
    }

    fn request(
        &self,
        body: Vec<u8>,
        key: &SigningKey,
        key_id: &str,
    ) -> anyhow::Result<http::Request<Full<Bytes>>> {
        let (clock, digest) = (Clock::System, content_digest(&body));
        let values = |name: &str| match name {
            "content-type" => vec![CONTENT_TYPE.into()],
            "content-digest" => vec![digest.clone().into_bytes()],
            _ => Vec::new(),
        };
        let message = Message {
            method: "POST",
            scheme: if self.url.is_secure() { "https" } else { "http" },
            authority: self.url.authority(),
            path: self.url.path(),
            query: self.url.query(),
            status: None,
            fields: &values,
        };
        let covered = ["@method", "@target-uri", "content-type", "content-digest"];
        let components = covered.map(Component::named).into_iter().collect::<Result<Vec<_>, _>>()?;
        let params = Params {
            created: Some(clock.now().millis() / 1000),
            nonce: Some(format!("{:032x}", u128::from_be_bytes(clock.random()))),
            key_id: Some(key_id.to_owned()),
            algorithm: Some(key.algorithm().name().to_owned()),
            tag: Some(TAG.to_owned()),
            expires: None,
        };
        let signed = sign(&message, "sig1", &components, &params, key)?;
        let target = self
            .url
            .query()
            .map_or_else(|| self.url.path().to_owned(), |query| format!("{}?{query}", self.url.path()));
        let request = http::Request::post(target)
            .header("host", self.url.authority())
            .header("content-type", CONTENT_TYPE)
            .header("content-digest", &digest)
            .header("signature-input", signed.input)
            .header("signature", signed.signature)
            .header("user-agent", "holdfast");
        Ok(request.body(Full::from(body))?)
    }
}

/// A connection that ends when nobody waits for it any more.
struct Driving(tokio::task::JoinHandle<hyper::Result<()>>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: http::Request<Full<Bytes>>,
) -> anyhow::Result<()> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Driven beside the request, and given up with it: the answer's body is nobody's.
    let driving = Driving(tokio::spawn(connection));
    let status = sender.send_request(request).await?.status();
    drop(driving);
    ensure!(status.is_success(), "it answered {status}");
    Ok(())
}
