//! Three nodes on one PostgreSQL with two standbys, and what may happen to it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clock::Clock;
use peers::Postgres;
use rig::{Client, Server, ServerOptions};
use serde_json::{Value, json};

use crate::{Folder, MANY_COME, PASSWORD};

/// Tests do not wait half a minute.
const RESET: &str = "reset-ms = 500";

/// Callers at once, spread over the nodes.
const WRITERS: usize = 12;

/// Nodes with folders of their own and the same keys and databases.
pub(crate) struct Fleet {
    pub(crate) nodes: Vec<(Folder, Server)>,
    pub(crate) options: ServerOptions,
}

impl Fleet {
    fn start(database: &str, nodes: usize) -> Self {
        Self::start_with_replicas(database, &[], nodes)
    }

    fn start_with_replicas(database: &str, replicas: &[String], nodes: usize) -> Self {
        Self::launch(database, replicas, nodes, (RESET, ""))
    }

    /// With more settings.
    pub(crate) fn start_with(database: &str, nodes: usize, settings: &str) -> Self {
        Self::launch(database, &[], nodes, (RESET, settings))
    }

    /// With another breaker.
    pub(crate) fn start_with_breaker(database: &str, nodes: usize, breaker: &str) -> Self {
        Self::launch(database, &[], nodes, (breaker, ""))
    }

    fn launch(database: &str, replicas: &[String], nodes: usize, (breaker, settings): (&str, &str)) -> Self {
        let first = Folder::new();
        let options = ServerOptions {
            keys: Some(first.data().join("keys")),
            database: Some(database.to_owned()),
            settings: format!(
                "{MANY_COME}[postgres]\nreplicas = {replicas:?}\n[postgres.breaker]\n{breaker}\n{settings}"
            ),
            ..ServerOptions::default()
        };
        let mut fleet = Self { nodes: Vec::new(), options };
        fleet.join(first);
        (1..nodes).for_each(|_| fleet.join(Folder::new()));
        fleet
    }

    fn join(&mut self, folder: Folder) {
        let server = Server::start_with(&folder.data(), &self.options).expect("it starts");
        self.nodes.push((folder, server));
    }

    pub(crate) fn client(&self, node: usize) -> Client {
        self.nodes[node % self.nodes.len()].1.client()
    }

    /// Stops all nodes and verifies what they wrote.
    fn verify(self) {
        let Self { nodes, options } = self;
        let (folders, servers): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
        servers.into_iter().for_each(|server| server.stop().expect("it stops"));
        let verified = Server::verify_with(&folders[0].data(), &options).expect("it runs");
        assert!(verified.status.success(), "{}", verified.stderr);
    }
}

/// Somebody to register; with a device key alone, because hashing passwords would be most of the work.
fn person(name: &str) -> Value {
    let public_key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    json!({"userId": name, "deviceKey": {"algorithm": "Ed25519", "publicKey": public_key}})
}

