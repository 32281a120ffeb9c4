//! An answer that is kept as it streams past.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use edge::Content;
use http_body::{Body, Frame, SizeHint};

use crate::response_cache::{Kept, Lead, ResponseCache};

/// What becomes of the answer when it has come whole.
pub(crate) struct Plan {
    pub(crate) cache: Arc<ResponseCache>,
    pub(crate) lead: Lead,
    /// Without its body yet.
    pub(crate) kept: Kept,
}

/// A body, and what has come of it, until it is whole or too large.
pub(crate) struct Filling {
    body: Content,
    plan: Option<Plan>,
    came: Vec<u8>,
}

impl Filling {
    pub(crate) fn content(body: Content, plan: Plan) -> Content {
        Content::new(Self { body, plan: Some(plan), came: Vec::new() })
    }

    fn came(&mut self, piece: &[u8]) {
        let Some(plan) = &self.plan else { return };
        if self.came.len() + piece.len() > plan.cache.answer_bytes_max {
            plan.cache.pass(&plan.lead);
            (self.plan, self.came) = (None, Vec::new());
            return;
        }
        self.came.extend_from_slice(piece);
    }

    fn is_whole(&mut self) {
        if let Some(Plan { cache, lead, mut kept }) = self.plan.take() {
            kept.body = std::mem::take(&mut self.came).into();
            cache.keep(&lead, kept);
        }
    }
}

impl Body for Filling {
    type Data = Bytes;
    type Error = <Content as Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(piece) = frame.data_ref() {
                    this.came(piece);
                }
                // Some ask for no more once they know that it has ended.
                if this.body.is_end_stream() {
                    this.is_whole();
                }
            }
            Some(Err(_)) => this.plan = None,
            None => this.is_whole(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // While there is a plan, the end must be seen.
        self.plan.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
