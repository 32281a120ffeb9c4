//! A caller: sends JSON, reads JSON, and remembers who it is.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use crate::Events;

/// Someone who calls the server.
#[derive(Debug, Clone)]
pub struct Client {
    http: HyperClient<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    fields: Vec<(String, String)>,
    /// Who they are, once they have signed in.
    pub person: Option<String>,
    /// Their token, likewise.
    pub token: Option<String>,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Answer {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// A member of the body, as text.
    #[must_use]
    pub fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    /// The code of the problem, if it is one.
    #[must_use]
    pub fn problem(&self) -> String {
        self.text("type").trim_start_matches("/problems/").to_owned()
    }
}

impl Client {
    /// A caller of whoever listens there.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let http = HyperClient::builder(TokioExecutor::new()).build_http();
        Self { http, address, fields: Vec::new(), person: None, token: None }
    }

    /// The same caller, who sends one more header field with each request.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same caller with another token.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.fields.retain(|(name, _)| name != header::AUTHORIZATION.as_str());
        self.token = Some(token.to_owned());
        self.with_field(header::AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// Where it speaks to, as a browser would write it.
    #[must_use]
    pub fn address_of(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When no answer comes back.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let (parts, body) = self.answered(method, path, kind, body).await?.into_parts();
        let bytes = body.collect().await.context("the answer did not arrive whole")?.to_bytes();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, bytes })
    }

    async fn answered(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(self.address_of(path));
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        for (name, value) in &self.fields {
            request = request.header(name, value);
        }
        Ok(self.http.request(request.body(Full::from(body))?).await?)
    }

    /// Follows a stream of events.
    ///
    /// # Errors
    /// When the answer is no such stream.
    pub async fn follow(&self, path: &str) -> anyhow::Result<Events> {
        let answer = self.answered(Method::GET, path, "", Vec::new()).await?;
        ensure!(answer.status() == StatusCode::OK, "the server answered {}", answer.status());
        let kind = answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
        ensure!(kind.is_some_and(|kind| kind.starts_with(b"text/event-stream")), "an answer of another kind");
        Ok(Events::new(answer.into_body()))
    }

    /// `GET`.
    ///
    /// # Errors
    /// When no answer comes back.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, "", Vec::new()).await
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// When no answer comes back.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::DELETE, path, "", Vec::new()).await
    }

    /// `DELETE` with a body of JSON.
    ///
    /// # Errors
    /// When no answer comes back.
    pub async fn delete_with(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::DELETE, path, "application/json", serde_json::to_vec(body)?).await
    }

    /// `POST` of JSON.
    ///
    /// # Errors
    /// When no answer comes back.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, "application/json", serde_json::to_vec(body)?).await
    }

    /// `PUT` of JSON.
    ///
    /// # Errors
    /// When no answer comes back.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::PUT, path, "application/json", serde_json::to_vec(body)?).await
    }

    /// Registers a citizen, who can sign in with this password then.
    ///
    /// # Errors
    /// When they are not registered.
    pub async fn register(&self, user_id: &str, password: &str) -> anyhow::Result<Answer> {
        let answer = self.post("/api/v1/persons", &json!({"userId": user_id, "password": password})).await?;
        ensure!(answer.status == 201, "{user_id} was not registered: {}", answer.json());
        Ok(answer)
    }

    /// The same caller, signed in.
    ///
    /// # Errors
    /// When they are not signed in.
    pub async fn sign_in(&self, user_id: &str, password: &str) -> anyhow::Result<Self> {
        let answer =
            self.post("/api/v1/authenticate", &json!({"userId": user_id, "credentials": password})).await?;
        ensure!(answer.status == 200, "{user_id} was not signed in: {}", answer.json());
        Ok(self.signed_in(&answer))
    }

    /// The same caller with the token of an answer to a sign-in.
    #[must_use]
    pub fn signed_in(&self, answer: &Answer) -> Self {
        let mut client = self.clone().with_token(&answer.text("token"));
        client.person = Some(answer.text("personId"));
        client
    }
}
