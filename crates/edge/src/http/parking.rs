//! The body of a request that has a place, while it arrives: whoever sends slowly must not hold the place meanwhile.
//!
//! As soon as its handler would wait for the body, the request gives its place back. When the body goes on, it asks for
//! a place again, in its turn, and may be refused then.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::{Frame, SizeHint};
use overload::{Door, Outcome, Place, Reason};

use super::{admit::NoPlace, arriving::BodyError};

/// The place of a request, which its body gives back and takes again.
#[derive(Debug, Clone)]
pub(super) struct Parking(Arc<Mutex<Holding>>);

#[derive(Debug)]
enum Holding {
    Place(Place),
    /// Nothing, until more of the body is there.
    Nothing,
    /// The handler has answered: what is left of the body is on its own.
    Over,
}

/// A body that parks its request.
pub(super) struct ParkingBody {
    body: Body,
    parking: Parking,
    door: Arc<Door>,
    asked: overload::Request,
    entering: Option<BoxFuture<'static, Result<Place, Reason>>>,
    /// What has come, while its request waits for a place.
    kept: Option<Option<Result<Frame<Bytes>, axum::Error>>>,
}

impl Parking {
    pub(super) fn new(place: Place) -> Self {
        Self(Arc::new(Mutex::new(Holding::Place(place))))
    }

    /// The handler has answered.
    pub(super) fn end(&self, outcome: Outcome) {
        let held =
            std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Holding::Over);
        if let Holding::Place(place) = held {
            place.end(outcome);
        }
    }

    /// The handler waits for the body.
    fn park(&self) {
        let mut holding = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*holding, Holding::Place(_))
            && let Holding::Place(place) = std::mem::replace(&mut *holding, Holding::Nothing)
        {
            drop(holding);
            // It says how fast the caller sends, and nothing of us.
            place.end(Outcome::Uncounted);
        }
    }

    fn is_parked(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), Holding::Nothing)
    }

    /// There is a place again. If the handler has answered meanwhile, nobody needs it.
    fn take_up(&self, place: Place) {
        let mut holding = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*holding, Holding::Nothing) {
            *holding = Holding::Place(place);
        }
    }
}

impl ParkingBody {
    pub(super) fn new(body: Body, parking: Parking, door: Arc<Door>, asked: overload::Request) -> Self {
        Self { body, parking, door, asked, entering: None, kept: None }
    }
}

impl HttpBody for ParkingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.kept.is_none() {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
                this.parking.park();
                return Poll::Pending;
            };
            if !this.parking.is_parked() {
                return Poll::Ready(frame);
            }
            this.kept = Some(frame);
        }
        let entering = this.entering.get_or_insert_with(|| {
            let (door, asked) = (this.door.clone(), this.asked);
            Box::pin(async move { door.enter(asked).await })
        });
        let entered = ready!(entering.as_mut().poll(cx));
        this.entering = None;
        let kept = this.kept.take().flatten();
        Poll::Ready(match entered {
            Ok(place) => {
                this.parking.take_up(place);
                kept
            }
            Err(reason) => {
                let no_place = NoPlace::behind(&this.door, reason);
                Some(Err(axum::Error::new(BodyError::Refused(no_place))))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.kept.is_none() && self.body.is_end_stream() && !self.parking.is_parked()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
