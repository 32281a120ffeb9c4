//! A head as the request that routers know.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use super::{Fault, Head, Version};

/// The request of `head`, which stands in `read`.
pub(super) fn request<B>(head: &Head<'_>, read: &[u8], body: B) -> Result<Request<B>, Fault> {
    const UNFIT: Fault = Fault::Malformed("this is not an HTTP request");
    // One copy that all values share, instead of one for each.
    let kept = Bytes::copy_from_slice(&read[..head.bytes]);
    let keep = |part: &[u8]| {
        let begin = part.as_ptr().addr().wrapping_sub(read.as_ptr().addr());
        // An empty part may stand anywhere.
        kept.get(begin..begin.wrapping_add(part.len())).map(|part| kept.slice_ref(part)).unwrap_or_default()
    };
    let mut headers = HeaderMap::with_capacity(head.fields.len());
    for field in head.fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| UNFIT)?;
        let value = HeaderValue::from_maybe_shared(keep(field.value)).map_err(|_| UNFIT)?;
        headers.append(name, value);
    }
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(head.method.as_bytes()).map_err(|_| UNFIT)?;
    *request.uri_mut() = Uri::from_maybe_shared(keep(head.target.as_bytes())).map_err(|_| UNFIT)?;
    *request.version_mut() = match head.version {
        Version::Http10 => http::Version::HTTP_10,
        Version::Http11 => http::Version::HTTP_11,
    };
    *request.headers_mut() = headers;
    Ok(request)
}
