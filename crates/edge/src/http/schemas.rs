//! JSON bodies are held to the published description of the API before a handler sees them.
//!
//! A handler's own types take some things that the description does not allow, such as an array for an object. What is
//! described is what is taken.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{FromRequest, MatchedPath, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::Method;
use jsonschema::{
    Validator,
    error::{TypeKind, ValidationErrorKind},
};
use problem::Problem;
use serde_json::Value;

use super::{
    extract::RawBody,
    json::{is_json, malformed},
};

/// A described body that cannot be checked.
#[derive(Debug, thiserror::Error)]
#[error("the description of {method} {path} is no schema: {reason}")]
pub struct SchemaError {
    method: String,
    path: String,
    reason: String,
}

/// What bodies of which routes look like.
#[derive(Clone)]
struct Schemas(Arc<HashMap<String, Vec<(Method, Validator)>>>);

/// Refuses JSON bodies that are not as `description` (OpenAPI 3.1) has them, before the handlers of these routes.
///
/// # Errors
/// When it describes a body by what is no schema.
pub fn check_bodies(routes: Router, description: &Value) -> Result<Router, SchemaError> {
    let schemas = Schemas::read(description)?;
    Ok(routes.layer(from_fn_with_state(schemas, check)))
}

impl Schemas {
    fn read(description: &Value) -> Result<Self, SchemaError> {
        let mut schemas = HashMap::<String, Vec<(Method, Validator)>>::new();
        let none = serde_json::Map::new();
        for (path, item) in description["paths"].as_object().unwrap_or(&none) {
            for (method, operation) in item.as_object().unwrap_or(&none) {
                let content = operation["requestBody"]["content"].as_object().unwrap_or(&none);
                let json = content.iter().find(|(kind, _)| kind.ends_with("json"));
                let Some(schema) = json.map(|(_, content)| &content["schema"]) else { continue };
                let failed =
                    |reason: String| SchemaError { method: method.clone(), path: path.clone(), reason };
                // References point into the whole description.
                let mut whole = serde_json::json!({ "components": description["components"] });
                whole["allOf"] = Value::Array(vec![schema.clone()]);
                let validator =
                    jsonschema::draft202012::new(&whole).map_err(|error| failed(error.to_string()))?;
                let verb =
                    method.to_uppercase().parse::<Method>().map_err(|error| failed(error.to_string()))?;
                schemas.entry(path.clone()).or_default().push((verb, validator));
            }
        }
        Ok(Self(Arc::new(schemas)))
    }

    /// The schema of a route's bodies, if they have one.
    fn of(&self, method: &Method, path: &str) -> Option<&Validator> {
        let of_path = self.0.get(path)?;
        of_path.iter().find(|(verb, _)| verb == method).map(|(_, validator)| validator)
    }
}

async fn check(State(schemas): State<Schemas>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let schema = path.and_then(|path| schemas.of(request.method(), path));
    let Some(schema) = schema.filter(|_| is_json(request.headers())) else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    let bytes = match RawBody::from_request(Request::new(body), &()).await {
        Ok(RawBody(bytes)) => bytes,
        Err(refusal) => return refusal.into_response(),
    };
    match fits(schema, &bytes) {
        Ok(()) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Is the body as it should be? If not, what is wrong first.
fn fits(schema: &Validator, bytes: &[u8]) -> Result<(), Problem> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    let Err(error) = schema.validate(&value) else { return Ok(()) };
    let mut field = String::new();
    for part in error.instance_path().as_str().split('/').skip(1) {
        // As elsewhere: members behind points, places in brackets.
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            field.push_str(&format!("[{part}]"));
        } else {
            field.push_str(if field.is_empty() { "" } else { "." });
            field.push_str(part);
        }
    }
    // What was sent may be a secret: it is not said again.
    let detail = if let ValidationErrorKind::Type { kind } = error.kind() {
        match kind {
            TypeKind::Single(one) => format!("it must be of type {one}"),
            TypeKind::Multiple(several) => {
                let several: Vec<_> = several.iter().map(|one| one.to_string()).collect();
                format!("it must be of type {}", several.join(" or "))
            }
        }
    } else if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
        format!("there is no member `{}`", unexpected.first().map_or("", String::as_str))
    } else if let ValidationErrorKind::Required { property } = error.kind() {
        format!("missing member {property}")
    } else {
        error.masked().to_string()
    };
    let place = if field.is_empty() { "the body" } else { &field };
    let problem = Problem::unprocessable("edge/wrong-shape", format!("{place}: {detail}"));
    Err(if field.is_empty() { problem } else { problem.with("field", field) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Schemas {
        let description = json!({
            "paths": { "/visits/{visit}": { "post": { "requestBody": { "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/Visit" } } } } } } },
            "components": { "schemas": {
                "Visit": {
                    "type": "object", "required": ["doctor"], "additionalProperties": false,
                    "properties": {
                        "doctor": { "$ref": "#/components/schemas/Doctor" },
                        "minutes": { "type": "array", "items": { "type": "integer", "maximum": 90 } },
                    },
                },
                "Doctor": { "type": "object", "properties": { "name": { "type": "string", "maxLength": 5 } } },
            } },
        });
        Schemas::read(&description).expect("schemas")
    }

    #[track_caller]
    fn refused(body: &str) -> (String, String) {
        let schemas = schema();
        let schema = schemas.of(&Method::POST, "/visits/{visit}").expect("it is described");
        let problem = fits(schema, body.as_bytes()).expect_err("it does not fit");
        let document: Value = serde_json::from_slice(&problem.to_json()).expect("JSON");
        (problem.code().to_owned(), document["field"].as_str().unwrap_or_default().to_owned())
    }

    #[test]
    fn what_is_described_is_taken() {
        let schemas = schema();
        let schema = schemas.of(&Method::POST, "/visits/{visit}").expect("it is described");
        for body in [r#"{"doctor": {"name": "Ada"}}"#, r#"{"doctor": {}, "minutes": [1, 2]}"#] {
            assert!(fits(schema, body.as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn what_is_not_described_is_refused_by_its_place() {
        for (body, field) in [
            (r#"[{"name": "Ada"}]"#, ""),
            (r#"{"doctor": ["Ada"]}"#, "doctor"),
            (r#"{"doctor": {"name": 7}}"#, "doctor.name"),
            (r#"{"doctor": {"name": "Adelheid"}}"#, "doctor.name"),
            (r#"{"doctor": {}, "minutes": [1, "x"]}"#, "minutes[1]"),
            (r#"{"doctor": {}, "minutes": [1, 91]}"#, "minutes[1]"),
            (r#"{"doctor": {}, "nurse": 1}"#, ""),
            ("{}", ""),
        ] {
            assert_eq!(refused(body), ("edge/wrong-shape".to_owned(), field.to_owned()), "{body}");
        }
        assert_eq!(refused("{").0, "edge/malformed-json");
    }

    #[test]
    fn a_secret_that_does_not_fit_is_not_said_again() {
        let schemas = schema();
        let schema = schemas.of(&Method::POST, "/visits/{visit}").expect("it is described");
        let problem = fits(schema, br#"{"doctor": {"name": "hunter2!"}}"#).expect_err("it is too long");
        assert!(!problem.detail().contains("hunter2"), "{}", problem.detail());
    }
}
