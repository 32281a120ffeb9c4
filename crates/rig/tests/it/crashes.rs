//! The process is killed at any moment, and nothing that was acknowledged is lost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rig::{Client, Server, ServerOptions};
use serde_json::{Value, json};

use crate::{Folder, MANY_COME, PASSWORD};

/// Callers at once.
const WRITERS: usize = 16;

/// Somebody to register; with a device key alone, because hashing passwords would be most of the work.
fn person(name: &str) -> Value {
    let public_key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    json!({"userId": name, "deviceKey": {"algorithm": "Ed25519", "publicKey": public_key}})
}

fn many_come(settings: &str) -> ServerOptions {
    ServerOptions { settings: format!("{MANY_COME}{settings}"), ..ServerOptions::default() }
}

/// What the server acknowledged: the receipt, by the name that was registered.
type Acknowledged = Arc<Mutex<BTreeMap<String, Value>>>;

/// Registers people until the server is gone.
async fn register_until_it_dies(client: Client, names: String, acknowledged: Acknowledged) {
    for number in 0.. {
        let name = format!("{names}-{number}");
        let keyed = client.clone().with_field("idempotency-key", &name);
        let Ok(answer) = keyed.post("/api/v1/persons", &person(&name)).await else { return };
        if answer.status != 201 {
            return;
        }
        acknowledged.lock().expect("nobody panics").insert(name, answer.json());
    }
}

/// Runs a server under load for a moment, and kills it.
async fn load_and_kill(
    data: &std::path::Path,
    options: &ServerOptions,
    cycle: usize,
    moment: Duration,
    acknowledged: &Acknowledged,
) {
    let server = Server::start_with(data, options).expect("it starts");
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let names = format!("cycle{cycle}-{writer}");
            tokio::spawn(register_until_it_dies(server.client(), names, Arc::clone(acknowledged)))
        })
        .collect();
    tokio::time::sleep(moment).await;
    server.kill().expect("it is killed");
    for writer in writers {
        writer.await.expect("it ends");
    }
}

/// Asks again for everything that was acknowledged: the same key must get the same answer, which it does
/// only if the first is still there.
async fn lost(data: &std::path::Path, acknowledged: &Acknowledged) -> Vec<String> {
    let server = Server::start_with(data, &many_come("")).expect("it starts");
    let known = acknowledged.lock().expect("nobody panics").clone();
    let mut lost = Vec::new();
    for (name, receipt) in known {
        let keyed = server.client().with_field("idempotency-key", &name);
        let answer = keyed.post("/api/v1/persons", &person(&name)).await.expect("an answer");
        if answer.json() != receipt {
            lost.push(format!("{name}: {receipt} became {}", answer.json()));
        }
    }
    server.stop().expect("it stops");
    lost
}

/// Kills a server again and again, and checks after each time that its folder is in order.
async fn survive(options: &ServerOptions, cycles: usize) {
    let folder = Folder::new();
    let acknowledged = Acknowledged::default();
    for cycle in 0..cycles {
        // A different moment each time, down to the first batch.
        let moment = Duration::from_millis(20 + (cycle as u64 * 7919) % 400);
        load_and_kill(&folder.data(), options, cycle, moment, &acknowledged).await;
        let verified = Server::verify(&folder.data()).expect("it runs");
        assert!(verified.status.success(), "after cycle {cycle}: {}", verified.stderr);
    }
    let count = acknowledged.lock().expect("nobody panics").len();
    assert!(count > cycles * WRITERS, "only {count} commands were acknowledged");
    assert_eq!(lost(&folder.data(), &acknowledged).await, Vec::<String>::new());
}

const fn cycles(long: bool) -> usize {
    if long { 100 } else { 10 }
}

#[tokio::test]
async fn every_acknowledged_command_survives_being_killed_at_random_moments() {
    survive(&many_come(""), cycles(rig::long_run())).await;
}

