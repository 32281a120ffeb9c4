//! A JSON body as a value of ours, or exactly what is wrong with it.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, header};
use problem::Problem;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::error::Category;

use super::extract::RawBody;

/// A request's JSON body, as a `T`. It must come as `application/json`, or a type that ends in `+json`.
///
/// Refuses with 415 another type, with 400 what is not JSON (and says where), with 422 JSON of another
/// shape (and names the field), with 413 what is too large.
#[derive(Debug, Clone, Copy)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Exact::from_request(request, state).await.map(|Exact { value, .. }| Self(value))
    }
}

/// As [`Body`], with the bytes that were sent, for those who must know the same request when it comes
/// again.
#[derive(Debug, Clone)]
pub struct Exact<T> {
    pub value: T,
    pub bytes: Bytes,
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Exact<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "send the body as application/json";
            return Err(Problem::unsupported_media_type("edge/not-json", detail));
        }
        let RawBody(bytes) = RawBody::from_request(request, state).await?;
        Ok(Self { value: read_json(&bytes)?, bytes })
    }
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    let subtype = essence
        .split_once('/')
        .filter(|(kind, _)| kind.eq_ignore_ascii_case("application"))
        .map(|(_, subtype)| subtype.to_ascii_lowercase());
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// Reads a JSON body, which may borrow from `bytes`.
///
/// # Errors
/// 400 for what is not JSON (and where), 422 for JSON of another shape (and which field).
pub fn read_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    // A struct can be read from an array of its fields, which no description of ours says.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::unprocessable("edge/wrong-shape", "the body is an array; send an object"));
    }
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => wrong_shape::<T>(bytes, &error),
        Category::Syntax | Category::Eof | Category::Io => malformed(&error),
    })
}

/// What the sender of a body that is no JSON is told.
pub(super) fn malformed(error: &serde_json::Error) -> Problem {
    Problem::bad_request("edge/malformed-json", error)
        .with("line", error.line())
        .with("column", error.column())
}

/// Reads once more, slowly, to find out which field it was.
fn wrong_shape<'a, T: Deserialize<'a>>(bytes: &'a [u8], error: &serde_json::Error) -> Problem {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let field = serde_path_to_error::deserialize::<_, T>(&mut reader)
        .err()
        .map(|error| error.path().to_string())
        .filter(|path| path != ".");
    let detail = field.as_ref().map_or_else(|| error.to_string(), |field| format!("{field}: {error}"));
    let problem = Problem::unprocessable("edge/wrong-shape", detail);
    match field {
        Some(field) => problem.with("field", field),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Visit {
        #[expect(dead_code, reason = "it is only read into")]
        minutes: Vec<u16>,
    }

    #[track_caller]
    fn check(body: &str, code: &str, member: &str, value: impl Into<serde_json::Value>) {
        let problem = read_json::<Visit>(body.as_bytes()).expect_err("it is wrong");
        assert_eq!(problem.code(), code);
        let document: serde_json::Value = serde_json::from_slice(&problem.to_json()).expect("JSON");
        assert_eq!(document[member], value.into(), "{document}");
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        check("{\n\"minutes\" [", "edge/malformed-json", "line", 2);
        check("{\"minutes\": [1", "edge/malformed-json", "column", 14);
    }

    #[test]
    fn another_shape_is_refused_with_the_name_of_the_field() {
        check(r#"{"minutes": [1, "x"]}"#, "edge/wrong-shape", "field", "minutes[1]");
        check("{}", "edge/wrong-shape", "detail", "missing field `minutes` at line 1 column 2");
    }

    #[test]
    fn json_is_known_by_its_type() {
        let typed = |text: &'static str| {
            HeaderMap::from_iter([(header::CONTENT_TYPE, http::HeaderValue::from_static(text))])
        };
        for text in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(is_json(&typed(text)), "{text}");
        }
        for text in ["text/json", "text/plain", "application/jsonx", "json", ""] {
            assert!(!is_json(&typed(text)), "{text}");
        }
    }
}
