//! How much more comes than can be served: what the edge's overload control sees and does, for operators.

mod http;

pub(crate) use http::{description, operator_routes, routes};
