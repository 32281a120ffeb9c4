//! Requests that services elsewhere sign, and bodies whose digests stand in their heads.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use clock::Clock;
use edge::FrontConfig;
use signatures::{Component, Message, Params, SigningKey, content_digest, sign};

use crate::rig::{Rig, start_behind};

fn key() -> SigningKey {
    SigningKey::from_seed(&[9; 32]).expect("a key")
}

fn behind(limits: &str, signatures: &str) -> Rig {
    let public = key().public_key().expect("it has one");
    let settings: FrontConfig = toml::from_str(&format!(
        "[limits]\n{limits}\n[signatures]\n{signatures}\n[[signatures.services]]\nname = \"billing\"\n\
         algorithm = \"ed25519\"\nkey = \"{public}\"\nroles = [\"auditor\"]"
    ))
    .expect("settings");
    start_behind(&settings)
}

fn now() -> u64 {
    Clock::System.now().millis() / 1000
}

/// A request to be signed.
struct Draft<'a> {
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    covers: &'a [&'a str],
    digest: Option<String>,
    params: Params,
}

fn draft<'a>(method: &'a str, path: &'a str) -> Draft<'a> {
    static NONCE: AtomicU32 = AtomicU32::new(0);
    let params = Params {
        created: Some(now()),
        nonce: Some(format!("n{}", NONCE.fetch_add(1, Relaxed))),
        key_id: Some("billing".to_owned()),
        ..Params::default()
    };
    Draft { method, path, query: None, covers: &["@method", "@authority", "@path"], digest: None, params }
}

impl Draft<'_> {
    /// Its fields, signed.
    fn signed_by(&self, key: &SigningKey) -> String {
        let digest = self.digest.clone();
        let fields = |name: &str| match (name, &digest) {
            ("content-digest", Some(digest)) => vec![digest.clone().into_bytes()],
            _ => Vec::new(),
        };
        let Self { method, path, query, .. } = *self;
        let message =
            Message { method, scheme: "http", authority: "edge", path, query, status: None, fields: &fields };
        let components: Vec<_> =
            self.covers.iter().map(|name| Component::named(name).expect("a component")).collect();
        let signed = sign(&message, "sig1", &components, &self.params, key).expect("signed");
        let digest = digest.map_or_else(String::new, |digest| format!("content-digest: {digest}\r\n"));
        format!("{digest}signature-input: {}\r\nsignature: {}\r\n", signed.input, signed.signature)
    }

    fn signed(&self) -> String {
        self.signed_by(&key())
    }
}

#[test]
fn a_service_is_known_by_its_signature_and_counts_once() {
    let rig = behind("rules = []", "");
    let fields = draft("GET", "/whoami").signed();
    let reply = rig.ask("GET", "/whoami", &fields, "");
    assert_eq!((reply.status, reply.body.as_str()), (200, "signer/billing/4"), "{reply:?}");
    rig.ask("GET", "/whoami", &fields, "").refuses(401, "edge/signature-replayed");
    let metrics = rig.metrics.encode();
    for line in ["outcome=\"accepted\"} 1", "outcome=\"seen\"} 1"] {
        assert!(metrics.contains(&format!("front_signatures_total{{{line}")), "{line} in {metrics}");
    }
    assert_eq!(rig.get("/whoami").body, "anonymous");
    let with_token = format!("authorization: Bearer good\r\n{fields}");
    assert_eq!(rig.ask("GET", "/whoami", &with_token, "").body, "service/test", "a token has the first word");
}

#[test]
fn what_was_signed_cannot_be_turned_into_something_else() {
    let rig = behind("rules = []", "");
    for (method, path) in [("GET", "/hello"), ("GET", "/whoami?x=1"), ("DELETE", "/whoami")] {
        let refused = rig.ask(method, path, &draft("GET", "/whoami").signed(), "");
        assert_eq!(
            refused.refuses(401, "edge/signature-refused")["reason"],
            if path.contains('?') { "not-covered" } else { "wrong" }
        );
    }
    let mut query = draft("GET", "/whoami");
    (query.query, query.covers) = (Some("x=1"), &["@method", "@authority", "@path", "@query"]);
    assert_eq!(rig.ask("GET", "/whoami?x=1", &query.signed(), "").status, 200);
    let stranger = SigningKey::from_seed(&[8; 32]).expect("a key");
    let refused = rig.ask("GET", "/whoami", &draft("GET", "/whoami").signed_by(&stranger), "");
    assert_eq!(refused.refuses(401, "edge/signature-refused")["reason"], "wrong");
}

