//! Backups of a database that several nodes share, and restores from one engine to the other.

use std::{collections::BTreeMap, fs, path::Path, sync::atomic::Ordering, time::Duration};

use peers::Postgres;
use rig::{Client, Server, ServerOptions, run};
use serde_json::{Value, json};

use crate::{
    Folder, PASSWORD,
    backups::ships_to,
    fleet::{Fleet, Load},
};

/// Restores a target, and answers what was said.
fn restore(target: &Path, data: &Path, options: &ServerOptions, more: &[&str]) -> String {
    let target = target.display().to_string();
    let arguments: Vec<_> = ["restore", target.as_str()].into_iter().chain(more.iter().copied()).collect();
    let restored = run(&arguments, data, options).expect("it runs");
    assert!(restored.status.success(), "{}", restored.stderr);
    let verified = Server::verify_with(data, options).expect("it runs");
    assert!(verified.status.success(), "{}", verified.stderr);
    restored.stderr
}

/// How many entries a restore says that it restored.
fn entries(told: &str) -> u64 {
    let number = told.strip_prefix("restored ").and_then(|rest| rest.split(' ').next());
    number.and_then(|number| number.parse().ok()).expect("it says how far it got")
}

/// Somebody who may see every receipt.
async fn auditor(administrator: &Client) {
    let body = json!({"userId": "auditor", "password": PASSWORD, "kind": "staff", "roles": ["auditor"]});
    let answer = administrator.post("/api/v1/persons", &body).await.expect("an answer");
    assert_eq!(answer.status, 201, "{}", answer.json());
}

async fn erase(client: &Client, name: &str) {
    let person = client.sign_in(name, PASSWORD).await.expect("they sign in");
    let id = person.person.clone().expect("they have one");
    let erased = person.delete_with(&format!("/api/v1/persons/{id}"), &json!({"proof": PASSWORD})).await;
    assert_eq!(erased.expect("an answer").status, 204);
}

/// Is every one of these receipts, as far as the restore got, what the ledger says?
async fn check_receipts(client: &Client, entries: u64, acknowledged: &BTreeMap<String, Value>) {
    let auditor = client.sign_in("auditor", PASSWORD).await.expect("they were restored");
    for (name, answer) in acknowledged {
        let receipt = &answer["receipt"];
        let index = receipt["index"].as_u64().expect("it has an index");
        if index < entries {
            let found = auditor.get(&format!("/ledger/identity/receipts/{index}")).await.expect("an answer");
            assert_eq!(found.json()["leafHash"], receipt["leafHash"], "{name}");
        }
    }
}

