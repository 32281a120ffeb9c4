//! Under which names the operators' port is asked.
//!
//! A page whose own name is made to lead to this machine (DNS rebinding) could have an operator's browser ask here as if it were ours.
//! So it is asked by its address, as `localhost`, or by a name that the settings say. What monitors and balancers ask tells
//! strangers nothing, and is answered under any name.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use problem::Problem;

use super::operate::host;

/// These routes, for whoever asks them by an address or one of these names.
pub fn under(names: &[String], routes: Router) -> Router {
    let names: Arc<[String]> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    routes.layer(from_fn_with_state(names, ask))
}

async fn ask(State(names): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let open = ["/metrics", "/health"].contains(&path);
    let (parts, body) = request.into_parts();
    let host = host(&parts);
    if open || host.as_deref().is_some_and(|host| is_ours(host, &names)) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let detail = "the operators' port is not known by this name: ask it by its address, or add the name to `admin-names` in the settings";
    Problem::forbidden("server/unknown-name", detail).into_response()
}

fn is_ours(host: &str, names: &[String]) -> bool {
    let host = host.to_ascii_lowercase();
    is_nobodys(&host) || names.contains(&host)
}

/// Is it an address, or `localhost`, which no page can make lead elsewhere?
pub(super) fn is_nobodys(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_else_made_is_not_ours() {
        let names = ["ops.example.gov".to_owned()];
        for ours in ["127.0.0.1", "[::1]", "localhost", "LOCALHOST", "10.0.0.7", "Ops.example.gov"] {
            assert!(is_ours(ours, &names), "{ours}");
        }
        for theirs in [
            "page.example",
            "localhost.page.example",
            "ops.example.gov.page.example",
            "127.0.0.1.page.example",
            "",
        ] {
            assert!(!is_ours(theirs, &names), "{theirs}");
        }
    }
}
