//! The way of a request through the cache: given what is kept, waiting for whoever asks already, or asking for all.

use std::{future::poll_fn, pin::Pin};

use bytes::Bytes;
use clock::Timestamp;
use edge::Content;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body as _;
use httpcache::{
    CacheControl, Condition, Crowd, Joined, Kept, Lead, Plan, Varies, filling, has_it_already,
    is_kept_for_nobody, keeping, tags, whole_bytes,
};

use crate::{
    config::millis,
    fields::{BELIEVED, Telling, target, varies_on},
    gateway::{Gateway, Way},
};

/// How often somebody waits for another's answer before they ask for themselves.
const WAITS_MAX: usize = 3;

/// Who reloads is content with what was made so long before they asked. What a request says of caches is advice (RFC 9111,
/// section 5.2.1), and on the day when everybody presses F5 the upstream hears of it once a second.
const RELOADS_APART_MS: u64 = 1000;

/// May the answer to this request come from the cache, or go into it?
pub(crate) fn may_be_cached(request: &Request<Content>) -> bool {
    // What an answer has to be like, or else not be, is the origin server's alone to say (RFC 9110, sections 13.1.1 and
    // 13.1.4).
    let others = [header::UPGRADE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE];
    [Method::GET, Method::HEAD].contains(request.method())
        && Telling::of(request) == Telling::Nothing
        && !others.iter().any(|name| request.headers().contains_key(name))
}

/// Does the caller want what the upstream says now, as a browser that is told to reload?
fn asks_anew(asked: CacheControl) -> bool {
    asked.no_cache || asked.max_age_s == Some(0)
}

/// Asks for all of an answer, whatever of it the caller has already.
fn want_whole(fields: &mut HeaderMap) {
    for name in [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE] {
        fields.remove(name);
    }
}

/// The same request, for all of the answer.
fn whole_of(request: &Request<Content>) -> Request<Content> {
    let mut whole = Request::new(Content::empty());
    (*whole.uri_mut(), *whole.version_mut()) = (request.uri().clone(), request.version());
    *whole.headers_mut() = request.headers().clone();
    want_whole(whole.headers_mut());
    whole
}

/// Tells who has it that it has not changed. It is read all the same, because it is kept as it is read.
fn not_modified(response: Response<Content>, bytes_max: usize) -> Response<Content> {
    let (mut parts, body) = response.into_parts();
    tokio::spawn(read_through(body, bytes_max));
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Content::empty())
}

