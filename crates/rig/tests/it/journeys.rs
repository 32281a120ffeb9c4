//! What people do: register, sign in, look, sign out, and ask to be forgotten.

use rig::{Client, Device, Server};
use serde_json::{Value, json};

use crate::{Folder, PASSWORD};

async fn ada(server: &Server) -> Client {
    let client = server.client();
    client.register("ada", PASSWORD).await.expect("ada is new");
    client.sign_in("ada", PASSWORD).await.expect("ada signs in")
}

async fn session_status(client: &Client) -> u16 {
    client.get("/api/v1/session").await.expect("an answer").status
}

#[tokio::test]
async fn a_newcomer_registers_signs_in_and_signs_out() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let ada = ada(&server).await;
    let session = ada.get("/api/v1/session").await.expect("an answer");
    assert_eq!((session.status, session.text("personId")), (200, ada.person.clone().unwrap_or_default()));
    assert_eq!(ada.delete("/api/v1/session").await.expect("an answer").status, 204);
    let ended = ada.get("/api/v1/session").await.expect("an answer");
    assert_eq!((ended.status, ended.problem()), (401, "identity/token-invalid".to_owned()));
}

#[tokio::test]
async fn the_original_body_is_understood_and_a_biometric_string_counts_for_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    let body = |credentials: &str| json!({"userId": "ada", "credentials": credentials, "biometric": "test", "deviceFingerprint": "test_device"});
    let answer = server.client().post("/api/v1/authenticate", &body(PASSWORD)).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(answer.json()["assurance"]["factors"], json!(["password"]));
    let refused = server.client().post("/api/v1/authenticate", &body("test")).await.expect("an answer");
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn a_token_is_bound_to_the_device_it_was_given_to() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let client = server.client();
    client.register("ada", PASSWORD).await.expect("ada is new");
    let sign_in = json!({"userId": "ada", "credentials": PASSWORD, "deviceFingerprint": "phone"});
    let answer = client.post("/api/v1/authenticate", &sign_in).await.expect("an answer");
    let bound = client.signed_in(&answer);
    assert_eq!(session_status(&bound).await, 401);
    assert_eq!(session_status(&bound.clone().with_field("device-fingerprint", "tablet")).await, 401);
    assert_eq!(session_status(&bound.with_field("device-fingerprint", "phone")).await, 200);
}

#[tokio::test]
async fn a_device_signs_in_with_its_key_and_each_challenge_is_good_once() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let ada = ada(&server).await;
    let device = Device::enrol(&ada, "ada", PASSWORD).await.expect("it is enrolled");
    let client = server.client();
    let request = device.request(&client).await.expect("a challenge");
    let first = client.post("/api/v1/authenticate", &request).await.expect("an answer");
    assert_eq!((first.status, first.json()["assurance"]["factors"].clone()), (200, json!(["device-key"])));
    let again = client.post("/api/v1/authenticate", &request).await.expect("an answer");
    assert_eq!((again.status, again.problem()), (401, "identity/sign-in-refused".to_owned()));
    let path = format!(
        "/api/v1/persons/{}/device-keys/{}",
        ada.person.as_deref().unwrap_or_default(),
        device.key_id()
    );
    assert_eq!(ada.delete(&path).await.expect("an answer").status, 204);
    assert_eq!(device.sign_in(&client).await.expect("an answer").status, 401);
}

#[tokio::test]
async fn somebody_without_a_password_signs_in_with_the_key_they_registered_with() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let device = Device::register(&server.client(), "ada").await.expect("ada is new");
    assert_eq!(device.sign_in(&server.client()).await.expect("an answer").status, 200);
    let nothing =
        server.client().post("/api/v1/persons", &json!({"userId": "grace"})).await.expect("an answer");
    assert_eq!((nothing.status, nothing.problem()), (422, "identity/no-credentials".to_owned()));
}

#[tokio::test]
async fn signing_out_everywhere_ends_every_session_and_a_new_one_begins() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let here = ada(&server).await;
    // Another address would be another request; another device is.
    let body = json!({"userId": "ada", "credentials": PASSWORD, "deviceFingerprint": "elsewhere"});
    let there =
        here.signed_in(&server.client().post("/api/v1/authenticate", &body).await.expect("an answer"));
    let there = there.with_field("device-fingerprint", "elsewhere");
    let listed = here.get("/api/v1/sessions").await.expect("an answer").json();
    assert_eq!(listed["sessions"].as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(here.delete("/api/v1/sessions").await.expect("an answer").status, 204);
    assert_eq!((session_status(&here).await, session_status(&there).await), (401, 401));
    let again = server.client().sign_in("ada", PASSWORD).await.expect("ada signs in again");
    assert_eq!(session_status(&again).await, 200);
}

