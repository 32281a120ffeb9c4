//! How the server is: alive, ready, and in numbers.

mod http;

pub(crate) use http::{admin_routes, description, plain_admin_routes, public_routes};
