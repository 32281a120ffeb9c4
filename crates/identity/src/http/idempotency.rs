//! The Idempotency-Key header field.

use authz::Actor;
use axum::http::HeaderMap;
use ledger::{KEY_BYTES_MAX, Once};
use problem::Problem;

/// The request as one that must be done once, if it says so.
pub(super) fn once(
    headers: &HeaderMap,
    actor: &Actor,
    route: &'static str,
    body: &[u8],
) -> Result<Option<Once>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()));
    let key = key.ok_or_else(|| {
        let detail =
            format!("an Idempotency-Key is 1 to {KEY_BYTES_MAX} visible ASCII characters, such as a UUID");
        Problem::bad_request("identity/idempotency-key-unfit", detail)
    })?;
    Ok(Some(Once::new(actor.by(), route, key, body)))
}
