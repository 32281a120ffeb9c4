//! The way of a request through the cache: given what is kept, waiting for whoever asks already, or asking for all.

use std::{future::poll_fn, pin::Pin, sync::Arc};

use edge::Content;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header, request::Parts};
use http_body::Body as _;

use crate::{
    CacheControl,
    config::millis,
    fields::{BELIEVED, Telling, target},
    filling::{Plan, filling},
    gateway::{Gateway, Way, gathered},
    keeping::{keeping, tags, vary},
    response_cache::{Condition, Joined, Kept, Lead, ResponseCache, Varies},
};

/// How often somebody waits for another's answer before they ask for themselves.
const WAITS_MAX: usize = 3;

/// May the answer to this request come from the cache, or go into it?
pub(crate) fn may_be_cached(request: &Request<Content>) -> bool {
    [Method::GET, Method::HEAD].contains(request.method())
        && Telling::of(request) == Telling::Nothing
        && ![header::RANGE, header::UPGRADE].iter().any(|name| request.headers().contains_key(name))
        && !CacheControl::of(request.headers()).no_store
}

/// Does the caller want what the upstream says now, as a browser that is told to reload?
fn asks_anew(request: &HeaderMap) -> bool {
    let asked = CacheControl::of(request);
    asked.no_cache || asked.max_age_s == Some(0)
}

/// Where the answers to this address lie: whatever an upstream is told of the address is a part of it, so that a page for
/// one scheme, host or prefix is nobody's page at another.
pub(crate) fn key(way: &Way, uri: &Uri, fields: &HeaderMap) -> String {
    let mut key = format!("{}\n{}\n{}", way.route.name, way.host.to_ascii_lowercase(), target(uri));
    for name in BELIEVED.iter().filter(|_| way.trusts_forwarded) {
        for value in fields.get_all(name) {
            // No value holds a line's end, so that no two addresses have one key.
            key.push_str(&format!("\n{name}: {}", value.as_bytes().escape_ascii()));
        }
    }
    key
}

impl Gateway {
    /// Answers from what is kept, or passes the request on and keeps the answer.
    pub(crate) async fn answer_cached(&self, way: Way, request: Request<Content>) -> Response<Content> {
        let cache = self.cache();
        let key = key(&way, request.uri(), request.headers());
        if asks_anew(request.headers()) {
            return self.answer_reloaded(&key, way, request).await;
        }
        let mut lead = None;
        // However often somebody else begins, nobody waits for others longer than for an upstream.
        let mut patience = None;
        for _ in 0..WAITS_MAX {
            match cache.look(&key, request.headers(), self.now_ms()) {
                Some((kept, Condition::Fresh)) => {
                    cache.count(Some(Condition::Fresh));
                    return kept.answer(request.method(), request.headers(), self.now_ms());
                }
                Some((kept, Condition::Stale)) => {
                    cache.count(Some(Condition::Stale));
                    let answer = kept.answer(request.method(), request.headers(), self.now_ms());
                    self.refresh(cache, &key, way, request);
                    return answer;
                }
                Some((_, Condition::StaleOnError)) | None => {}
            }
            // Nobody waits for what may not be kept, and the answer to `HEAD` has nothing to keep.
            if lead.is_some() || *request.method() == Method::HEAD || cache.passes(&key) {
                break;
            }
            match cache.join(&key) {
                Joined::Lead(first) => lead = Some(first),
                Joined::Wait(mut waiting) => {
                    cache.count_joined();
                    let limit = millis(way.pool.config.times.first_byte_ms_max);
                    let over = patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                    // It never changes: it ends, and then there may be an answer.
                    tokio::select! {
                        _ended = waiting.changed() => {}
                        () = over => break,
                    }
                }
            }
        }
        cache.count(None);
        self.ask_for_all(cache, &key, lead, way, request).await
    }

    /// Asks the upstream whatever is kept, and keeps what it says now in the place of that (RFC 9111, section 5.2.1.4).
    async fn answer_reloaded(&self, key: &str, way: Way, request: Request<Content>) -> Response<Content> {
        let cache = self.cache();
        let may_be_kept = *request.method() != Method::HEAD && !cache.passes(key);
        let lead = match may_be_kept.then(|| cache.join(key)) {
            Some(Joined::Lead(lead)) => Some(lead),
            // Whoever asks already may have begun before what is new came to be: that is not waited for.
            Some(Joined::Wait(_)) | None => None,
        };
        self.ask_for_all(cache, key, lead, way, request).await
    }

    /// Passes a request on, and keeps the answer if `lead` is there and it may be kept.
    async fn ask_for_all(
        &self,
        cache: &Arc<ResponseCache>,
        key: &str,
        lead: Option<Lead>,
        way: Way,
        mut request: Request<Content>,
    ) -> Response<Content> {
        let (method, asked) = (request.method().clone(), request.headers().clone());
        let anew = asks_anew(&asked);
        if lead.is_some() && !anew {
            // Asked for all, the whole answer is wanted. Who reloads what has not changed is told so, and no more.
            for name in [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_RANGE] {
                request.headers_mut().remove(name);
            }
        }
        let response = gathered(self.answer_anew(&way, request).await);
        if response.status().is_server_error()
            && !anew
            && let Some((kept, condition)) = cache.look(key, &asked, self.now_ms())
        {
            cache.count(Some(condition));
            return kept.answer(&method, &asked, self.now_ms());
        }
        match lead {
            Some(lead) => self.kept(cache, lead, &asked, response),
            None => response,
        }
    }

    /// The same answer, kept as it passes if it may be.
    fn kept(
        &self,
        cache: &Arc<ResponseCache>,
        lead: Lead,
        asked: &HeaderMap,
        response: Response<Content>,
    ) -> Response<Content> {
        let (status, fields) = (response.status(), response.headers());
        let keeping = keeping(asked, status, fields, self.clock().now());
        let Some((keeping, names)) = keeping.zip(vary(fields)) else {
            // Failures pass; what says that it is not to be kept will say so again. Not so to those who reload, who choose
            // the time themselves: they would have others ask alone for as long as they like.
            if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS && !asks_anew(asked) {
                cache.pass(&lead);
            }
            return response;
        };
        let mut kept_fields = fields.clone();
        kept_fields.remove(header::AGE);
        kept_fields.remove(header::CONTENT_LENGTH);
        let kept = Kept {
            varies: Varies::of(&names, asked, fields),
            status,
            tags: tags(fields),
            fields: kept_fields,
            body: bytes::Bytes::new(),
            keeping,
            made_ms: self.now_ms(),
        };
        let plan = Plan { cache: cache.clone(), lead, kept };
        response.map(|body| filling(body, plan))
    }

    /// Asks anew for what was given past its time, unless somebody does already.
    fn refresh(&self, cache: &Arc<ResponseCache>, key: &str, way: Way, request: Request<Content>) {
        let Joined::Lead(lead) = cache.join(key) else { return };
        let (Parts { uri, version, headers, .. }, _) = request.into_parts();
        let mut request = Request::new(Content::empty());
        (*request.uri_mut(), *request.version_mut()) = (uri, version);
        *request.headers_mut() = headers;
        let (gateway, cache, key) = (self.clone(), cache.clone(), key.to_owned());
        tokio::spawn(async move {
            let response = gateway.ask_for_all(&cache, &key, Some(lead), way, request).await;
            let mut body = response.into_body();
            while poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.is_some_and(|frame| frame.is_ok()) {}
        });
    }
}
