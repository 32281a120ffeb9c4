//! A caller who takes their time: JSON out, JSON in, one connection that is made anew when it is lost.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use clock::{Clock, Stopwatch};
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    dial::dial,
    history::{Historian, may_have_happened},
    target::Target,
};
use crate::{
    ending,
    put_off::{Limited, Waits},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// A connection that nobody used for longer may have ended with its node, unnoticed.
const IDLE_MAX: Duration = Duration::from_millis(50);

/// Somebody who calls the target.
#[derive(Debug, Clone)]
pub struct Client {
    pub target: Target,
    fields: Vec<(String, String)>,
    patience: Duration,
    keeper: Option<Keeper>,
    /// What is put off is waited for, if it is.
    waits: Option<Waits>,
    line: Arc<Mutex<Option<Line>>>,
}

/// A connection, and since when nobody used it.
#[derive(Debug)]
struct Line {
    sender: SendRequest<Full<Bytes>>,
    idle: Stopwatch,
}

/// Keeps what is acknowledged to callers, as loads do of theirs.
#[derive(Debug, Clone)]
pub struct Keeper {
    historian: Arc<std::sync::Mutex<Historian>>,
    /// The same question may get the same answer again: that is one acknowledgement.
    known: Arc<std::sync::Mutex<HashSet<(u64, u64)>>>,
    stopwatch: Stopwatch,
}

impl Keeper {
    pub fn new(historian: Historian, stopwatch: Stopwatch) -> Self {
        Self { historian: Arc::new(historian.into()), known: Arc::default(), stopwatch }
    }

    /// Writes what is left of it.
    pub fn finish(&self) -> anyhow::Result<()> {
        self.historian.lock().unwrap_or_else(PoisonError::into_inner).finish()
    }
}

/// Routes whose answers acknowledge a command.
const ACKNOWLEDGE: [(&str, &str); 2] =
    [("/api/v1/authenticate", "identity/sign-in"), ("/api/v1/persons", "identity/register-person")];

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: HeaderMap,
    pub bytes: Bytes,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// A member of the body, as text.
    pub fn text(&self, pointer: &str) -> String {
        self.json().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

impl Client {
    pub fn new(target: &Target) -> Self {
        let line = Arc::new(Mutex::new(None));
        let (fields, target) = (Vec::new(), target.clone());
        Self { target, fields, patience: PATIENCE, keeper: None, waits: None, line }
    }

    /// Somebody else with the same target.
    pub fn with_token(&self, token: &str) -> Self {
        let mut other = Self::new(&self.target);
        other.patience = self.patience;
        other.keeper.clone_from(&self.keeper);
        other.waits.clone_from(&self.waits);
        other.fields.push((header::AUTHORIZATION.to_string(), format!("Bearer {token}")));
        other
    }

    /// The same caller, who sends one more field.
    pub fn with_field(&self, name: &str, value: &str) -> Self {
        let mut other = Self { line: Arc::new(Mutex::new(None)), ..self.clone() };
        other.fields.push((name.to_owned(), value.to_owned()));
        other
    }

    /// The same caller, who waits no longer than this.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { patience, line: Arc::new(Mutex::new(None)), ..self.clone() }
    }

    /// The same caller, who asks again when what was put off may be asked.
    pub fn with_waits(&self, waits: &Waits) -> Self {
        Self { waits: Some(waits.clone()), line: Arc::new(Mutex::new(None)), ..self.clone() }
    }

    /// The same caller, who takes "not now" for an answer.
    pub fn without_waits(&self) -> Self {
        Self { waits: None, line: Arc::new(Mutex::new(None)), ..self.clone() }
    }

    /// How long to wait before the same is asked again. What may have happened is not asked for twice.
    pub fn wait(&self, status: u16, retry_after: Option<&str>) -> Option<Duration> {
        self.waits.as_ref()?.take(status, retry_after)
    }

    fn wait_for(&self, answer: &Answer) -> Option<Duration> {
        let later = answer.fields.get(header::RETRY_AFTER).and_then(|later| later.to_str().ok());
        if may_have_happened(answer.status, &answer.bytes) {
            return None;
        }
        self.wait(answer.status, later)
    }

    /// The same caller, of whom is kept what they are promised.
    pub fn with_keeper(&self, keeper: &Keeper) -> Self {
        Self { keeper: Some(keeper.clone()), line: Arc::new(Mutex::new(None)), ..self.clone() }
    }

    /// The same caller, of whom nothing is kept.
    pub fn without_keeper(&self) -> Self {
        Self { keeper: None, line: Arc::new(Mutex::new(None)), ..self.clone() }
    }

    /// The same caller on another way to the target.
    pub fn at(&self, target: &Target) -> Self {
        Self { target: target.clone(), line: Arc::new(Mutex::new(None)), ..self.clone() }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When no answer comes in time.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let (kind, body) = match body {
            Some(body) => ("application/json", serde_json::to_vec(body)?),
            None => ("", Vec::new()),
        };
        self.send_bytes(method, path, kind, body).await
    }

    /// Sends a request with any body.
    ///
    /// # Errors
    /// When no answer comes in time.
    pub async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let told = format!("{method} {path}");
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let question = hasher.finish();
        let acknowledges = ACKNOWLEDGE.iter().find(|(route, _)| method == Method::POST && *route == path);
        let asked = loop {
            let exchange = self.exchange(method.clone(), path, kind, body.clone());
            ending::go_on()?;
            let asked = tokio::select! {
                asked = tokio::time::timeout(self.patience, exchange) => {
                    asked.ok().with_context(|| format!("no answer to {told} in time")).flatten()
                }
                () = ending::ended() => Err(anyhow::anyhow!("the run was ended meanwhile")),
            };
            match asked.as_ref().ok().and_then(|answer| self.wait_for(answer)) {
                Some(wait) => tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = ending::ended() => {}
                },
                None => break asked,
            }
        };
        if let Some((_, command)) = acknowledges {
            self.keep(command, question, asked.as_ref().ok());
        }
        asked.with_context(|| told.clone())
    }

    fn keep(&self, command: &str, question: u64, answer: Option<&Answer>) {
        let Some(Keeper { historian, known, stopwatch }) = &self.keeper else { return };
        let mut historian = historian.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Some(answer) if answer.status < 300 => {
                let body = answer.json();
                let index = body["receipt"]["index"].as_u64().unwrap_or_default();
                if !known.lock().unwrap_or_else(PoisonError::into_inner).insert((question, index)) {
                    return;
                }
                // Whether a success has a receipt is judged by whoever asked.
                historian
                    .take(command, &body["receipt"], body["personId"].as_str(), stopwatch.elapsed())
                    .unwrap_or_default();
            }
            Some(answer) if !may_have_happened(answer.status, &answer.bytes) => {}
            Some(_) | None => historian.unknown(command, stopwatch.elapsed()),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.target.host);
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        for (name, value) in &self.fields {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(body))?;
        let mut line = self.line.lock().await;
        let fresh = match line.as_mut() {
            Some(line) => line.idle.elapsed() < IDLE_MAX && line.sender.ready().await.is_ok(),
            None => false,
        };
        if !fresh {
            *line = Some(Line { sender: self.connect().await?, idle: Clock::System.stopwatch() });
        }
        let used = line.as_mut().context("it was just made")?;
        let answer = used.sender.send_request(request).await;
        let collected = match answer {
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                body.collect().await.map(|body| (parts, body.to_bytes()))
            }
            Err(error) => Err(error),
        };
        if collected.is_err() {
            *line = None;
        } else if let Some(line) = line.as_mut() {
            line.idle = Clock::System.stopwatch();
        }
        let (parts, bytes) = collected?;
        Ok(Answer { status: parts.status.as_u16(), fields: parts.headers, bytes })
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let (stream, _) = dial(&self.target, true).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    /// The same; that the drill's address asked too often is an error, and no answer.
    pub async fn get_told(&self, path: &str) -> anyhow::Result<Answer> {
        let answer = self.get(path).await?;
        if answer.status == 429 { expect(answer, 200, path) } else { Ok(answer) }
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, Some(body)).await
    }
}