#[tokio::test]
async fn a_changed_password_ends_all_sessions_and_the_old_one_opens_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let ada = ada(&server).await;
    let path = format!("/api/v1/persons/{}/password", ada.person.as_deref().unwrap_or_default());
    let new = "a lighthouse keeper counts the waves";
    let wrong = json!({"userId": "ada", "current": "not it", "new": new});
    assert_eq!(ada.put(&path, &wrong).await.expect("an answer").problem(), "identity/wrong-current-password");
    let right = json!({"userId": "ada", "current": PASSWORD, "new": new});
    assert_eq!(ada.put(&path, &right).await.expect("an answer").status, 204);
    assert_eq!(session_status(&ada).await, 401);
    assert!(server.client().sign_in("ada", PASSWORD).await.is_err());
    server.client().sign_in("ada", new).await.expect("the new one holds");
}

#[tokio::test]
async fn unknown_people_and_wrong_passwords_are_answered_alike() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let client = server.client();
    client.register("ada", PASSWORD).await.expect("ada is new");
    let mut answers = Vec::new();
    for (user_id, credentials) in [("ada", "wrong"), ("nobody", "wrong")] {
        let body = json!({"userId": user_id, "credentials": credentials});
        let answer = client.post("/api/v1/authenticate", &body).await.expect("an answer");
        answers.push((answer.status, answer.bytes));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_the_owner_gets_in() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let client = server.client();
    client.register("ada", PASSWORD).await.expect("ada is new");
    let mut statuses = Vec::new();
    for guess in 0..10 {
        let body = json!({"userId": "ada", "credentials": format!("guess {guess}")});
        statuses.push(client.post("/api/v1/authenticate", &body).await.expect("an answer"));
    }
    let slowed = statuses.last().expect("ten answers");
    assert_eq!((slowed.status, slowed.problem()), (429, "identity/too-many-attempts".to_owned()));
    assert!(slowed.headers.contains_key("retry-after"));
    client.register("grace", PASSWORD).await.expect("grace is new");
    client.sign_in("grace", PASSWORD).await.expect("others at the same address are not touched");
}

#[tokio::test]
async fn a_person_takes_their_data_away_and_is_erased() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let ada = ada(&server).await;
    Device::enrol(&ada, "ada", PASSWORD).await.expect("it is enrolled");
    let path = format!("/api/v1/persons/{}", ada.person.as_deref().unwrap_or_default());
    let export = ada.get(&format!("{path}/export")).await.expect("an answer").json();
    assert_eq!(
        (&export["userId"], &export["deviceKeys"][0]["label"]),
        (&json!("ada"), &json!("a test's phone"))
    );
    let unproven = ada.delete(&path).await.expect("an answer");
    assert_eq!((unproven.status, unproven.problem()), (403, "identity/proof-refused".to_owned()));
    assert_eq!(ada.delete_with(&path, &json!({"proof": PASSWORD})).await.expect("an answer").status, 204);
    assert_eq!(session_status(&ada).await, 401);
    assert!(server.client().sign_in("ada", PASSWORD).await.is_err());
    server.client().register("ada", PASSWORD).await.expect("the name is free again");
    server.stop().expect("it stops");
    let verified = Server::verify(&folder.data()).expect("it runs");
    assert!(verified.status.success(), "{}", verified.stderr);
}

#[tokio::test]
async fn an_administrator_registers_staff_and_disables_people() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let administrator = server.administrator().await.expect("the first password holds");
    let staff = json!({"userId": "grace", "password": PASSWORD, "kind": "staff", "roles": ["auditor"]});
    let registered = administrator.post("/api/v1/persons", &staff).await.expect("an answer");
    assert_eq!(registered.status, 201, "{}", registered.json());
    let grace = server.client().sign_in("grace", PASSWORD).await.expect("grace signs in");
    let entries = grace.get("/ledger/identity/entries").await.expect("an answer");
    assert_eq!(entries.status, 200);
    assert!(!String::from_utf8_lossy(&entries.bytes).contains("grace"), "a name is in the ledger");
    let path = format!("/api/v1/persons/{}/standing", registered.text("personId"));
    let disabled = json!({"kind": "staff", "roles": [], "disabled": true});
    assert_eq!(administrator.put(&path, &disabled).await.expect("an answer").status, 204);
    assert_eq!(session_status(&grace).await, 401);
    assert!(server.client().sign_in("grace", PASSWORD).await.is_err());
}

