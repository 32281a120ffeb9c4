//! One message to the webhook: a connection of its own, a signature (RFC 9421), and an answer in time.

use std::{fmt, time::Duration};

use bytes::Bytes;
use clock::Clock;
use gateway::connector;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use signatures::{Component, Message, Params, SignError, SigningKey, content_digest, sign};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    WebhookConfig, WebhookError,
    config::WebhookUrl,
    error::DeliveryError::{self, Connect, Late, Refused, Tls},
};

const CONTENT_TYPE: &str = "application/cloudevents-batch+json; charset=utf-8";
/// What the signature is for: no other request can be made of it.
const TAG: &str = "holdfast-webhook";

/// Knows the way.
pub(crate) struct Deliverer {
    url: WebhookUrl,
    tls: Option<TlsConnector>,
    answer_max: Duration,
}

impl fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliverer").finish_non_exhaustive()
    }
}

impl Deliverer {
    /// To this place, as the settings have it.
    pub(crate) fn new(url: WebhookUrl, config: &WebhookConfig) -> Result<Self, WebhookError> {
        let tls = url.is_secure().then(|| connector(config.ca_file.as_deref())).transpose()?;
        Ok(Self { url, tls, answer_max: Duration::from_millis(config.answer_ms_max.get().into()) })
    }

    /// Sends a message; anything but a success is a failure.
    pub(crate) async fn deliver(
        &self,
        body: Vec<u8>,
        key: &SigningKey,
        key_id: &str,
    ) -> Result<(), DeliveryError> {
        let request = self.request(body, key, key_id)?;
        let delivering = async {
            let socket = TcpStream::connect((self.url.host(), self.url.port())).await.map_err(Connect)?;
            match &self.tls {
                Some(tls) => {
                    let name = ServerName::try_from(self.url.host().to_owned())?;
                    exchange(tls.connect(name, socket).await.map_err(Tls)?, request).await
                }
                None => exchange(socket, request).await,
            }
        };
        tokio::time::timeout(self.answer_max, delivering).await.map_err(|_| Late)?
    }

    fn request(
        &self,
        body: Vec<u8>,
        key: &SigningKey,
        key_id: &str,
    ) -> Result<http::Request<Full<Bytes>>, DeliveryError> {
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
        let components = covered.map(Component::named).into_iter().collect::<Result<Vec<_>, _>>();
        let components = components.map_err(SignError::from)?;
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
) -> Result<(), DeliveryError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Driven beside the request, and given up with it: the answer's body is nobody's.
    let driving = Driving(tokio::spawn(connection));
    let status = sender.send_request(request).await?.status();
    drop(driving);
    if status.is_success() { Ok(()) } else { Err(Refused(status)) }
}
