//! All pages and what they load.

mod assets;
mod elections;
mod layout;
mod shells;

use axum::{
    Router,
    response::{Redirect, Response},
    routing::get,
};

/// The routes of all pages that citizens see. They keep nothing, know nobody, and ask the API of the same process.
pub fn routes(api: Router) -> Router {
    let home = Router::new().route("/", get(async || Redirect::temporary("/elections")));
    home.merge(assets()).merge(shells::routes()).merge(elections::routes(api))
}

/// What pages load.
pub fn assets() -> Router {
    assets::routes()
}

/// The operators' page, which a script fills. It loads what is under [`assets`].
pub fn console() -> Response {
    shells::console()
}
