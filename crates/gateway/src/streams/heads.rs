//! The heads of requests and answers in HTTP/2, and in the form that the rest of the gateway has them in.

use edge::Lines;
use http::{HeaderName, HeaderValue, Request, Response, header, request::Parts};
use httparse::Header;
use hyper::body::Incoming;

use crate::{
    answer_head::{AnswerHead, Extent},
    fault::Fault,
    fields::is_of_the_hop,
    pool::Pool,
};

/// Fields of a request's head, which we have written ourselves.
const FIELDS_MAX: usize = 200;

/// A head that was written for HTTP/1.1, as that of a request to a pool in HTTP/2.
///
/// # Errors
/// When it cannot be said in HTTP/2, which is its caller's doing: all that is ours in it can.
pub(crate) fn request_parts(head: &[u8], pool: &Pool) -> Result<Parts, Fault> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut read = httparse::Request::new(&mut fields);
    if !read.parse(head).is_ok_and(|status| status.is_complete()) {
        return Err(Fault::Unfit);
    }
    let host = read.headers.iter().find(|field| field.name == "host").map(|field| field.value);
    let host = host.and_then(|host| std::str::from_utf8(host).ok()).ok_or(Fault::Unfit)?;
    let target = read.path.filter(|path| *path != "*").unwrap_or("/");
    let scheme = if pool.config.tls.is_some() { "https" } else { "http" };
    let uri = format!("{scheme}://{host}{target}");
    let mut request = Request::builder().method(read.method.unwrap_or_default()).uri(uri);
    for Header { name, value } in read.headers.iter() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Fault::Unfit)?;
        // `TE: trailers` is the only one of the connection's that HTTP/2 knows, and only we have written it.
        if name == header::HOST || (is_of_the_hop(name.as_str()) && name != header::TE) {
            continue;
        }
        request = request.header(name, HeaderValue::from_bytes(value).map_err(|_| Fault::Unfit)?);
    }
    request.body(()).map(|request| request.into_parts().0).map_err(|_| Fault::Unfit)
}

/// The head of an answer, and what follows it.
pub(super) fn heard(response: Response<Incoming>) -> (AnswerHead, Incoming) {
    let (parts, body) = response.into_parts();
    let mut fields = parts.headers;
    let of_the_hop: Vec<_> = fields.keys().filter(|name| is_of_the_hop(name.as_str())).cloned().collect();
    of_the_hop.iter().for_each(|name| drop(fields.remove(name)));
    let extent = if http_body::Body::is_end_stream(&body) { Extent::Nothing } else { Extent::ToTheEnd };
    let head = AnswerHead {
        says_when: fields.contains_key(header::RETRY_AFTER),
        status: parts.status,
        lines: Lines::default(),
        fields,
        extent,
        persistent: true,
        protocol: None,
        bytes: 0,
    };
    (head, body)
}
