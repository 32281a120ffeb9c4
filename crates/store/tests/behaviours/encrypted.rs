//! PostgreSQL behind TLS and a password: who it is has to be proven on both sides, or nothing is said.

use std::fs;

use peers::{Postgres, Secrets};
use rcgen::{CertificateParams, KeyPair};
use store::{DatabaseConfig, Databases, StoreError};

use crate::{boat, commit, read_boat, schema};

/// A certificate for 127.0.0.1 that vouches for itself, its key, and a password.
fn secrets() -> Secrets {
    let key = KeyPair::generate().expect("a key");
    let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
    let certificate = parameters.self_signed(&key).expect("a certificate").pem();
    Secrets { certificate, key: key.serialize_pem(), password: "kelp".to_owned() }
}

/// Opens a database by its URL, where this certificate vouches for the server.
fn open(url: &str, vouches: Option<&str>) -> Result<store::Store, StoreError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = DatabaseConfig::default();
    config.postgres.url = Some(url.parse().expect("it is a URL"));
    config.postgres.ca_file = vouches.map(|certificate| {
        let path = folder.path().join("ca.pem");
        fs::write(&path, certificate).expect("it can be written");
        path
    });
    Databases::new(folder.path(), &config)?.open("harbour", &schema())
}

#[track_caller]
fn check_refused(url: &str, vouches: Option<&str>) {
    let refused = open(url, vouches).expect_err("nobody speaks with it");
    assert!(!format!("{refused:?}").contains("wrack"), "{refused:?}");
}

#[test]
fn whoever_proves_who_they_are_speaks_encrypted() {
    let secrets = secrets();
    let server = Postgres::start_behind(&secrets).expect("it starts");
    let url = server.create_database("holdfast").expect("it can be made");
    let mut store = open(&url, Some(&secrets.certificate)).expect("it opens");
    commit(&mut store, |tx| tx.put(boat(7, "A1")));
    assert_eq!(read_boat(&store, 7), Some(boat(7, "A1")));
    let sql = "SELECT count(*) > 0 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
               WHERE application_name LIKE 'holdfast/%'";
    assert_eq!(server.query("holdfast", sql).expect("it answers"), "t");
}

#[test]
fn a_server_that_nobody_vouches_for_is_told_nothing() {
    let [secrets, other] = [(); 2].map(|()| secrets());
    let server = Postgres::start_behind(&secrets).expect("it starts");
    let url = server.create_database("holdfast").expect("it can be made");
    check_refused(&url, Some(&other.certificate));
    check_refused(&url, Some(""));
    // By another name the certificate says nothing of it.
    check_refused(&url.replace("127.0.0.1", "localhost"), Some(&secrets.certificate));
    // And without an authority nothing is sent in the clear that the server would take.
    check_refused(&url, None);
    check_refused(&format!("{url}&sslmode=require"), None);
    check_refused(&url.replace(":kelp@", ":wrack@"), Some(&secrets.certificate));
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'harbour'";
    assert_eq!(server.query("holdfast", schemas).expect("it answers"), "0");
}

#[test]
fn a_server_without_tls_is_not_spoken_to_where_it_is_asked_for() {
    let url = peers::fresh_database().expect("there is a server");
    for mode in ["", "disable", "prefer"] {
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = if mode.is_empty() { url.clone() } else { format!("{url}{separator}sslmode={mode}") };
        check_refused(&url, Some(&secrets().certificate));
    }
    open(&url, None).expect("otherwise it is");
}
