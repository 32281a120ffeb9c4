//! All pages and what they load.

mod assets;
mod layout;
mod shells;

use axum::{Router, response::Response};

/// The routes of all pages that citizens see. They keep nothing and know nobody.
pub fn routes() -> Router {
    assets().merge(shells::routes())
}

/// What pages load.
pub fn assets() -> Router {
    assets::routes()
}

/// The operators' page, which a script fills. It loads what is under [`assets`].
pub fn console() -> Response {
    shells::console()
}
