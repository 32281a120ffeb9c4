//! Another server, spoken to over HTTP: by trustees and by those who check an election.

use std::{fmt, time::Duration};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use gateway::connector;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// From the beginning of a connection to the end of an answer.
const ANSWER_MAX: Duration = Duration::from_mins(5);
/// Bytes of an answer, at most.
const ANSWER_BYTES_MAX: usize = 1 << 30;
/// How often a request is sent that the server has no room for.
const TRIES_MAX: u32 = 30;
/// How long is waited at most before it is sent again.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A server and how to reach it.
pub(crate) struct Remote {
    url: http::Uri,
    tls: Option<TlsConnector>,
    token: Option<String>,
}

/// The server said no.
#[derive(Debug, thiserror::Error)]
#[error("{what}: the server answered {status}: {detail}")]
pub(crate) struct Refused {
    what: String,
    pub(crate) status: u16,
    detail: String,
}

/// What it answered.
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Said {
    /// The answer as JSON.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).context("the server's answer is not JSON")
    }

    /// The answer, if it is a success.
    pub(crate) fn ok(self, what: &str) -> anyhow::Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let problem = self.json().unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("without saying why").to_owned();
        Err(Refused { what: what.to_owned(), status: self.status, detail }.into())
    }
}

impl Remote {
    /// The server at this URL: its scheme, host and port.
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        let url: http::Uri = url.parse().with_context(|| format!("`{url}` is no URL"))?;
        ensure!(url.host().is_some(), "`{url}` names no host");
        let tls = match url.scheme_str() {
            Some("https") => Some(connector(None)?),
            Some("http") => None,
            Some(_) | None => bail!("`{url}` begins with neither https:// nor http://"),
        };
        Ok(Self { url, tls, token: None })
    }

    /// From now on speaks as the holder of this token.
    pub(crate) fn with_token(&mut self, token: String) {
        self.token = Some(token);
    }

    /// Asks for something.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Said> {
        self.send("GET", path, "", Bytes::new()).await
    }

    /// Sends JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Said> {
        self.send("POST", path, "application/json", serde_json::to_vec(body)?.into()).await
    }

    /// Sends a request, again if the server has no room for it now.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> anyhow::Result<Said> {
        let mut tries = 0;
        loop {
            tries += 1;
            let sent = self.send_once(method, path, kind, body.clone());
            let sent = tokio::time::timeout(ANSWER_MAX, sent).await;
            let (said, wait) = sent.context("the server did not answer in time")??;
            if !matches!(said.status, 429 | 503) || tries == TRIES_MAX {
                return Ok(said);
            }
            tokio::time::sleep(wait.min(WAIT_MAX)).await;
        }
    }

    /// Sends a request once, and waits no longer than this.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: Bytes,
        patience: Duration,
    ) -> anyhow::Result<Said> {
        let sent = tokio::time::timeout(patience, self.send_once(method, path, kind, body)).await;
        Ok(sent.context("the server did not answer in time")??.0)
    }

    async fn send_once(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> anyhow::Result<(Said, Duration)> {
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", authority)
            .header("user-agent", "holdfast");
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Full::from(body))?;
        let host = self.url.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.url.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let asking = async {
            let socket = TcpStream::connect((host, port)).await;
            let socket = socket.with_context(|| format!("cannot connect to {host}:{port}"))?;
            match &self.tls {
                Some(tls) => {
                    let name = ServerName::try_from(host.to_owned())?;
                    exchange(tls.connect(name, socket).await.context("no TLS")?, request).await
                }
                None => exchange(socket, request).await,
            }
        };
        asking.await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: http::Request<Full<Bytes>>,
) -> anyhow::Result<(Said, Duration)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let wait = answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
    driving.abort();
    Ok((Said { status, body }, Duration::from_secs(wait.unwrap_or(1))))
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}
