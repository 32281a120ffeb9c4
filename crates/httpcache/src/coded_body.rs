//! A body that is compressed as it passes. What was held back goes out whenever the body pauses.

use std::{
    io::{self, Write as _},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use edge::Content;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::{Body, Frame};

use crate::coding::{Coding, is_worth_coding};

/// How hard is tried: answers are made for one caller, so that time counts more than the last per cent.
const BROTLI_QUALITY: u32 = 4;
const ZSTD_LEVEL: i32 = 3;
const GZIP_LEVEL: u32 = 5;
/// What is looked back upon, as a power of two in bytes: it is what each answer under way holds.
const WINDOW_LOG: u32 = 18;
const BROTLI_BUFFER_BYTES: usize = 4096;
/// Digests of the bytes that came, or of their representation, of which a coding is a part (RFC 9530, sections 2 and 3).
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

enum Encoder {
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

/// A body on its way, and what makes it smaller until its end.
struct Coded {
    body: Content,
    encoder: Option<Encoder>,
    /// Something was put in that may not have come out yet.
    holds: bool,
}

/// Compresses an answer, if the caller takes that and it is worth it.
pub fn coded(mut response: Response<Content>, coding: Option<Coding>) -> Response<Content> {
    let bytes = response.body().size_hint().exact();
    if !is_worth_coding(response.status(), response.headers(), bytes) {
        return response;
    }
    // Whoever keeps it must know, even where this one goes as it is.
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let Some(coding) = coding else { return response };
    let Ok(encoder) = Encoder::new(coding) else { return response };
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_ENCODING, coding.value());
    fields.remove(header::CONTENT_LENGTH);
    // Parts of it would be parts of another text.
    fields.remove(header::ACCEPT_RANGES);
    // Whoever checks what they were sent would find it broken.
    for digest in DIGESTS {
        fields.remove(digest);
    }
    weaken(fields);
    response.map(|body| Content::new(Coded { body, encoder: Some(encoder), holds: false }))
}

/// Its bytes are others than those that the tag was given to (RFC 9110, section 8.8.1).
fn weaken(fields: &mut HeaderMap) {
    let strong = fields.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    if let Some(weak) = strong.map(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())) {
        match weak {
            Ok(weak) => drop(fields.insert(header::ETAG, weak)),
            Err(_) => drop(fields.remove(header::ETAG)),
        }
    }
}

impl Encoder {
    fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Brotli => {
                let (out, quality) = (Vec::new(), BROTLI_QUALITY);
                Self::Brotli(Box::new(brotli::CompressorWriter::new(
                    out,
                    BROTLI_BUFFER_BYTES,
                    quality,
                    WINDOW_LOG,
                )))
            }
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(WINDOW_LOG)?;
                Self::Zstd(Box::new(encoder))
            }
            Coding::Gzip => Self::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL)))),
        })
    }

    fn put(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Brotli(encoder) => encoder.write_all(data),
            Self::Zstd(encoder) => encoder.write_all(data),
            Self::Gzip(encoder) => encoder.write_all(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Brotli(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
            Self::Gzip(encoder) => encoder.flush(),
        }
    }

    /// What has come out since it was last taken.
    fn take(&mut self) -> Bytes {
        let out = match self {
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
            Self::Gzip(encoder) => encoder.get_mut(),
        };
        std::mem::take(out).into()
    }

    fn finish(self) -> io::Result<Bytes> {
        let rest = match self {
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Zstd(encoder) => encoder.finish()?,
            Self::Gzip(encoder) => encoder.finish()?,
        };
        Ok(rest.into())
    }
}

impl Body for Coded {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        loop {
            let Some(encoder) = &mut this.encoder else { return Poll::Ready(None) };
            let polled = Pin::new(&mut this.body).poll_frame(cx);
            if polled.is_pending() && std::mem::take(&mut this.holds) {
                encoder.flush()?;
                let out = encoder.take();
                if !out.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(out))));
                }
            }
            let out = match ready!(polled) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    encoder.put(&data)?;
                    this.holds = true;
                    encoder.take()
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                None => match this.encoder.take() {
                    Some(encoder) => encoder.finish()?,
                    None => return Poll::Ready(None),
                },
            };
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use std::io::Read;

    /// A body that comes by and by.
    struct Pieces(tokio::sync::mpsc::Receiver<&'static str>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece.into()))))
        }
    }

    fn text() -> String {
        (0..500).map(|number| format!("line {number} of a text that repeats itself\n")).collect()
    }

    fn answer(body: Content) -> Response<Content> {
        let builder = Response::builder().header("content-type", "text/plain").header("etag", "\"a\"");
        builder.body(body).expect("it is an answer")
    }

    fn decoded(coding: Coding, bytes: &[u8]) -> String {
        let mut text = String::new();
        let read = match coding {
            Coding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_string(&mut text),
            Coding::Zstd => {
                zstd::stream::read::Decoder::new(bytes).expect("a frame").read_to_string(&mut text)
            }
            Coding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_string(&mut text),
        };
        read.expect("it is whole");
        text
    }

    #[test]
    fn each_coding_gives_the_same_text_back_and_takes_less() {
        for coding in [Coding::Brotli, Coding::Zstd, Coding::Gzip] {
            let response = coded(answer(Content::from(text())), Some(coding));
            assert_eq!(response.headers()["content-encoding"], coding.name());
            assert_eq!(response.headers()["vary"], "accept-encoding");
            assert_eq!(response.headers()["etag"], "W/\"a\"");
            let bytes =
                response.into_body().collect().now_or_never().expect("it is there").expect("it is whole");
            let bytes = bytes.to_bytes();
            assert!(bytes.len() * 4 < text().len(), "{coding:?}: {}", bytes.len());
            assert_eq!(decoded(coding, &bytes), text(), "{coding:?}");
        }
    }

    #[test]
    fn digests_of_other_bytes_go_no_further() {
        let digested = |coding| {
            let mut response = answer(Content::from(text()));
            for digest in DIGESTS {
                response.headers_mut().insert(digest, HeaderValue::from_static("sha-256=:AA==:"));
            }
            let response = coded(response, coding);
            DIGESTS.into_iter().filter(|digest| response.headers().contains_key(*digest)).count()
        };
        assert_eq!((digested(Some(Coding::Gzip)), digested(None)), (0, DIGESTS.len()));
    }

    #[test]
    fn what_came_before_a_pause_goes_out_before_it() {
        for coding in [Coding::Brotli, Coding::Zstd, Coding::Gzip] {
            let (sender, pieces) = tokio::sync::mpsc::channel(8);
            let mut body = coded(answer(Content::new(Pieces(pieces))), Some(coding)).into_body();
            let mut next = || body.frame().now_or_never();
            assert!(next().is_none());
            sender.try_send("first\n").expect("there is room");
            let mut heard = Vec::new();
            while let Some(piece) = next() {
                let piece = piece.expect("it goes on").expect("it is whole").into_data();
                heard.extend_from_slice(&piece.unwrap_or_default());
            }
            let mut first = [0; 6];
            let read = match coding {
                Coding::Brotli => brotli::Decompressor::new(&*heard, 4096).read_exact(&mut first),
                Coding::Zstd => {
                    zstd::stream::read::Decoder::new(&*heard).expect("a frame").read_exact(&mut first)
                }
                Coding::Gzip => flate2::read::GzDecoder::new(&*heard).read_exact(&mut first),
            };
            read.expect("nothing is held back");
            assert_eq!(&first, b"first\n", "{coding:?}");
            drop(sender);
            assert!(next().is_some(), "it ends");
        }
    }
}
