//! Scripts and styles, under a path that changes when any of them does: whoever has one need never ask again.

use std::{io::Write, sync::LazyLock};

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use problem::Problem;
use sha2::{Digest, Sha256};

/// Their names and contents, in the names' order.
const ALL: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// A hash of all of them, as far as it is needed to tell one build from another.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (name, bytes) in ALL {
        hash.update(name);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
});

/// All of them as they are sent, made when the first is asked for.
static PACKED: LazyLock<Vec<(&str, Bytes)>> =
    LazyLock::new(|| ALL.iter().map(|(name, bytes)| (*name, packed(bytes))).collect());

fn packed(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("memory takes whatever is written").into()
}

pub(super) fn routes() -> Router {
    Router::new().route("/assets/{version}/{name}", get(asset))
}

/// Where an asset is found.
pub(super) fn path(name: &str) -> String {
    debug_assert!(ALL.iter().any(|(listed, _)| *listed == name), "there is no asset {name}");
    format!("/assets/{}/{name}", *VERSION)
}

/// The asset as it is now, whichever version was asked for: while nodes are renewed one after the other, a page of
/// one may ask another. Only what is asked for by its own version is kept for good.
async fn asset(Path((version, name)): Path<(String, String)>, asked: HeaderMap) -> Response {
    let Some(at) = ALL.iter().position(|(listed, _)| *listed == name) else {
        return Problem::not_found("edge/no-such-route", "there is no such script or style").into_response();
    };
    let takes_gzip = asked
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("gzip"));
    let body = if takes_gzip { PACKED[at].1.clone() } else { Bytes::from_static(ALL[at].1) };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(&name)));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let keep = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if takes_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
