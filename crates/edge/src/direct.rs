//! Answers given on the spot, for the few routes that are asked a hundred times more than the rest.
//!
//! A direct route sees the head of a request only, does not wait for anything, and passes no layer: it is
//! still named, counted and survives its own panic like the others. Whatever it declines goes to the
//! router, so a direct route holds the short way and the router the whole truth (refusals too).

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

/// What a direct route sees of a request.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub uri: &'a Uri,
    pub headers: &'a HeaderMap,
}

/// What a direct route says: a status, a body that is already whole, and few header fields.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
    pub(crate) content_type: HeaderValue,
    pub(crate) body: Bytes,
}

impl Answer {
    /// 200 with `body` as `application/json`.
    #[must_use]
    pub const fn json(body: Bytes) -> Self {
        let content_type = HeaderValue::from_static("application/json");
        Self { status: StatusCode::OK, fields: Vec::new(), content_type, body }
    }

    /// 200 with `body` as `content_type`.
    #[must_use]
    pub const fn of_type(content_type: HeaderValue, body: Bytes) -> Self {
        Self { status: StatusCode::OK, fields: Vec::new(), content_type, body }
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
    pub fn not_stored(self) -> Self {
        self.with_field(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }
}

type Respond = Arc<dyn Fn(Ask<'_>) -> Option<Answer> + Send + Sync>;

/// The direct routes of a port: few, since they are searched in a row.
#[derive(Clone, Default)]
pub struct Direct(pub(crate) Vec<DirectRoute>);

#[derive(Clone)]
pub(crate) struct DirectRoute {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) respond: Respond,
}

impl Direct {
    /// No direct routes.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds a route for exactly this method and path (no template). `respond` must not block; `None`
    /// passes the request on to the router.
    #[must_use]
    pub fn route(
        mut self,
        method: Method,
        path: &'static str,
        respond: impl Fn(Ask<'_>) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        self.0.push(DirectRoute { method, path, respond: Arc::new(respond) });
        self
    }

    /// These routes and those of another service.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|route| (&route.method, route.path))).finish()
    }
}
