//! A request's body, compared with the digest in its head while it arrives (RFC 9530): whoever signs the head signs the
//! body too.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use authz::By;
use axum::{
    body::{Body, HttpBody},
    extract::Request,
};
use bytes::Bytes;
use http::HeaderName;
use http_body::{Frame, SizeHint};
use problem::Problem;
use signatures::{DigestError, Digesting};

use super::{arriving::BodyError, extract::Known};

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// A body that ends in an error if it is not what was said of it.
struct Digested {
    body: Body,
    /// Until all has come.
    digesting: Option<Digesting>,
}

/// The request, with its body compared if its head has a digest of it.
pub(super) fn digested(request: Request) -> Result<Request, Problem> {
    let is_signed =
        request.extensions().get().is_some_and(|Known(actor)| matches!(actor.by(), By::Signer(_)));
    let said = request.headers().get_all(CONTENT_DIGEST);
    if !is_signed && said.iter().next().is_none() {
        return Ok(request);
    }
    match Digesting::of(said.iter().map(|value| value.as_bytes())) {
        Ok(digesting) => Ok(request.map(|body| Body::new(Digested { body, digesting: Some(digesting) }))),
        // Digests that are not known are for others (RFC 9530, section 2), but nobody else answers for what is signed.
        Err(DigestError::Unknown) if !is_signed => Ok(request),
        Err(error) => Err(Problem::bad_request("edge/malformed-digest", error)),
    }
}

impl HttpBody for Digested {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (Some(digesting), Some(Ok(frame))) = (&mut self.digesting, &frame)
            && let Some(piece) = frame.data_ref()
        {
            digesting.update(piece);
        }
        let ended =
            frame.is_none() || (frame.as_ref().is_some_and(Result::is_ok) && self.body.is_end_stream());
        if ended && self.digesting.take().is_some_and(|digesting| !digesting.holds()) {
            return Poll::Ready(Some(Err(axum::Error::new(BodyError::Altered))));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // Whoever believes that all has come must have it compared.
        self.digesting.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