/// Everything that was acknowledged, by its idempotency key, with the time of the last one.
#[derive(Clone, Default)]
pub(crate) struct Load {
    pub(crate) acknowledged: Arc<Mutex<BTreeMap<String, Value>>>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Load {
    /// Registers people at all nodes; whoever gets no answer, or is told to come again, sends the same
    /// request to the next node.
    pub(crate) async fn write(self, clients: Vec<Client>, writer: usize) {
        for number in 0.. {
            let name = format!("writer{writer}-{number}");
            let mut turn = writer + number;
            loop {
                if self.stop.load(Ordering::SeqCst) {
                    return;
                }
                let keyed = clients[turn % clients.len()].clone().with_field("idempotency-key", &name);
                let body = person(&name);
                let sent = keyed.post("/api/v1/persons", &body);
                let answer = tokio::time::timeout(Duration::from_secs(30), sent).await;
                match answer {
                    Ok(Ok(answer)) if answer.status == 201 => {
                        self.acknowledged.lock().expect("nobody panics").insert(name, answer.json());
                        break;
                    }
                    Ok(Ok(answer)) => assert_eq!(answer.status, 503, "{}", answer.json()),
                    Ok(Err(_)) | Err(_) => {}
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                turn += 1;
            }
        }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().expect("nobody panics").len()
    }

    /// Lets something end that others depend on, and waits until they acknowledge again, which takes seconds
    /// and not minutes.
    #[expect(clippy::print_stdout, reason = "how long is told to whoever runs with `--nocapture`")]
    async fn recovers_from(&self, happen: impl FnOnce()) {
        let since = Clock::System.stopwatch();
        happen();
        self.until(1).await;
        let recovered = since.elapsed();
        println!("something was acknowledged again after {recovered:?}");
        assert!(recovered < Duration::from_secs(20), "{recovered:?}");
    }

    /// Waits until `more` have been acknowledged; how long that took.
    pub(crate) async fn until(&self, more: usize) -> Duration {
        let (waited, wanted) = (Clock::System.stopwatch(), self.count() + more);
        while self.count() < wanted {
            assert!(waited.elapsed() < Duration::from_secs(60), "nothing is written any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        waited.elapsed()
    }
}

/// What a registration is answered, once the server does not ask to come again.
async fn registered(client: &Client, name: &str) -> Value {
    let mut refused = Value::Null;
    for _ in 0..30 {
        let answer = client.post("/api/v1/persons", &person(name)).await.expect("an answer");
        if answer.status != 503 {
            return answer.json();
        }
        refused = answer.json();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{name} is not answered but {refused}")
}

/// Runs a fleet under load, lets `happen` do something to it, and checks that nothing acknowledged was lost,
/// doubled or changed.
async fn survive(fleet: Fleet, happen: impl AsyncFnOnce(&Load)) {
    let load = Load::default();
    let clients: Vec<_> = (0..fleet.nodes.len()).map(|node| fleet.client(node)).collect();
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(load.clone().write(clients.clone(), writer))).collect();
    load.until(50).await;
    happen(&load).await;
    load.until(50).await;
    load.stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("it ends");
    }
    let acknowledged = load.acknowledged.lock().expect("nobody panics").clone();
    for (number, (name, receipt)) in acknowledged.iter().enumerate() {
        let keyed = fleet.client(number).with_field("idempotency-key", name);
        assert_eq!(registered(&keyed, name).await, *receipt, "{name}");
    }
    fleet.verify();
}

/// A primary with one synchronous and one other standby, and the URL of whichever is the primary.
fn primary_and_standbys() -> (Postgres, Postgres, Postgres, String) {
    let mut primary = Postgres::start().expect("it starts");
    primary.create_database("holdfast").expect("it can be made");
    let synchronous = primary.standby("synchronous").expect("it starts");
    let other = primary.standby("other").expect("it starts");
    primary.set("synchronous_standby_names", "synchronous").expect("it can be set");
    primary.reload().expect("it hears");
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), synchronous.port());
    let url = format!("postgres://holdfast@{hosts}/holdfast");
    (primary, synchronous, other, url)
}

#[tokio::test]
async fn who_signs_in_at_one_node_is_signed_in_at_all_and_signs_out_of_all() {
    let fleet = Fleet::start(&peers::fresh_database().expect("there is a server"), 3);
    fleet.client(0).register("ada", PASSWORD).await.expect("ada is new");
    let ada = fleet.client(1).sign_in("ada", PASSWORD).await.expect("ada signs in");
    let elsewhere = fleet.client(2).with_token(ada.token.as_deref().expect("ada signed in"));
    assert_eq!(elsewhere.get("/api/v1/session").await.expect("an answer").status, 200);
    assert_eq!(ada.delete("/api/v1/session").await.expect("an answer").status, 204);
    let refused = async {
        while elsewhere.get("/api/v1/session").await.expect("an answer").status != 401 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), refused).await.expect("the other node hears of it");
    fleet.verify();
}

