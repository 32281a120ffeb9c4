//! People who follow an election: a stream of events each, what each event said when it came, and how late that was.

mod lateness;

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use clock::Stopwatch;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
pub use lateness::Lateness;
use tokio::sync::Semaphore;

use crate::{dial::dial_from, target::Target};

/// Whoever follows, and where they note what they hear.
#[derive(Debug)]
pub struct Follower {
    pub target: Target,
    /// The address of this machine that they come from, if it matters.
    pub from: Option<Ipv4Addr>,
    /// Of the stream.
    pub path: String,
    pub told: Told,
    pub stopwatch: Stopwatch,
    /// How many may open their stream at once.
    pub opening: Arc<Semaphore>,
}

/// How somebody's following ended before they had enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It never began.
    Refused,
    /// The target said that whoever asks has asked too often (429).
    Limited,
    /// It began, and the target ended it.
    Dropped,
}

/// What one follower heard.
#[derive(Debug, Clone, Default)]
pub struct Told(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    /// How many entries the board had, and when that was heard: both only grow.
    news: Vec<(u64, Duration)>,
    ended: Option<Ended>,
}

impl Told {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing was heard yet, and something may be.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        let heard = self.heard();
        heard.news.is_empty() && heard.ended.is_none()
    }

    /// They still follow, and have not heard of this entry.
    #[must_use]
    pub fn lacks(&self, index: Option<u64>) -> bool {
        let heard = self.heard();
        let known = heard.news.last().map_or(0, |(entries, _)| *entries);
        heard.ended.is_none() && index.is_some_and(|index| known <= index)
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.heard().ended
    }

    /// When they first heard of each of these entries, which are in order; nothing of those that they never heard of.
    #[must_use]
    pub fn of_each(&self, entries: &[(u64, Duration)]) -> Vec<Option<Duration>> {
        let heard = self.heard();
        let mut news = heard.news.iter().peekable();
        let first = |(index, _): &(u64, Duration)| {
            while news.next_if(|(entries, _)| entries <= index).is_some() {}
            news.peek().map(|(_, at)| *at)
        };
        entries.iter().map(first).collect()
    }

    /// The board had so many entries then.
    pub fn hear(&self, entries: u64, at: Duration) {
        let mut heard = self.heard();
        if heard.news.last().is_none_or(|(known, _)| *known < entries) {
            heard.news.push((entries, at));
        }
    }
}

/// Follows until the target ends it.
pub async fn follow(follower: Follower) {
    let told = follower.told.clone();
    // However it ends, it is the target who ended it: who has had enough of it is not asked.
    drop(read(follower).await);
    let mut heard = told.heard();
    let how = if heard.news.is_empty() { Ended::Refused } else { Ended::Dropped };
    heard.ended.get_or_insert(how);
}

async fn read(follower: Follower) -> anyhow::Result<()> {
    let Follower { target, from, path, told, stopwatch, opening } = follower;
    let place = opening.acquire_owned().await?;
    let (stream, _) = dial_from(&target, from, true).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let _ends = Ends(connection.abort_handle());
    let request = Request::get(path)
        .header(http::header::HOST, &target.host)
        .header(http::header::ACCEPT, "text/event-stream")
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    drop(place);
    if answer.status() == 429 {
        told.heard().ended = Some(Ended::Limited);
    }
    anyhow::ensure!(answer.status() == 200, "the stream gave {}", answer.status());
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.context("the stream was broken off")?.into_data() else { continue };
        let at = stopwatch.elapsed();
        text.extend_from_slice(&data);
        while let Some(end) = memchr::memmem::find(&text, b"\n\n") {
            let event: Vec<_> = text.drain(..end + 2).collect();
            if let Some(entries) = entries(&event) {
                told.hear(entries, at);
            }
        }
    }
    Ok(())
}

/// A connection ends with whoever reads from it.
struct Ends(tokio::task::AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How many entries the board has, says an event's identifier.
fn entries(event: &[u8]) -> Option<u64> {
    let event = std::str::from_utf8(event).ok()?;
    event.lines().find_map(|line| line.strip_prefix("id:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_heard_of_with_the_first_event_that_counts_it() {
        let told = Told::default();
        let ms = Duration::from_millis;
        assert!(told.is_waiting() && told.lacks(Some(0)) && !told.lacks(None));
        for (entries, at) in [(3, 10), (3, 20), (7, 30), (8, 40)] {
            told.hear(entries, ms(at));
        }
        let entries: Vec<_> = [2, 3, 6, 7, 8].map(|index| (index, ms(0))).into();
        let heard = told.of_each(&entries);
        assert_eq!(heard, [Some(ms(10)), Some(ms(30)), Some(ms(30)), Some(ms(40)), None]);
        assert!(told.lacks(Some(8)) && !told.lacks(Some(7)));
    }

    #[test]
    fn events_without_an_identifier_say_nothing() {
        assert_eq!(entries(b"event: progress\nid: 12\ndata: {}\n\n"), Some(12));
        assert_eq!(entries(b":\n\n"), None);
        assert_eq!(entries(b"id: \xff\n\n"), None);
    }
}
