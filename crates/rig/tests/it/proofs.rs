//! What a token alone does not allow, and what a token for another service does not.

use rig::{Client, Device, Server};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Folder, PASSWORD};

const NEW: &str = "a lighthouse keeper counts the waves";

async fn ada(server: &Server) -> Client {
    let client = server.client();
    client.register("ada", PASSWORD).await.expect("ada is new");
    client.sign_in("ada", PASSWORD).await.expect("ada signs in")
}

fn path(client: &Client, rest: &str) -> String {
    format!("/api/v1/persons/{}{rest}", client.person.as_deref().unwrap_or_default())
}

fn key() -> Value {
    json!({"algorithm": "Ed25519", "publicKey": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

#[tokio::test]
async fn a_token_alone_enrols_no_key() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let ada = ada(&server).await;
    for proof in [Value::Null, json!("not it")] {
        let mut body = key();
        body["proof"] = proof;
        let refused = ada.post(&path(&ada, "/device-keys"), &body).await.expect("an answer");
        assert_eq!((refused.status, refused.problem()), (403, "identity/proof-refused".to_owned()));
    }
}

/// The body of a request that began while the token held comes after it has ended.
#[tokio::test]
async fn a_body_held_back_until_after_the_sign_out_does_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let ada = ada(&server).await;
    let mut body = key();
    body["proof"] = PASSWORD.into();
    let body = body.to_string();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: holdfast\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        path(&ada, "/device-keys"),
        ada.token.as_deref().unwrap_or_default(),
        body.len(),
    );
    let mut held_back = TcpStream::connect(server.public).await.expect("it listens");
    held_back.write_all(head.as_bytes()).await.expect("it reads");
    // Long enough for the server to have read the head.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(ada.delete("/api/v1/sessions").await.expect("an answer").status, 204);
    held_back.write_all(body.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    held_back.read_to_string(&mut answer).await.expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let again = server.client().sign_in("ada", PASSWORD).await.expect("ada signs in again");
    let keys = again.get(&path(&again, "/device-keys")).await.expect("an answer").json();
    assert_eq!(keys["deviceKeys"], json!([]));
}

#[tokio::test]
async fn a_first_password_and_an_erasure_are_proven_with_a_device() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let client = server.client();
    let device = Device::register(&client, "ada").await.expect("ada is new");
    let ada = client.signed_in(&device.sign_in(&client).await.expect("an answer"));
    let mut body = json!({"userId": "ada", "new": NEW});
    let refused = ada.put(&path(&ada, "/password"), &body).await.expect("an answer");
    assert_eq!(refused.problem(), "identity/wrong-current-password");
    // What was signed to sign in is no proof of anything else.
    body["proof"] = device.request(&client).await.expect("a challenge")["credentials"].clone();
    let refused = ada.put(&path(&ada, "/password"), &body).await.expect("an answer");
    assert_eq!(refused.problem(), "identity/proof-refused");
    body["proof"] = device.proof(&client).await.expect("a challenge");
    assert_eq!(ada.put(&path(&ada, "/password"), &body).await.expect("an answer").status, 204);
    let ada = client.sign_in("ada", NEW).await.expect("the password holds");
    // Each signature is good once.
    let again = json!({"proof": body["proof"]});
    assert_eq!(ada.delete_with(&path(&ada, ""), &again).await.expect("an answer").status, 403);
    let proof = json!({"proof": device.proof(&client).await.expect("a challenge")});
    assert_eq!(ada.delete_with(&path(&ada, ""), &proof).await.expect("an answer").status, 204);
}

#[tokio::test]
async fn signing_out_everywhere_can_take_the_device_keys_along() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let ada = ada(&server).await;
    let device = Device::enrol(&ada, "ada", PASSWORD).await.expect("it is enrolled");
    assert_eq!(ada.delete("/api/v1/sessions").await.expect("an answer").status, 204);
    let answer = device.sign_in(&server.client()).await.expect("an answer");
    assert_eq!(answer.status, 200, "keys stay unless asked");
    let ada = server.client().signed_in(&answer);
    let everywhere = "/api/v1/sessions?removeDeviceKeys=true";
    assert_eq!(ada.delete(everywhere).await.expect("an answer").status, 204);
    assert_eq!(device.sign_in(&server.client()).await.expect("an answer").status, 401);
    let alone = Device::register(&server.client(), "grace").await.expect("grace is new");
    let grace = server.client().signed_in(&alone.sign_in(&server.client()).await.expect("an answer"));
    assert_eq!(grace.delete(everywhere).await.expect("an answer").problem(), "identity/only-device-keys");
}

#[tokio::test]
async fn a_token_is_for_the_service_that_it_names() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let client = server.client();
    client.register("ada", PASSWORD).await.expect("ada is new");
    let body = json!({"userId": "ada", "credentials": PASSWORD, "audience": "clinic"});
    let ada = client.signed_in(&client.post("/api/v1/authenticate", &body).await.expect("an answer"));
    let refused = ada.get("/api/v1/session").await.expect("an answer");
    assert_eq!((refused.status, refused.text("reason")), (401, "other-audience".to_owned()));
    let administrator = server.administrator().await.expect("the first password holds");
    let token = ada.token.clone().unwrap_or_default();
    let introspected = async |form: String| {
        let kind = "application/x-www-form-urlencoded";
        let route = "/api/v1/tokens/introspect";
        administrator
            .send(http::Method::POST, route, kind, form.into_bytes())
            .await
            .expect("an answer")
            .json()
    };
    assert_eq!(introspected(format!("token={token}&audience=clinic")).await["aud"], "clinic");
    assert_eq!(introspected(format!("token={token}&audience=shop")).await, json!({"active": false}));
    let own = administrator.token.clone().unwrap_or_default();
    assert_eq!(introspected(format!("token={own}")).await["aud"], "holdfast");
    let asked = json!({"tokens": [token]});
    let validated = async |path: &str| administrator.post(path, &asked).await.expect("an answer").json();
    assert_eq!(validated("/api/v1/tokens/validate?audience=clinic").await["results"][0]["valid"], true);
    assert_eq!(
        validated("/api/v1/tokens/validate?audience=shop").await["results"][0],
        json!({"valid": false, "reason": "other-audience"})
    );
    // What the description says of it is checked first, all else by those who know what an audience is.
    for (audience, code) in
        [("a".repeat(101), "edge/wrong-shape"), (String::new(), "identity/audience-unfit")]
    {
        let unfit = json!({"userId": "ada", "credentials": PASSWORD, "audience": audience});
        let refused = client.post("/api/v1/authenticate", &unfit).await.expect("an answer");
        assert_eq!(refused.problem(), code);
    }
}

#[tokio::test]
async fn a_fingerprint_that_no_header_field_can_hold_is_refused() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    for fingerprint in ["t\u{e9}l\u{e9}phone", " phone", "phone ", "a\nb", ""] {
        let body = json!({"userId": "ada", "credentials": PASSWORD, "deviceFingerprint": fingerprint});
        let refused = server.client().post("/api/v1/authenticate", &body).await.expect("an answer");
        assert_eq!(refused.problem(), "identity/fingerprint-unfit", "{fingerprint:?}");
    }
}
