//! Why a request could not be passed on, and what the caller is told.

use std::time::Duration;

use edge::{Content, NoPlace};
use http_body::Body;
use problem::Problem;

use crate::pool::Nobody;

/// What went wrong on the way to an upstream or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No connection could be made: nothing was sent.
    Unreachable,
    ConnectTooSlow,
    /// The connection ended before an answer began.
    Lost {
        /// Not even the first byte of the request went out.
        nothing_sent: bool,
    },
    /// The upstream says that it did nothing with the request (RFC 9113, section 8.7), as it may when it ends a connection.
    Untouched,
    /// The answer did not begin in time.
    TooSlow,
    /// The answer is none that can be passed on.
    BadAnswer(&'static str),
    /// The caller's body is too large, or did not come whole.
    BodyTooLarge,
    BodyLost,
    /// There was no place for it any more when its body went on.
    NoPlace(NoPlace),
    /// It cannot be said in what the upstream speaks.
    Unfit,
    /// All connections to the upstream have as many requests on them as they take: nothing was sent.
    Full,
    /// No upstream takes it.
    Nobody(Nobody),
    NoSuchHost,
    AmbiguousPath,
}

impl Fault {
    /// Why a body ended before it was whole.
    pub(crate) fn of_body(error: &<Content as Body>::Error) -> Self {
        NoPlace::why(error).map_or(Self::BodyLost, Self::NoPlace)
    }

    /// What a health check says of an upstream that this became of.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Unreachable => "it cannot be connected to",
            Self::ConnectTooSlow => "it took too long to be connected to",
            Self::Lost { .. } => "the connection ended before an answer began",
            Self::Untouched => "it took no request",
            Self::TooSlow => "its answer did not begin in time",
            Self::BadAnswer(what) => what,
            Self::BodyTooLarge
            | Self::BodyLost
            | Self::NoPlace(_)
            | Self::Unfit
            | Self::Full
            | Self::Nobody(_)
            | Self::NoSuchHost
            | Self::AmbiguousPath => "it could not be asked",
        }
    }

    /// Does it speak against the upstream?
    pub(crate) const fn is_of_the_upstream(self) -> bool {
        match self {
            Self::Unreachable
            | Self::ConnectTooSlow
            | Self::Lost { .. }
            | Self::TooSlow
            | Self::BadAnswer(_) => true,
            Self::Untouched
            | Self::BodyTooLarge
            | Self::BodyLost
            | Self::NoPlace(_)
            | Self::Unfit
            | Self::Full
            | Self::Nobody(_)
            | Self::NoSuchHost
            | Self::AmbiguousPath => false,
        }
    }

    /// Is nobody there? Asking the same upstream again at once would find out the same.
    pub(crate) const fn is_absence(self) -> bool {
        matches!(self, Self::Unreachable | Self::ConnectTooSlow)
    }

    /// May another attempt help, and can it do no harm? `idempotent` says whether a request may happen twice.
    pub(crate) const fn may_be_tried_again(self, idempotent: bool) -> bool {
        match self {
            Self::Unreachable | Self::ConnectTooSlow | Self::Untouched | Self::Full => true,
            Self::Lost { nothing_sent } => nothing_sent || idempotent,
            // An upstream that is at it for so long would be at it twice.
            Self::TooSlow => false,
            Self::BadAnswer(_) => idempotent,
            Self::BodyTooLarge
            | Self::BodyLost
            | Self::NoPlace(_)
            | Self::Unfit
            | Self::Nobody(_)
            | Self::NoSuchHost
            | Self::AmbiguousPath => false,
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unreachable => {
                Self::bad_gateway("gateway/unreachable", "the server behind this one could not be reached")
            }
            Fault::Lost { .. } => {
                let detail = "the server behind this one ended the connection instead of answering; what was asked \
                              may have happened or not";
                Self::bad_gateway("gateway/no-answer", detail)
            }
            Fault::Untouched => {
                let detail = "the server behind this one ended the connection before it looked at what was asked, which \
                              can be asked again";
                Self::bad_gateway("gateway/no-answer", detail)
            }
            Fault::BadAnswer(what) => Self::bad_gateway("gateway/bad-answer", what),
            Fault::ConnectTooSlow | Fault::TooSlow => {
                let detail =
                    "the server behind this one took too long; what was asked may have happened or not";
                Self::gateway_timeout("gateway/too-slow", detail)
            }
            Fault::BodyTooLarge => {
                Self::content_too_large("gateway/body-too-large", "the body is larger than is passed on")
            }
            Fault::BodyLost => {
                let detail = "the body did not arrive whole, so that it was not passed on whole";
                Self::bad_request("gateway/broken-body", detail)
            }
            Fault::NoPlace(no_place) => {
                let told = Self::from(no_place);
                let detail = "more is asked of this server than it can do: it passed on the beginning of what was asked, and \
                              not the rest";
                Self::unavailable(told.code(), detail, told.retry_after().unwrap_or(Duration::from_secs(1)))
            }
            Fault::Unfit => {
                let detail = "what is asked cannot be said in HTTP/2, which the server behind this one speaks: its host \
                              is empty, or its fields are too many";
                Self::bad_request("gateway/unfit-request", detail)
            }
            Fault::Full => {
                let detail =
                    "the server behind this one has as many requests at once as it takes; try again later";
                Self::unavailable("gateway/full", detail, Duration::from_secs(1))
            }
            Fault::Nobody(Nobody(wait)) => {
                let detail = "no server that could answer this is well; try again later";
                Self::unavailable("gateway/nobody-well", detail, wait.max(Duration::from_secs(1)))
            }
            Fault::NoSuchHost => {
                Self::not_found("gateway/no-such-host", "nothing is served under this host and path")
            }
            Fault::AmbiguousPath => {
                let detail = "the path has segments `.` or `..`, which two servers may resolve differently";
                Self::bad_request("gateway/ambiguous-path", detail)
            }
        }
    }
}
