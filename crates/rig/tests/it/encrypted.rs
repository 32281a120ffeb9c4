//! A node whose database and Redis are behind TLS and passwords.

use std::path::Path;

use peers::{Postgres, Redis, Secrets};
use rcgen::{CertificateParams, KeyPair};
use rig::{Server, ServerOptions};

use crate::{Folder, PASSWORD};

/// A certificate for 127.0.0.1 that vouches for itself, its key, and a password.
fn secrets() -> Secrets {
    let key = KeyPair::generate().expect("a key");
    let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
    let certificate = parameters.self_signed(&key).expect("a certificate").pem();
    Secrets { certificate, key: key.serialize_pem(), password: "wrack-and-kelp".to_owned() }
}

fn options(database: &str, redis: &Redis, ca_file: &Path) -> ServerOptions {
    let ca_file = ca_file.display().to_string();
    let settings = format!(
        "[postgres]\nca-file = {ca_file:?}\n[redis]\nurls = [{:?}]\nca-file = {ca_file:?}\n",
        redis.url()
    );
    ServerOptions { database: Some(database.to_owned()), settings, ..ServerOptions::default() }
}

#[tokio::test]
async fn a_node_works_behind_tls_and_passwords_and_starts_with_no_server_that_nobody_vouches_for() {
    let (secrets, files) = (secrets(), tempfile::tempdir().expect("a temporary folder"));
    let database = Postgres::start_behind(&secrets).expect("it starts");
    let redis = Redis::start_behind(Some(&secrets), &[]).expect("it starts");
    let url = database.create_database("holdfast").expect("it can be made");
    let [own, other] = ["own.pem", "other.pem"].map(|name| files.path().join(name));
    std::fs::write(&own, &secrets.certificate).expect("it can be written");
    std::fs::write(&other, self::secrets().certificate).expect("it can be written");

    let folder = Folder::new();
    let refused = Server::start_with(&folder.data(), &options(&url, &redis, &other));
    let said = refused.expect_err("nobody vouches for it").to_string();
    assert!(!said.contains("wrack-and-kelp"), "{said}");

    let options = options(&url, &redis, &own);
    let server = Server::start_with(&folder.data(), &options).expect("it starts");
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    let ada = server.client().sign_in("ada", PASSWORD).await.expect("ada signs in");
    assert_eq!(ada.get("/api/v1/session").await.expect("an answer").status, 200);
    let mut joined = false;
    for _ in 0..100 {
        joined = server.client().get("/ready").await.expect("an answer").text("redis").is_empty();
        if joined {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(joined, "Redis is never joined");
    let sql = "SELECT count(*) > 3 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
               WHERE application_name LIKE 'holdfast/%'";
    assert_eq!(database.query("holdfast", sql).expect("it answers"), "t");
    server.stop().expect("it stops");
    let verified = Server::verify_with(&folder.data(), &options).expect("it runs");
    assert!(verified.status.success(), "{}", verified.stderr);
}
