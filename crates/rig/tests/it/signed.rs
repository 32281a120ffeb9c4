//! Services that sign what they ask of the real server.

use clock::Clock;
use http::Method;
use rig::{Answer, Server, ServerOptions};
use serde_json::{Value, json};
use signatures::{Component, Message, Params, SigningKey, content_digest, sign};

use crate::{
    Folder, PASSWORD,
    console::{recorded, somebody},
    strangers::served_routes,
};

/// A service elsewhere.
struct Service {
    key: SigningKey,
    name: &'static str,
}

impl Service {
    fn new(name: &'static str, seed: u8) -> Self {
        Self { key: SigningKey::from_seed(&[seed; 32]).expect("a key"), name }
    }

    fn settings(&self, roles: &str) -> String {
        let (name, key) = (self.name, self.key.public_key().expect("it has one"));
        format!(
            "[[signatures.services]]\nname = \"{name}\"\nalgorithm = \"ed25519\"\nkey = \"{key}\"\nroles = [{roles}]\n"
        )
    }

    /// Sends a request that is signed under this nonce.
    async fn ask(
        &self,
        server: &Server,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
        nonce: &str,
    ) -> Answer {
        let (digest, authority) = (content_digest(body.as_bytes()), server.public.to_string());
        let message = Message {
            method,
            scheme: "http",
            authority: &authority,
            path,
            query: None,
            status: None,
            fields: &|name| {
                if name == "content-digest" { vec![digest.clone().into_bytes()] } else { Vec::new() }
            },
        };
        let covered = ["@method", "@authority", "@path", "content-digest"];
        let components = covered.map(|name| Component::named(name).expect("a component"));
        let params = Params {
            created: Some(Clock::System.now().millis() / 1000),
            nonce: Some(nonce.to_owned()),
            key_id: Some(self.name.to_owned()),
            ..Params::default()
        };
        let signed = sign(&message, "sig1", &components, &params, &self.key).expect("signed");
        let client = server.client().with_field("content-digest", &digest);
        let client = client.with_field("signature-input", &signed.input);
        let client = client.with_field("signature", &signed.signature);
        let method: Method = method.parse().expect("a method");
        client.send(method, path, kind, body.as_bytes().to_vec()).await.expect("an answer")
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_service_asks_about_tokens_with_nothing_but_its_key() {
    let folder = Folder::new();
    let (shop, other) = (Service::new("shop", 1), Service::new("weather", 2));
    let settings = format!("{}{}", shop.settings("\"introspector\""), other.settings(""));
    let server = Server::start_with(&folder.data(), &ServerOptions { settings, ..ServerOptions::default() })
        .expect("it starts");
    let client = server.client();
    client.register("ada", PASSWORD).await.expect("they are new");
    let signed_in = json!({ "userId": "ada", "credentials": PASSWORD });
    let signed_in = client.post("/api/v1/authenticate", &signed_in).await.expect("an answer");
    let form = format!("token={}", signed_in.text("token"));
    let path = "/api/v1/tokens/introspect";
    let told = shop.ask(&server, "POST", path, FORM, &form, "one").await;
    assert_eq!((told.status, &told.json()["active"]), (200, &json!(true)), "{}", told.json());
    let again = shop.ask(&server, "POST", path, FORM, &form, "one").await;
    assert_eq!((again.status, again.problem().as_str()), (401, "edge/signature-replayed"));
    let without = other.ask(&server, "POST", path, FORM, &form, "one").await;
    assert_eq!((without.status, without.problem().as_str()), (403, "authz/not-allowed"));
    server.write_settings(&other.settings("")).expect("written");
    assert_eq!(server.operator().post("/reload", &json!({})).await.expect("an answer").status, 200);
    let gone = shop.ask(&server, "POST", path, FORM, &form, "two").await;
    assert_eq!((gone.status, gone.problem().as_str()), (401, "edge/signature-refused"));
}

#[tokio::test]
async fn a_service_breaks_no_route_and_gets_nothing_without_a_role() {
    let folder = Folder::new();
    let (all, none) = (Service::new("all", 1), Service::new("none", 2));
    let roles = "\"administrator\", \"support\", \"auditor\", \"operator\", \"introspector\"";
    let settings = format!("{}{}", all.settings(roles), none.settings(""));
    let server = Server::start_with(&folder.data(), &ServerOptions { settings, ..ServerOptions::default() })
        .expect("it starts");
    for (number, route) in served_routes().iter().enumerate() {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let path =
            path.replace("{service}", "identity").replace("{queue}", "erasures").replace("{index}", "0");
        let path = ["{person_id}", "{session_id}", "{key_id}", "{job}"]
            .iter()
            .fold(path, |path, name| path.replace(name, "01890a5d-ac96-774b-bcce-b302099a8057"));
        for service in [&all, &none] {
            let answer = service.ask(&server, method, &path, "", "", &number.to_string()).await;
            let known = answer.status != 401 || !answer.problem().starts_with("edge/");
            assert!(answer.status < 500 && known, "{} {route}: {}", service.name, answer.status);
        }
        let answer = none.ask(&server, method, &path, "", "", &format!("more-{number}")).await;
        let open = [
            "POST /api/v1/challenges",
            "GET /api/v1/elections",
            "GET /ledger/{service}/checkpoint",
            "GET /ledger/{service}/keys",
            "GET /health",
            "GET /ready",
        ];
        assert!(answer.status >= 400 || open.contains(&route.as_str()), "{route}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_shop_that_has_sold_everything_tells_all_who_wait() {
    let folder = Folder::new();
    let shop = Service::new("shop", 1);
    let room = "[[waiting-rooms.rooms]]\nname = \"sale\"\nroutes = [\"/openapi.json\"]\ncapacity = 1\nlet-in-max = 1\n\
                opens-at = \"2999-01-01T00:00:00Z\"\n";
    let settings = format!("[limits]\nrules = []\n{room}{}", shop.settings("\"operator\""));
    let server = Server::start_with(&folder.data(), &ServerOptions { settings, ..ServerOptions::default() })
        .expect("it starts");
    let visitor = server.client();
    assert_eq!(visitor.get("/openapi.json").await.expect("an answer").problem(), "edge/waiting");
    let (close, open) = ("/api/v1/waiting-rooms/sale/close", "/api/v1/waiting-rooms/sale/open");
    let json = "application/json";
    let closed = shop.ask(&server, "POST", close, json, "{\"reason\":\"sold-out\"}", "one").await;
    assert_eq!(closed.status, 204);
    let told = visitor.get("/openapi.json").await.expect("an answer");
    assert_eq!(
        (told.problem().as_str(), &told.json()["reason"]),
        ("edge/waiting-room-closed", &json!("sold-out"))
    );
    let other = shop.ask(&server, "POST", close, json, "{\"reason\":\"tired\"}", "two").await;
    assert!((400..500).contains(&other.status), "{}", other.status);
    assert_eq!(shop.ask(&server, "POST", open, "", "", "three").await.status, 204);
    assert_eq!(visitor.get("/openapi.json").await.expect("an answer").problem(), "edge/waiting");
    let nowhere = shop.ask(&server, "POST", "/api/v1/waiting-rooms/none/open", "", "", "four").await;
    assert_eq!(nowhere.problem(), "server/no-such-waiting-room");
    let recorded = recorded(&somebody(&server, "auditor", &["auditor"]).await).await;
    let found: Vec<_> = recorded.iter().map(|entry| entry["body"]["to"].clone()).collect();
    let closed = json!({"room": "sale", "reason": "sold-out"});
    assert_eq!(found, [json!({"room": "sale"}), closed], "the newest first");
    let by_shop =
        |entry: &Value| entry["actor"].as_str().is_some_and(|actor| actor.starts_with("signer/shop"));
    assert!(recorded.iter().all(by_shop), "{recorded:?}");
}