#[tokio::test]
async fn services_ask_about_a_thousand_tokens_at_once() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let ada = ada(&server).await;
    let administrator = server.administrator().await.expect("the first password holds");
    let token = ada.token.clone().unwrap_or_default();
    let forged = format!("{}AAAA", &token[..124]);
    let body = json!({"tokens": [token, forged, "nonsense"]});
    let answer = administrator.post("/api/v1/tokens/validate", &body).await.expect("an answer").json();
    assert_eq!(answer["results"][0]["personId"].as_str(), ada.person.as_deref());
    assert_eq!(answer["results"][1], json!({"valid": false, "reason": "forged"}));
    assert_eq!(answer["results"][2], json!({"valid": false, "reason": "malformed"}));
    let form = format!("token={token}").into_bytes();
    let kind = "application/x-www-form-urlencoded";
    let introspect = "/api/v1/tokens/introspect";
    let told = administrator
        .send(http::Method::POST, introspect, kind, form.clone())
        .await
        .expect("an answer")
        .json();
    assert_eq!((&told["active"], told["sub"].as_str()), (&json!(true), ada.person.as_deref()));
    ada.delete("/api/v1/session").await.expect("an answer");
    let told =
        administrator.send(http::Method::POST, introspect, kind, form).await.expect("an answer").json();
    assert_eq!(told, json!({"active": false}));
    let refused = ada.post("/api/v1/tokens/validate", &body).await.expect("an answer");
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn a_request_with_an_idempotency_key_is_done_once_also_across_a_crash() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let body = json!({"userId": "ada", "password": PASSWORD});
    let keyed = |server: &Server| {
        server.client().with_field("idempotency-key", "8e03978e-40d5-43dd-bc93-6894a57f9324")
    };
    let first = keyed(&server).post("/api/v1/persons", &body).await.expect("an answer");
    server.kill().expect("it is killed");
    let server = Server::start(&folder.data()).expect("it starts again");
    let second = keyed(&server).post("/api/v1/persons", &body).await.expect("an answer");
    assert_eq!((second.status, second.bytes), (first.status, first.bytes));
    let other = json!({"userId": "grace", "password": PASSWORD});
    let reused = keyed(&server).post("/api/v1/persons", &other).await.expect("an answer");
    assert_eq!((reused.status, reused.problem()), (422, "ledger/idempotency-key-reused".to_owned()));
}

#[tokio::test]
async fn no_secret_and_no_name_is_in_the_ledger_or_the_files() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let name = "ada.of.a.very.long.name";
    server.client().register(name, PASSWORD).await.expect("ada is new");
    let ada = server.client().sign_in(name, PASSWORD).await.expect("ada signs in");
    Device::enrol(&ada, name, PASSWORD).await.expect("it is enrolled");
    let token = ada.token.clone().unwrap_or_default();
    server.stop().expect("it stops");
    for canary in [name, PASSWORD, "a test's phone", &token, "argon2id"] {
        assert_eq!(files_holding(&folder.data(), canary.as_bytes()), Vec::<String>::new(), "{canary}");
    }
}

fn files_holding(folder: &std::path::Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).expect("it can be listed") {
        let path = file.expect("a file").path();
        if path.is_dir() {
            found.extend(files_holding(&path, bytes));
        } else if std::fs::read(&path)
            .expect("it can be read")
            .windows(bytes.len())
            .any(|window| window == bytes)
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn the_server_says_how_it_is() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    for path in ["/health", "/ready", "/openapi.json"] {
        assert_eq!(server.client().get(path).await.expect("an answer").status, 200, "{path}");
    }
    let metrics = server.operator().get("/metrics").await.expect("an answer");
    let text = String::from_utf8_lossy(&metrics.bytes).into_owned();
    for name in [
        "http_requests_total",
        "http_request_duration_seconds",
        "http_server_request_duration_seconds",
        "http_server_active_requests",
        "ledger_commits_total",
        "ledger_sync_seconds",
    ] {
        assert!(text.contains(name), "no {name} in {text}");
    }
    assert_eq!(server.client().get("/metrics").await.expect("an answer").status, 404);
    let explained = server.client().get("/problems/identity/sign-in-refused").await.expect("an answer");
    assert_eq!(explained.status, 200);
    let version = server.client().get("/openapi.json").await.expect("an answer").json()["openapi"].clone();
    assert!(version.as_str().is_some_and(|version| version.starts_with("3.1")), "{version}");
    let _: Value = version;
}