#[tokio::test]
async fn what_two_nodes_ship_comes_back_when_their_database_is_destroyed_under_load() {
    let target = tempfile::tempdir().expect("a temporary folder");
    let mut server = Postgres::start().expect("it starts");
    let url = server.create_database("holdfast").expect("it can be made");
    let fleet = Fleet::start_with(&url, 2, &ships_to(target.path()));
    auditor(&fleet.nodes[0].1.administrator().await.expect("they sign in")).await;
    fleet.client(0).register("ada", PASSWORD).await.expect("ada is new");
    let load = Load::default();
    let clients: Vec<_> = (0..2).map(|node| fleet.client(node)).collect();
    let writers: Vec<_> =
        (0..8).map(|writer| tokio::spawn(load.clone().write(clients.clone(), writer))).collect();
    load.until(200).await;
    erase(&fleet.client(1), "ada").await;
    load.until(200).await;
    let must: Vec<_> = load.acknowledged.lock().expect("nobody panics").values().cloned().collect();
    // Ten times as long as it takes until what is new is shipped.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.kill();
    drop(server);
    tokio::time::sleep(Duration::from_millis(300)).await;
    load.stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("it ends");
    }
    let Fleet { nodes, options } = fleet;
    let (folders, servers): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
    servers.into_iter().for_each(|server| server.kill().expect("it is killed"));

    let fresh = ServerOptions {
        database: Some(peers::fresh_database().expect("there is a server")),
        // The log has many parts, which the restore makes.
        settings: format!("{}[postgres]\nlog-part-rows = 64\n", crate::MANY_COME),
        ..options
    };
    let node = Folder::new();
    let told = restore(target.path(), &node.data(), &fresh, &[]);
    assert!(told.contains("1 erased people were left out"), "{told}");
    let got = entries(&told);
    let last = must.iter().filter_map(|answer| answer["receipt"]["index"].as_u64()).max().expect("many");
    assert!(last < got, "{last} was shipped: {told}");
    let restored = Server::start_with(&node.data(), &fresh).expect("it starts");
    let acknowledged = load.acknowledged.lock().expect("nobody panics").clone();
    check_receipts(&restored.client(), got, &acknowledged).await;
    assert!(restored.client().sign_in("ada", PASSWORD).await.is_err());
    // And again, onto a file, in a folder that had never to do with it.
    restored.stop().expect("it stops");
    let keys = Folder::new();
    copy_key_file(&folders[0].data().join("keys"), &keys.data());
    let file = ServerOptions { database: None, keys: Some(keys.data()), ..fresh };
    let node = Folder::new();
    assert_eq!(entries(&restore(target.path(), &node.data(), &file, &["--full"])), got);
    let restored = Server::start_with(&node.data(), &file).expect("it starts");
    check_receipts(&restored.client(), got, &acknowledged).await;
    assert!(restored.client().sign_in("ada", PASSWORD).await.is_err());
}

fn copy_key_file(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it can be made");
    let mut copy = std::process::Command::new("cp");
    copy.arg("-p").arg(from.join("keys.json")).arg(to);
    assert!(copy.status().is_ok_and(|status| status.success()));
}

#[tokio::test]
async fn a_backup_of_a_file_is_restored_onto_postgresql_and_back() {
    let targets = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
    let keys = Folder::new();
    let on = |database: Option<String>, target: &Path| ServerOptions {
        database,
        keys: Some(keys.data()),
        settings: ships_to(target),
        ..ServerOptions::default()
    };
    let first = Folder::new();
    let file = on(None, targets[0].path());
    let server = Server::start_with(&first.data(), &file).expect("it starts");
    for name in ["ada", "ben", "cleo"] {
        server.client().register(name, PASSWORD).await.expect("they are new");
    }
    erase(&server.client(), "ben").await;
    server.stop().expect("it stops");
    // Persons' keys are in files of that folder until they are restored elsewhere.
    let moved = Folder::new();
    copy_key_file(&keys.data(), &moved.data());
    let database = Some(peers::fresh_database().expect("there is a server"));
    let shared = ServerOptions { keys: Some(moved.data()), ..on(database, targets[1].path()) };
    let second = Folder::new();
    let got = entries(&restore(targets[0].path(), &second.data(), &shared, &[]));
    let server = Server::start_with(&second.data(), &shared).expect("it starts");
    server.client().sign_in("ada", PASSWORD).await.expect("ada signs in as ever");
    assert!(server.client().sign_in("ben", PASSWORD).await.is_err());
    server.client().register("dora", PASSWORD).await.expect("dora is new");
    server.stop().expect("it stops");
    let (third, empty) = (Folder::new(), Folder::new());
    copy_key_file(&keys.data(), &empty.data());
    let back = ServerOptions { database: None, keys: Some(empty.data()), ..shared };
    let told = restore(targets[1].path(), &third.data(), &back, &[]);
    assert!(entries(&told) > got && told.contains("1 erased people were left out"), "{told}");
    let server = Server::start_with(&third.data(), &back).expect("it starts");
    server.client().sign_in("dora", PASSWORD).await.expect("dora signs in as ever");
    assert!(server.client().sign_in("ben", PASSWORD).await.is_err());
}