#[tokio::test]
async fn nothing_is_lost_when_the_primary_is_killed_and_starts_again() {
    let (mut primary, _synchronous, _other, url) = primary_and_standbys();
    survive(Fleet::start(&url, 3), async |load| {
        let restart = || {
            primary.kill();
            primary.restart().expect("it starts again");
        };
        load.recovers_from(restart).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_synchronous_standby_takes_over() {
    let (mut primary, synchronous, _other, url) = primary_and_standbys();
    survive(Fleet::start(&url, 3), async |load| {
        let take_over = || {
            primary.kill();
            synchronous.promote().expect("it is promoted");
        };
        load.recovers_from(take_over).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_database_freezes_and_thaws() {
    let (primary, _synchronous, _other, url) = primary_and_standbys();
    survive(Fleet::start(&url, 2), async |load| {
        primary.freeze();
        tokio::time::sleep(Duration::from_secs(5)).await;
        load.recovers_from(|| primary.thaw()).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_when_connections_are_cut_again_and_again() {
    let server = Postgres::start().expect("it starts");
    let url = server.create_database("holdfast").expect("it can be made");
    survive(Fleet::start(&url, 3), async |load| {
        for _ in 0..30 {
            let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'holdfast/%'";
            server.query("postgres", cut).expect("they are cut");
            load.until(5).await;
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_registers_at_one_node_signs_in_at_another_at_once_though_replicas_lag_or_die() {
    let (_primary, mut synchronous, other, url) = primary_and_standbys();
    let replicas = [synchronous.url("holdfast"), other.url("holdfast")];
    let fleet = Fleet::start_with_replicas(&url, &replicas, 3);
    for turn in 0..30 {
        match turn {
            10 => drop(other.query("postgres", "SELECT pg_wal_replay_pause()").expect("it pauses")),
            20 => {
                drop(other.query("postgres", "SELECT pg_wal_replay_resume()").expect("it goes on"));
                // Nothing is acknowledged without it until it is back.
                synchronous.restart().expect("it starts again");
            }
            _ => {}
        }
        let name = format!("writer{turn}");
        fleet.client(turn).register(&name, PASSWORD).await.expect("the name is new");
        let signed_in = fleet.client(turn + 1).sign_in(&name, PASSWORD).await;
        assert!(signed_in.is_ok_and(|client| client.token.is_some()), "{name} is not known at the next node");
    }
    let told = fleet.nodes[0].1.operator().get("/metrics").await.expect("an answer");
    let told = String::from_utf8_lossy(&told.bytes).into_owned();
    assert!(told.contains("store_reads_total{role=\"replica\"}"), "{told}");
    fleet.verify();
}

#[tokio::test]
async fn nothing_is_lost_when_nodes_are_killed_and_the_others_go_on() {
    let database = peers::fresh_database().expect("there is a server");
    let mut fleet = Fleet::start(&database, 3);
    let lost = fleet.nodes.pop().expect("there are three");
    survive(fleet, async |load| {
        lost.1.kill().expect("it is killed");
        load.until(20).await;
    })
    .await;
}

#[tokio::test]
async fn a_frozen_node_does_not_stop_the_others() {
    let database = peers::fresh_database().expect("there is a server");
    let mut fleet = Fleet::start(&database, 3);
    let frozen = fleet.nodes.pop().expect("there are three");
    let busy = Load::default();
    let writing = tokio::spawn(busy.clone().write(vec![frozen.1.client()], 99));
    busy.until(20).await;
    survive(fleet, async |load| {
        // Wherever it stands, in the middle of a batch too.
        frozen.1.freeze();
        load.until(100).await;
        frozen.1.thaw();
        busy.until(5).await;
        busy.stop.store(true, Ordering::SeqCst);
        writing.await.expect("it ends");
    })
    .await;
}
