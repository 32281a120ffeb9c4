//! What operators do: only for those who may, and recorded before it is done.

use axum::{
    Router,
    extract::{FromRequestParts, Request, State},
    middleware::{self, Next},
    response::Response,
};
use edge::Caller;
use identity::RecordOperation;
use problem::Problem;

use super::Look;
use crate::Console;

/// The operators' routes, for people who have signed in and may use them.
pub(super) fn guarded(console: &Console, operators: Router) -> Router {
    // Only for routes that exist: what is not done is not recorded.
    operators.route_layer(middleware::from_fn_with_state(console.clone(), guard))
}

async fn guard(State(console): State<Console>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let Caller(actor) = Caller::from_request_parts(&mut parts, &()).await?;
    if parts.method.is_safe() {
        let _ = actor.permit(Look)?;
    } else {
        let operation = actor.permit(RecordOperation::of(parts.method.as_str(), parts.uri.path()))?;
        console.0.identity.ledger().submit(operation).await?;
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}