/// Reads an answer for what is kept of it, which is nothing if there are more bytes than these.
async fn read_through(mut body: Content, bytes_max: usize) {
    let mut bytes = 0;
    while bytes <= bytes_max
        && let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
    {
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// Is no such answer kept, whoever asks?
fn is_for_nobody_else(status: StatusCode, answer: &HeaderMap, now: Timestamp) -> bool {
    is_kept_for_nobody(status, answer, now) || (status.is_success() && varies_on(answer).is_none())
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
        let crowd = Crowd::of(&key(&way, request.uri(), request.headers()), request.headers());
        let asked = CacheControl::of(request.headers());
        let since_ms = asks_anew(asked).then(|| self.now_ms().saturating_sub(RELOADS_APART_MS));
        // The answer to `HEAD` has nothing to keep, and who wants nothing stored has nothing for others.
        let may_lead = *request.method() == Method::GET && !asked.no_store;
        let mut lead = None;
        // However often somebody else begins, nobody waits for others longer than for an upstream.
        let mut patience = None;
        // Whoever was waited for failed, or took too long: an old answer is better than to wait once more.
        let (mut has_failed, mut is_over) = (false, false);
        for waits in 0..=WAITS_MAX {
            match cache.look(&crowd.key, request.headers(), self.now_ms()) {
                Some((kept, Condition::Fresh))
                    if since_ms.is_none_or(|moment| kept.is_made_since(moment)) =>
                {
                    cache.count(Some(Condition::Fresh));
                    return kept.answer(request.method(), request.headers(), self.now_ms());
                }
                Some((kept, Condition::Stale)) if since_ms.is_none() => {
                    cache.count(Some(Condition::Stale));
                    if !asked.no_store
                        && let Joined::Lead(lead) = cache.join(&crowd)
                    {
                        self.fill(lead, way, whole_of(&request));
                    }
                    return kept.answer(request.method(), request.headers(), self.now_ms());
                }
                Some((kept, condition @ Condition::StaleOnError)) if has_failed && since_ms.is_none() => {
                    cache.count(Some(condition));
                    return kept.answer(request.method(), request.headers(), self.now_ms());
                }
                Some(_) | None => {}
            }
            if lead.is_some() || !may_lead || is_over {
                break;
            }
            match cache.join(&crowd) {
                Joined::Lead(first) => lead = Some(first),
                // Nobody waits for what may not be kept.
                Joined::Wait(_) if waits == WAITS_MAX || cache.passes(&crowd) => break,
                Joined::Wait(mut waiting) => {
                    cache.count_joined();
                    let limit = millis(way.pool.config.times.first_byte_ms_max);
                    let over = patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                    tokio::select! {
                        failed = waiting.end() => has_failed = failed,
                        () = over => (has_failed, is_over) = (true, true),
                    }
                }
            }
        }
        cache.count(None);
        self.ask_for_all(&crowd, lead, way, request).await
    }

    /// Passes a request on, and keeps the answer if `lead` is there and it may be kept.
    async fn ask_for_all(
        &self,
        crowd: &Crowd,
        lead: Option<Lead>,
        way: Way,
        mut request: Request<Content>,
    ) -> Response<Content> {
        let cache = self.cache();
        let (method, asked) = (request.method().clone(), request.headers().clone());
        // Nobody is sent all of a film who asked for a minute of it: that is asked for as it is.
        let whole = (lead.is_some() && asked.contains_key(header::RANGE)).then(|| whole_of(&request));
        if lead.is_some() && whole.is_none() && !cache.passes(crowd) {
            want_whole(request.headers_mut());
        }
        let response = self.answer_in_turn(&way, request).await;
        if response.status().is_server_error() {
            lead.iter().for_each(Lead::failed);
        }
        if response.status().is_server_error()
            && !asks_anew(CacheControl::of(&asked))
            && let Some((kept, condition)) = cache.look(&crowd.key, &asked, self.now_ms())
        {
            cache.count(Some(condition));
            return kept.answer(&method, &asked, self.now_ms());
        }
        match (lead, whole) {
            (Some(lead), Some(whole)) if response.status() == StatusCode::PARTIAL_CONTENT => {
                self.keep_whole(lead, way, whole, response.headers());
                response
            }
            (Some(lead), _) => self.kept(lead, &asked, response),
            (None, _) => response,
        }
    }

    /// The same answer, kept as it passes if it may be.
    fn kept(&self, lead: Lead, asked: &HeaderMap, response: Response<Content>) -> Response<Content> {
        let (status, fields) = (response.status(), response.headers());
        let now = self.clock().now();
        let Some((keeping, names)) = keeping(asked, status, fields, now).zip(varies_on(fields)) else {
            if is_for_nobody_else(status, fields, now) {
                self.cache().pass(&lead);
            }
            if status.is_server_error() {
                lead.failed();
            }
            return response;
        };
        let has_it = status == StatusCode::OK && has_it_already(asked, fields);
        let mut kept_fields = fields.clone();
        kept_fields.remove(header::AGE);
        kept_fields.remove(header::CONTENT_LENGTH);
        let kept = Kept {
            varies: Varies::of(&names, asked, fields),
            status,
            tags: tags(fields),
            fields: kept_fields,
            body: Bytes::new(),
            keeping,
            made_ms: self.now_ms(),
        };
        let plan = Plan { cache: self.cache().clone(), lead, kept };
        let response = response.map(|body| filling(body, plan));
        if has_it { not_modified(response, self.cache().answer_bytes_max) } else { response }
    }

    /// Asks for the whole of which somebody got a part, for all who want parts of it, if it may be kept.
    fn keep_whole(&self, lead: Lead, way: Way, whole: Request<Content>, part: &HeaderMap) {
        let (cache, now) = (self.cache(), self.clock().now());
        let fits = whole_bytes(part).is_some_and(|bytes| bytes <= cache.answer_bytes_max);
        let may_be_kept =
            keeping(whole.headers(), StatusCode::OK, part, now).is_some() && varies_on(part).is_some();
        if fits && may_be_kept {
            self.fill(lead, way, whole);
        } else if !fits || is_for_nobody_else(StatusCode::OK, part, now) {
            cache.pass(&lead);
        }
    }

    /// Asks for what is to be kept, while whoever made it necessary has their answer.
    fn fill(&self, lead: Lead, way: Way, request: Request<Content>) {
        let gateway = self.clone();
        tokio::spawn(async move {
            let asked = request.headers().clone();
            let response = gateway.answer_in_turn(&way, request).await;
            let body = gateway.kept(lead, &asked, response).into_body();
            read_through(body, gateway.cache().answer_bytes_max).await;
        });
    }
}
