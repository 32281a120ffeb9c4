//! Disks that lie, fill up or go read-only: the server says what is wrong and serves nothing wrong.

use rig::{Device, Server, ServerOptions};
use serde_json::json;

use crate::{Folder, PASSWORD};

async fn with_somebody_registered(folder: &Folder) {
    let server = Server::start(&folder.data()).expect("it starts");
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    server.stop().expect("it stops");
}

#[tokio::test]
async fn a_truncated_database_is_not_served() {
    let folder = Folder::new();
    with_somebody_registered(&folder).await;
    let path = folder.data().join("services/identity.db");
    let whole = std::fs::read(&path).expect("it can be read");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("it can be written");
    let error = Server::start(&folder.data()).expect_err("half a database is none").to_string();
    assert!(error.contains("identity.db") || error.contains("damaged"), "{error}");
    assert!(!Server::verify(&folder.data()).expect("it runs").status.success());
}

#[tokio::test]
async fn a_flipped_byte_is_never_served_as_data() {
    let folder = Folder::new();
    with_somebody_registered(&folder).await;
    let database = "services/identity.db";
    let whole = std::fs::read(folder.data().join(database)).expect("it can be read");
    for page in 0..whole.len() / 4096 {
        let copy = folder.copy();
        let mut damaged = whole.clone();
        damaged[page * 4096 + 2000] ^= 0x40;
        std::fs::write(copy.data().join(database), &damaged).expect("it can be written");
        let verified = Server::verify(&copy.data()).expect("it runs");
        assert!(!verified.status.success(), "page {page}: {}", verified.stdout);
        assert!(verified.stderr.contains("damaged"), "page {page}: {}", verified.stderr);
        let Ok(server) = Server::start(&copy.data()) else { continue };
        // What it can still read is right, and what it cannot is a failure that says so.
        let body = json!({"userId": "ada", "credentials": PASSWORD});
        let answer = server.client().post("/api/v1/authenticate", &body).await.expect("an answer");
        assert!([200, 500, 503].contains(&answer.status), "page {page}: {} {}", answer.status, answer.json());
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_recovers_by_itself() {
    let folder = Folder::new();
    let room = folder.data().with_extension("room");
    let settings = format!("[sqlite]\ndisk = {{ scarce = {:?} }}", room.display().to_string());
    let options = ServerOptions { settings, ..ServerOptions::default() };
    let server = Server::start_with(&folder.data(), &options).expect("it starts");
    let client = server.client();
    let device = Device::register(&client, "ada").await.expect("there is room");
    std::fs::write(&room, "0").expect("it can be written");
    let refused = device.sign_in(&client).await.expect("an answer");
    assert_eq!((refused.status, refused.problem()), (503, "ledger/not-durable".to_owned()));
    assert!(refused.headers.contains_key("retry-after"));
    let body = json!({"userId": "grace", "password": PASSWORD});
    let refused = client.post("/api/v1/persons", &body).await.expect("an answer");
    assert_eq!((refused.status, refused.problem()), (503, "seal/not-durable".to_owned()));
    let ready = client.get("/ready").await.expect("an answer");
    assert_eq!((ready.status, ready.problem()), (503, "server/not-ready".to_owned()));
    std::fs::remove_file(&room).expect("it is there");
    // It finds out by itself, also while nobody asks it for anything.
    let mut ready = 503;
    for _ in 0..100 {
        ready = client.get("/ready").await.expect("an answer").status;
        if ready == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(ready, 200);
    assert_eq!(device.sign_in(&client).await.expect("an answer").status, 200);
    server.stop().expect("it stops");
    let verified = Server::verify(&folder.data()).expect("it runs");
    assert!(verified.status.success(), "{}", verified.stderr);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    // The system's own folder of kernel settings can be written by nobody.
    let error =
        Server::start(std::path::Path::new("/proc/sys/holdfast")).expect_err("it cannot be made").to_string();
    assert!(error.contains("/proc/sys/holdfast"), "{error}");
}

#[tokio::test]
async fn two_servers_cannot_share_a_folder() {
    let folder = Folder::new();
    let _first = Server::start(&folder.data()).expect("it starts");
    let error = Server::start(&folder.data()).expect_err("the folder is taken").to_string();
    assert!(error.contains("another holdfast uses the data folder"), "{error}");
}

#[tokio::test]
async fn a_lost_key_file_is_noticed() {
    let folder = Folder::new();
    with_somebody_registered(&folder).await;
    std::fs::remove_file(folder.data().join("keys/keys.json")).expect("it is there");
    // The less of the rest is there, the easier it would be to begin anew.
    for also_lost in [None, Some("services/identity.checkpoint"), Some("services/identity.db")] {
        if let Some(path) = also_lost {
            std::fs::remove_file(folder.data().join(path)).expect("it is there");
        }
        assert!(!Server::verify(&folder.data()).expect("it runs").status.success());
        let error = Server::start(&folder.data()).expect_err("new keys do not fit").to_string();
        assert!(error.contains("restore keys.json from its copy"), "{error}");
        assert!(!folder.data().join("keys/keys.json").exists(), "a new key file was made");
    }
}

#[tokio::test]
async fn the_key_file_of_another_deployment_opens_nothing() {
    let (folder, other) = (Folder::new(), Folder::new());
    with_somebody_registered(&folder).await;
    with_somebody_registered(&other).await;
    let keys = "keys/keys.json";
    std::fs::copy(other.data().join(keys), folder.data().join(keys)).expect("it is copied");
    std::fs::remove_file(folder.data().join("services/identity.checkpoint")).expect("it is there");
    let verified = Server::verify(&folder.data()).expect("it runs");
    assert!(verified.stderr.contains("made with another key file"), "{}", verified.stderr);
    let error = Server::start(&folder.data()).expect_err("they do not fit").to_string();
    assert!(error.contains("made with another key file"), "{error}");
}

#[tokio::test]
async fn a_lost_store_of_persons_keys_is_noticed() {
    let folder = Folder::new();
    with_somebody_registered(&folder).await;
    let keys = std::fs::read_dir(folder.data().join("keys")).expect("it can be listed");
    for file in keys.map(|file| file.expect("a file").path()) {
        if file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("person-keys")) {
            std::fs::remove_file(file).expect("it is there");
        }
    }
    assert!(!Server::verify(&folder.data()).expect("it runs").status.success());
    // Also when a first start has left a new one behind.
    for _ in 0..2 {
        let error = Server::start(&folder.data()).expect_err("nobody's data can be read").to_string();
        assert!(error.contains("do not belong together"), "{error}");
    }
    let verified = Server::verify(&folder.data()).expect("it runs");
    assert!(verified.stderr.contains("do not belong together"), "{}", verified.stderr);
}

#[tokio::test]
async fn a_missing_folder_is_not_made_by_verification() {
    let folder = Folder::new();
    let verified = Server::verify(&folder.data()).expect("it runs");
    assert!(!verified.status.success());
    assert!(verified.stderr.contains("there is no data folder"), "{}", verified.stderr);
    assert!(!folder.data().exists());
}
