//! A request's body while it arrives: bounded in size and in time.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

use super::admit::NoPlace;
use crate::{
    EdgeConfig,
    budget::{Budget, Share},
    config::millis,
};

/// Why a body did not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is too large")]
    TooLarge,
    #[error("too many bodies are arriving")]
    Crowded,
    #[error("the body took too long")]
    TooSlow,
    #[error("there was no place when it had arrived")]
    Refused(NoPlace),
    #[error("it is not what Content-Digest says")]
    Altered,
    #[error("the connection was lost")]
    Lost(#[source] axum::Error),
}

/// A body that ends in an error once it is too large or too slow.
#[derive(Debug)]
pub(super) struct Bounded {
    body: Body,
    left_bytes: u64,
    /// Its share of what all bodies that arrive may take together.
    share: Share,
    time: Duration,
    /// Set when the body first makes us wait: most are there when they are asked for.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Bounded {
    pub(super) fn new(body: Body, limits: &EdgeConfig, budget: Budget) -> Self {
        let left_bytes = u64::from(limits.body_bytes_max.get());
        Self {
            body,
            left_bytes,
            share: Share::new(budget),
            time: millis(limits.body_read_ms_max),
            alarm: None,
        }
    }

    pub(super) fn into_body(self) -> Body {
        Body::new(self)
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            let time = self.time;
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
            ready!(alarm.as_mut().poll(cx));
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        };
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(BodyError::Lost)?;
            let bytes = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
            self.left_bytes = self.left_bytes.checked_sub(bytes).ok_or(BodyError::TooLarge)?;
            if !self.share.take(bytes) {
                return Err(BodyError::Crowded);
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
