//! A request's body over HTTP/2 that may be answered before it has all come.
//!
//! Then the caller is told to stop (RFC 9113, section 8.1), and some programs, curl among them, lose the answer when they
//! hear both at once. So what comes of such a body is read and thrown away for a little while.

use std::{
    future::pending,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures_util::future::select;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{
    runtime::Handle,
    sync::oneshot::{Receiver, Sender, channel},
};

/// What is read of a body that nobody wants; what comes beyond it fills the stream's window and no more.
const UNWANTED_BYTES_MAX: usize = 1 << 20;
/// How long after the answer a caller may go on sending, as over HTTP/1.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// Dropped when all of an answer was given to be sent.
#[derive(Debug)]
pub(crate) struct Answered(#[expect(dead_code, reason = "that it goes is what is heard")] Sender<()>);

/// A body on its way to whoever wants it.
#[derive(Debug)]
struct Upload {
    incoming: Option<Incoming>,
    answered: Receiver<()>,
}

/// A body for whoever wants it, and what lasts as long as its answer, if more of the body is to come.
pub(super) fn upload(incoming: Incoming) -> (Body, Option<Answered>) {
    if incoming.is_end_stream() {
        return (Body::new(incoming), None);
    }
    let (sender, answered) = channel();
    (Body::new(Upload { incoming: Some(incoming), answered }), Some(Answered(sender)))
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.incoming.as_mut().map_or(Poll::Ready(None), |incoming| Pin::new(incoming).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take().filter(|incoming| !incoming.is_end_stream()) else {
            return;
        };
        let answered = std::mem::replace(&mut self.answered, channel().1);
        // A process that ends has no time for it.
        if let Ok(thread) = Handle::try_current() {
            thread.spawn(pass_over(incoming, answered));
        }
    }
}

/// Reads what nobody wants, until it ends or its time is over.
async fn pass_over(mut incoming: Incoming, answered: Receiver<()>) {
    let read = pin!(async {
        let mut left = UNWANTED_BYTES_MAX;
        while let Some(Ok(frame)) = incoming.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return pending().await;
            }
        }
    });
    let over = pin!(async {
        let _answered = answered.await;
        tokio::time::sleep(LINGER_MAX).await;
    });
    select(read, over).await;
}