/// An answer that must have this status.
pub fn expect(answer: Answer, status: u16, doing: &str) -> anyhow::Result<Answer> {
    let text = String::from_utf8_lossy(&answer.bytes);
    let told = || format!("{doing} gave {} and not {status}: {text}", answer.status);
    if answer.status == 429 && status != 429 {
        return Err(Limited(told()).into());
    }
    ensure!(answer.status == status, told());
    Ok(answer)
}

/// Where the page behind one that begins at `from` begins. A page that has something leads on, or it would be read for ever.
pub fn next_page(page: &Value, from: u64) -> anyhow::Result<u64> {
    let next = page["next"].as_u64().context("a page says what is next")?;
    let read = page["entries"].as_array().map_or(0, Vec::len);
    ensure!(read == 0 || next > from, "a page of {read} entries from {from} on says that {next} is next");
    Ok(next)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_that_has_something_leads_on() {
        let page = |entries: &[u64], next: u64| next_page(&json!({"entries": entries, "next": next}), 7).ok();
        assert_eq!(page(&[7, 8], 9), Some(9));
        // The end is where nothing is any more.
        assert_eq!(page(&[], 7), Some(7));
        for next in [7, 3] {
            assert_eq!(page(&[7, 8], next), None);
        }
        assert!(next_page(&json!({"entries": []}), 7).is_err());
    }

    /// A target that has no time for the first question, and answers the second.
    fn busy_at_first() -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let target = Target::at(listener.local_addr().expect("an address"));
        thread::spawn(move || {
            for answer in ["429 Wait\r\nretry-after: 0", "200 OK"] {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let _read = stream.read(&mut [0; 4096]);
                let head = format!("HTTP/1.1 {answer}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).expect("somebody reads it");
            }
        });
        target
    }

    #[tokio::test]
    async fn what_is_put_off_is_asked_again_by_whoever_waits_and_by_nobody_else() {
        let status = async |client: Client| client.get("/health").await.expect("an answer").status;
        let waits = Waits::default();
        assert_eq!(status(Client::new(&busy_at_first()).with_waits(&waits)).await, 200);
        assert_eq!(status(Client::new(&busy_at_first()).with_waits(&waits).without_waits()).await, 429);
        let answer = Answer { status: 429, fields: HeaderMap::new(), bytes: Bytes::new() };
        let error = expect(answer, 201, "a registration").expect_err("it was refused");
        assert!(error.downcast_ref::<Limited>().is_some(), "{error:#}");
    }
}
