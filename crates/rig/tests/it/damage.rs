//! Disks that lie, fill up or go read-only: the server says what is wrong and serves nothing wrong.

use rig::Server;

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
    assert!(!Server::verify(&folder.data()).expect("it runs").status.success());
    let error = Server::start(&folder.data()).expect_err("new keys do not fit").to_string();
    assert!(error.contains("does not verify"), "{error}");
}

#[tokio::test]
async fn a_missing_folder_is_not_made_by_verification() {
    let folder = Folder::new();
    let verified = Server::verify(&folder.data()).expect("it runs");
    assert!(!verified.status.success());
    assert!(verified.stderr.contains("there is no data folder"), "{}", verified.stderr);
    assert!(!folder.data().exists());
}