#[test]
fn a_signature_must_be_fresh_say_its_nonce_and_be_readable() {
    let rig = behind("rules = []", "");
    let reason = |change: &dyn Fn(&mut Params)| {
        let mut draft = draft("GET", "/whoami");
        change(&mut draft.params);
        let refused = rig.ask("GET", "/whoami", &draft.signed(), "");
        refused.refuses(401, "edge/signature-refused")["reason"].as_str().expect("a word").to_owned()
    };
    assert_eq!(reason(&|params| params.created = Some(now() - 3600)), "too-old");
    assert_eq!(reason(&|params| params.created = Some(now() + 3600)), "from-the-future");
    assert_eq!(reason(&|params| params.expires = Some(now() - 10)), "too-old");
    assert_eq!(reason(&|params| params.nonce = None), "not-said");
    assert_eq!(reason(&|params| params.key_id = Some("stranger".to_owned())), "wrong");
    rig.ask("GET", "/whoami", "signature-input: a=(\r\nsignature: a=:AA==:\r\n", "")
        .refuses(400, "edge/malformed-signature");
    let mut others = draft("GET", "/whoami");
    others.params.tag = Some("web-bot-auth".to_owned());
    assert_eq!(rig.ask("GET", "/whoami", &others.signed(), "").body, "anonymous", "it is for somebody else");
}

#[test]
fn signatures_of_others_count_for_nothing_before_ours_and_behind() {
    let rig = behind("rules = []", "");
    let others =
        ["a=(\"@method\");keyid=\"proxy\"", "a=(\"@method\")", "a=(\"@method\");keyid=\"billing\";tag=\"x\""];
    for input in others {
        let other = format!("signature-input: {input}\r\nsignature: a=:AA==:\r\n");
        for before in [true, false] {
            let own = draft("GET", "/whoami").signed();
            let fields = if before { format!("{other}{own}") } else { format!("{own}{other}") };
            assert_eq!(rig.ask("GET", "/whoami", &fields, "").body, "signer/billing/4", "{fields}");
        }
    }
    let mut tagged = draft("GET", "/whoami");
    tagged.params.tag = Some("holdfast".to_owned());
    let forged = "signature-input: a=(\"@method\");keyid=\"billing\"\r\nsignature: a=:AA==:\r\n";
    let fields = format!("{forged}{}", tagged.signed());
    assert_eq!(rig.ask("GET", "/whoami", &fields, "").body, "signer/billing/4");
    let alone = "signature-input: a=(\"@method\");keyid=\"proxy\"\r\nsignature: a=:AA==:\r\n";
    rig.ask("GET", "/whoami", alone, "").refuses(401, "edge/signature-refused");
}

#[test]
fn a_body_is_signed_by_its_digest_and_compared_with_it() {
    let rig = behind("rules = []", "");
    let mut with_body = draft("POST", "/echo");
    with_body.digest = Some(content_digest(b"seven"));
    with_body.covers = &["@method", "@authority", "@path", "content-digest"];
    assert_eq!(rig.ask("POST", "/echo", &with_body.signed(), "seven").body, "seven");
    with_body.params.nonce = Some("another".to_owned());
    rig.ask("POST", "/echo", &with_body.signed(), "eight").refuses(400, "edge/body-altered");
    let refused = rig.ask("POST", "/echo", &draft("POST", "/echo").signed(), "seven");
    assert_eq!(refused.refuses(401, "edge/signature-refused")["reason"], "not-covered");
    assert_eq!(
        rig.ask("POST", "/echo", "content-digest: md5=:AA==:\r\n", "seven").body,
        "seven",
        "for others"
    );
    rig.ask("POST", "/echo", "content-digest: nonsense(\r\n", "seven").refuses(400, "edge/malformed-digest");
    let unsigned = format!("content-digest: {}\r\n", content_digest(b"seven"));
    assert_eq!(rig.ask("POST", "/echo", &unsigned, "seven").body, "seven");
    rig.ask("POST", "/echo", &unsigned, "eight").refuses(400, "edge/body-altered");
}

#[test]
fn a_flood_of_signatures_that_count_is_bounded() {
    let rig = behind("rules = []", "remembered-max = 1");
    assert_eq!(rig.ask("GET", "/whoami", &draft("GET", "/whoami").signed(), "").status, 200);
    rig.ask("GET", "/whoami", &draft("GET", "/whoami").signed(), "").refuses(503, "edge/too-many-signatures");
    rig.front.tend(0.0, 0, 0);
    assert!(rig.metrics.encode().contains("front_signatures_remembered 1"), "{}", rig.metrics.encode());
}

#[test]
fn a_limit_by_person_counts_a_service_too() {
    let rule = "[[limits.rules]]\nname = \"two\"\nby = [\"person\"]\n\
                quota = { algorithm = \"sliding-window\", limit = 2, window-ms = 3600000 }";
    let rig = behind(rule, "");
    for status in [200, 200, 429] {
        assert_eq!(rig.ask("GET", "/whoami", &draft("GET", "/whoami").signed(), "").status, status);
    }
}
