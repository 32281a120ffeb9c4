//! The beginning of a body is looked at: before anybody else sees the request where attacks are refused, and as it goes
//! by where they are only told of.

use std::{
    collections::VecDeque,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
};
use bytes::Bytes;
use front::{BodyInspection, Front};
use http::request::Parts;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use problem::Problem;

use super::{arriving::BodyError, extract::unread};
use crate::{Edge, budget::Share, config::millis};

/// A request that does not go on.
pub(crate) struct Refused {
    pub(crate) problem: Problem,
    /// What it asked for.
    pub(crate) head: Parts,
}

/// A body of which the beginning has been read already.
struct Begun {
    /// Its frames.
    begin: VecDeque<Frame<Bytes>>,
    rest: Body,
}

/// A body that is looked at as it goes by.
struct Watched {
    body: Body,
    front: Front,
    /// Until as much has been seen as is looked at.
    how: Option<BodyInspection>,
    seen: Vec<u8>,
}

/// The same request, sent for `client`, if its body carries no attack as far as it is looked at.
///
/// # Errors
/// When it does, or does not arrive.
pub(crate) async fn inspected(
    edge: &Edge,
    request: Request,
    client: Option<IpAddr>,
) -> Result<Request, Box<Refused>> {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let Some(how) = edge.front().inspects(method, path, request.headers().into(), client) else {
        return Ok(request);
    };
    let (parts, body) = request.into_parts();
    if !how.refuses() {
        let front = edge.front().clone();
        let watched = Watched { body, front, how: Some(how), seen: Vec::new() };
        return Ok(Request::from_parts(parts, Body::new(watched)));
    }
    let time = millis(edge.config().body_read_ms_max);
    let body = tokio::time::timeout(time, begin(edge, &how, body)).await;
    let body = body.map_err(|_| axum::Error::new(BodyError::TooSlow)).flatten();
    let Begun { begin, rest } = match body {
        Ok(begun) => begun,
        Err(error) => return Err(Box::new(Refused { problem: unread(&error), head: parts })),
    };
    let looked = match begin.iter().filter_map(Frame::data_ref).collect::<Vec<_>>().as_slice() {
        [whole] => edge.front().inspect(&how, whole),
        several => {
            edge.front().inspect(&how, &several.iter().map(|data| &data[..]).collect::<Vec<_>>().concat())
        }
    };
    match looked {
        Ok(()) => Ok(Request::from_parts(parts, Body::new(Begun { begin, rest }))),
        Err(problem) => Err(Box::new(Refused { problem, head: parts })),
    }
}

/// Reads as much as is looked at.
async fn begin(edge: &Edge, how: &BodyInspection, mut rest: Body) -> Result<Begun, axum::Error> {
    let (mut begin, mut bytes) = (VecDeque::new(), 0);
    let mut share = Share::new(edge.budget().clone());
    while bytes < how.bytes_max()
        && let Some(frame) = rest.frame().await
    {
        let frame = frame?;
        let more = frame.data_ref().map_or(0, Bytes::len);
        if !share.take(u64::try_from(more).unwrap_or(u64::MAX)) {
            return Err(axum::Error::new(BodyError::Crowded));
        }
        bytes += more;
        begin.push_back(frame);
    }
    Ok(Begun { begin, rest })
}

impl HttpBody for Begun {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.begin.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.begin.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let begun = self.begin.iter().filter_map(Frame::data_ref).map(Bytes::len).sum::<usize>();
        let begun = u64::try_from(begun).unwrap_or(u64::MAX);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(begun));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(begun));
        }
        hint
    }
}

impl Watched {
    /// Looks at what has gone by, if that is all there is to see.
    fn look(&mut self, next: Option<&Bytes>) {
        let Some(how) = &self.how else { return };
        let room = how.bytes_max() - self.seen.len();
        if let Some(next) = next {
            self.seen.extend_from_slice(&next[..next.len().min(room)]);
        }
        if next.is_none_or(|next| next.len() >= room || self.body.is_end_stream()) {
            // It is told of there, and refused by nobody.
            let _told = self.front.inspect(how, &self.seen);
            (self.how, self.seen) = (None, Vec::new());
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.look(None),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.look(Some(data));
                }
            }
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