/// A killed process leaves what the kernel holds; a power cut does not. This disk forgets what was not
/// synced.
#[tokio::test]
async fn every_acknowledged_command_survives_a_power_cut() {
    let forgets = many_come("[sqlite]\ndisk = \"forgets-unsynced\"");
    survive(&forgets, cycles(rig::long_run())).await;
}

/// The test above would be worth nothing if it passed without the sync.
#[tokio::test]
async fn without_the_sync_a_power_cut_loses_acknowledged_commands_and_the_loss_is_noticed() {
    let folder = Folder::new();
    let acknowledged = Acknowledged::default();
    let settings = "[sqlite]\ndisk = \"forgets-unsynced\"\ncommits = \"unsynced\"\n\
                    [ledger]\ncheckpoint-interval-ms = 10"
        .to_owned();
    // The first start is synced, so that there is something to lose commands from.
    Server::start(&folder.data()).expect("it starts").stop().expect("it stops");
    // Long enough for some hundred checkpoints.
    let moment = Duration::from_secs(2);
    load_and_kill(
        &folder.data(),
        &ServerOptions { settings, ..ServerOptions::default() },
        0,
        moment,
        &acknowledged,
    )
    .await;
    assert!(!acknowledged.lock().expect("nobody panics").is_empty());
    // The checkpoint knows of entries that the database has lost.
    let error = Server::start(&folder.data()).expect_err("entries are missing").to_string();
    assert!(error.contains("acknowledged entries are missing"), "{error}");
    let verified = Server::verify(&folder.data()).expect("it runs");
    assert!(!verified.status.success() && verified.stderr.contains("acknowledged entries are missing"));
}

/// Between the beginning of an erasure and its end lies the destruction of a key.
#[tokio::test]
async fn an_erasure_is_done_wholly_or_not_at_all_whenever_the_process_is_killed() {
    let folder = Folder::new();
    let (erased, whole) = erase_and_kill(&folder, "nobody-kills", Duration::from_secs(60)).await;
    assert!(erased);
    // The proof takes most of the time: what is to be killed is in the last part.
    let cycles = u32::try_from(cycles(rig::long_run())).expect("there are few");
    for cycle in 0..cycles {
        let after = whole.mul_f64(0.6 + 0.4 * f64::from(cycle) / f64::from(cycles));
        erase_and_kill(&folder, &format!("person-{cycle}"), after).await;
    }
    let verified = Server::verify(&folder.data()).expect("it runs");
    assert!(verified.status.success(), "{}", verified.stderr);
}

/// Registers somebody, kills the server while it erases them, and looks what became of them: were they erased,
/// and how long was that waited for?
async fn erase_and_kill(folder: &Folder, name: &str, after: Duration) -> (bool, Duration) {
    let server = Server::start(&folder.data()).expect("it starts");
    server.client().register(name, PASSWORD).await.expect("they are new");
    let client = server.client().sign_in(name, PASSWORD).await.expect("they sign in");
    let path = format!("/api/v1/persons/{}", client.person.as_deref().unwrap_or_default());
    let proof = json!({"proof": PASSWORD});
    let began = tokio::time::Instant::now();
    let erased = tokio::time::timeout(after, client.delete_with(&path, &proof)).await;
    let acknowledged = erased.is_ok_and(|erased| erased.is_ok_and(|answer| answer.status == 204));
    let took = began.elapsed();
    server.kill().expect("it is killed");
    let server = Server::start(&folder.data()).expect("it starts again");
    // What has begun is finished within a second; the name is free then.
    for _ in 0..5 {
        if server.client().register(name, PASSWORD).await.is_ok() {
            server.stop().expect("it stops");
            return (true, took);
        }
        if server.client().sign_in(name, PASSWORD).await.is_ok() {
            assert!(!acknowledged, "{name} was erased, and is back");
            server.stop().expect("it stops");
            return (false, took);
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    panic!("the erasure of {name} was neither finished nor forgotten");
}
