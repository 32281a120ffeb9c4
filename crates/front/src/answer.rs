//! What a direct route says.

use std::borrow::Cow;

use bytes::Bytes;
use clock::Clock;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use problem::Problem;

use crate::{REQUEST_ID, RequestId};

/// A status, a body that is already whole, and few header fields.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub content_type: HeaderValue,
    /// May a cache keep it?
    pub stored: bool,
    pub fields: Vec<(HeaderName, HeaderValue)>,
    pub body: Cow<'static, [u8]>,
}

impl Answer {
    /// 200 with `body` as `application/json`.
    #[must_use]
    pub fn json(body: impl Into<Cow<'static, [u8]>>) -> Self {
        Self::of_type(HeaderValue::from_static("application/json"), body)
    }

    /// 200 with `body` as `content_type`.
    #[must_use]
    pub fn of_type(content_type: HeaderValue, body: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { status: StatusCode::OK, content_type, stored: true, fields: Vec::new(), body: body.into() }
    }

    /// A refusal that says nothing beyond its document.
    pub fn refusing(problem: &Problem) -> Self {
        let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = HeaderValue::from_static("application/problem+json");
        Self::of_type(content_type, problem.to_json()).with_status(status).not_stored()
    }

    /// As a response to a request that brought this name, or none.
    pub fn written(self, request_id: Option<&[u8]>, clock: &Clock) -> Response<Bytes> {
        let mut response = Response::new(self.body.into_owned().into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_TYPE, self.content_type);
        }
        headers.insert(REQUEST_ID, RequestId::of(request_id, clock).into_value());
        if !self.stored {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        headers.extend(self.fields);
        response
    }

    /// Another status.
    #[must_use]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// One more header field.
    #[must_use]
    pub fn with_field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }

    /// `Cache-Control: no-store`, for what is only for whom it was given to.
    #[must_use]
    pub const fn not_stored(mut self) -> Self {
        self.stored = false;
        self
    }
}
