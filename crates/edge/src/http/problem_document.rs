//! Problem documents as the API's description has them: one shape for every refusal of every route.

use utoipa::{IntoResponses, ToSchema};

/// A problem document (RFC 9457).
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "type": "/problems/identity/user-id-taken", "title": "User id taken", "status": 409,
    "detail": "this userId is taken; choose another"
}))]
pub struct ProblemDocument {
    /// Which kind of problem it is: the same kind always has the same type, and a page that explains it.
    pub r#type: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status, again.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What went wrong this time, and what to do about it.
    pub detail: String,
}

/// What any route may refuse with.
#[derive(Debug, IntoResponses)]
pub enum Refusals {
    /// What was sent cannot be read.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(#[to_schema] ProblemDocument),
    /// The caller must say who they are, and prove it.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] ProblemDocument),
    /// The caller may not.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] ProblemDocument),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] ProblemDocument),
    /// The path is served with other methods.
    #[response(status = 405, content_type = "application/problem+json")]
    MethodNotAllowed(#[to_schema] ProblemDocument),
    /// The request took too long to arrive.
    #[response(status = 408, content_type = "application/problem+json")]
    RequestTimeout(#[to_schema] ProblemDocument),
    /// It cannot be done as things stand.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(#[to_schema] ProblemDocument),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    ContentTooLarge(#[to_schema] ProblemDocument),
    /// The body is of another type.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(#[to_schema] ProblemDocument),
    /// What was sent breaks a rule.
    #[response(status = 422, content_type = "application/problem+json")]
    Unprocessable(#[to_schema] ProblemDocument),
    /// Too many requests: wait as long as `Retry-After` says.
    #[response(status = 429, content_type = "application/problem+json")]
    TooManyRequests(#[to_schema] ProblemDocument),
    /// The header section is too large.
    #[response(status = 431, content_type = "application/problem+json")]
    HeaderFieldsTooLarge(#[to_schema] ProblemDocument),
    /// Something is wrong with the server.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(#[to_schema] ProblemDocument),
    /// The server cannot do it now, and did not: try again after `Retry-After`.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] ProblemDocument),
}
