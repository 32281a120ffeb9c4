//! All pages and what they load.

mod assets;
mod layout;
mod shells;

use axum::Router;

/// The routes of all pages. They keep nothing and know nobody.
pub fn routes() -> Router {
    assets::routes().merge(shells::routes())
}
