//! `/webhook` on the operators' port.

use axum::{Json, Router, extract::State, routing::get};
use problem::Problem;

use crate::{Webhook, WebhookState};

/// The routes, for operators.
pub fn operator_routes(webhook: Webhook) -> Router {
    Router::new().route("/webhook", get(see)).with_state(webhook)
}

async fn see(State(webhook): State<Webhook>) -> Result<Json<WebhookState>, Problem> {
    let none = || Problem::not_found("server/no-webhook", "the settings name no webhook");
    webhook.state().map(Json).ok_or_else(none)
}
