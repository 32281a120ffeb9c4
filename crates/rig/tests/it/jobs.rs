//! Work that outlives its request: done once, whoever is killed meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rig::{Answer, Client, Server, ServerOptions, Worker, run};
use serde_json::{Value, json};

use crate::{Folder, PASSWORD};

/// Settings of nodes that sweep every second, do not wait long for those who were killed, and hash passwords
/// cheaply, because that is not what is tested here.
const BUSY: &str = "[identity]\nsweep = \"* * * * * *\"\nregistrations = { burst = 1000000, interval-ms = 1 }\n\
                    passwords = { memory-kib = 64, passes = 1 }\n[jobs]\nlease-ms = 2000\n";

/// How long something that is sure to happen may take.
const SOON: Duration = Duration::from_secs(60);

/// Nodes on one PostgreSQL, with folders of their own and the same keys.
struct Fleet {
    options: ServerOptions,
    folders: Vec<Folder>,
    nodes: Vec<Option<Server>>,
}

impl Fleet {
    fn start(nodes: usize, more: &str) -> Self {
        let folders: Vec<_> = (0..nodes).map(|_| Folder::new()).collect();
        let options = ServerOptions {
            keys: Some(folders[0].data().join("keys")),
            database: Some(peers::fresh_database().expect("there is a server")),
            settings: format!("{BUSY}{more}"),
            ..ServerOptions::default()
        };
        let mut fleet = Self { options, folders, nodes: (0..nodes).map(|_| None).collect() };
        (0..nodes).for_each(|node| fleet.begin(node));
        fleet
    }

    fn begin(&mut self, node: usize) {
        let server = Server::start_with(&self.folders[node].data(), &self.options);
        self.nodes[node] = Some(server.expect("it starts"));
    }

    fn kill(&mut self, node: usize) {
        self.nodes[node].take().expect("it runs").kill().expect("it is killed");
    }

    fn node(&self, node: usize) -> &Server {
        self.nodes[node].as_ref().expect("it runs")
    }

    /// A worker of these queues, on a machine of its own.
    fn worker(&self, folder: &Folder, queues: &str) -> Worker {
        Worker::start(&folder.data(), &self.options, queues).expect("it starts")
    }

    /// Stops all nodes and verifies what they wrote.
    fn verify(self) {
        self.nodes.into_iter().flatten().for_each(|node| node.stop().expect("it stops"));
        let verified = Server::verify_with(&self.folders[0].data(), &self.options).expect("it runs");
        assert!(verified.status.success(), "{}", verified.stderr);
    }
}

/// Somebody with a role, signed in.
async fn holder(server: &Server, role: &str) -> Client {
    let administrator = server.administrator().await.expect("the first password holds");
    let body = json!({"userId": role, "password": PASSWORD, "kind": "staff", "roles": [role]});
    let registered = administrator.post("/api/v1/persons", &body).await.expect("an answer");
    assert_eq!(registered.status, 201, "{}", registered.json());
    server.client().sign_in(role, PASSWORD).await.expect("they sign in")
}

/// Registers somebody and erases them; the answer to the latter, if it came so far.
async fn come_and_go(client: &Client, name: &str) -> anyhow::Result<Answer> {
    come_and_hang_up(client, name, SOON).await
}

/// The same, by somebody who waits no longer than this for the answer.
async fn come_and_hang_up(client: &Client, name: &str, patience: Duration) -> anyhow::Result<Answer> {
    client.register(name, PASSWORD).await?;
    let person = client.sign_in(name, PASSWORD).await?;
    let path = format!("/api/v1/persons/{}", person.person.as_deref().unwrap_or_default());
    tokio::time::timeout(patience, person.delete_with(&path, &json!({"proof": PASSWORD}))).await?
}

/// All entries of a command: their bodies, in order.
async fn entries(auditor: &Client, command: &str) -> Vec<Value> {
    let (mut from, mut found) = (0, Vec::new());
    loop {
        let path = format!("/ledger/identity/entries?from={from}");
        let page = auditor.get(&path).await.expect("an answer").json();
        let entries = page["entries"].as_array().cloned().unwrap_or_default();
        if entries.is_empty() {
            return found;
        }
        found.extend(entries.into_iter().filter(|entry| entry["command"] == command));
        from = page["next"].as_u64().expect("it goes on somewhere");
    }
}

/// The jobs of a queue that were settled, each with how: none twice.
async fn settled(auditor: &Client, queue: &str) -> BTreeMap<String, String> {
    let mut settled = BTreeMap::new();
    for entry in entries(auditor, "queue/settle").await {
        let body = &entry["body"];
        if body["queue"] == queue {
            let (job, outcome) = (body["job"].to_string(), body["outcome"].to_string());
            assert_eq!(settled.insert(job, outcome), None, "a job was settled twice: {body}");
        }
    }
    settled
}

/// Asks until the answer is as it should be.
async fn until<T: std::fmt::Debug>(mut ask: impl AsyncFnMut() -> T, right: impl Fn(&T) -> bool) -> T {
    let mut last = ask().await;
    let patient = async {
        while !right(&last) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            last = ask().await;
        }
    };
    let waited = tokio::time::timeout(SOON, patient).await;
    assert!(waited.is_ok(), "it stays at {last:?}");
    last
}

async fn queue(operator: &Client, queue: &str) -> Value {
    operator.get(&format!("/api/v1/queues/{queue}")).await.expect("an answer").json()
}

/// Each occurrence was enqueued once, and each job that came of one is known.
async fn check_sweeps(auditor: &Client) -> usize {
    // First what came of them, because others occur meanwhile.
    let settled = settled(auditor, "sweeps").await;
    let occurred = entries(auditor, "queue/occur").await;
    let occurrences: Vec<_> = occurred.iter().map(|entry| entry["body"]["occurrence"].to_string()).collect();
    assert!(occurrences.is_sorted_by(|one, next| one < next), "{occurrences:?}");
    let jobs: BTreeSet<_> = occurred.iter().map(|entry| entry["body"]["job"].to_string()).collect();
    assert!(settled.keys().all(|job| jobs.contains(job)), "a job that never occurred was done");
    settled.len()
}

#[tokio::test]
async fn three_nodes_do_what_comes_again_once() {
    let fleet = Fleet::start(3, "");
    let auditor = holder(fleet.node(0), "auditor").await;
    until(async || settled(&auditor, "sweeps").await.len(), |settled| *settled >= 5).await;
    check_sweeps(&auditor).await;
    for (number, node) in [0, 1, 2, 0, 1, 2].into_iter().enumerate() {
        let erased = come_and_go(&fleet.node(node).client(), &format!("person-{number}")).await;
        assert_eq!(erased.expect("an answer").status, 204);
    }
    until(async || settled(&auditor, "erasures").await.len(), |settled| *settled == 6).await;
    assert_eq!(entries(&auditor, "identity/erase-person").await.len(), 6);
    fleet.verify();
}

/// People who come and go until they are told to stop.
#[derive(Clone, Default)]
struct Crowd {
    /// The nodes there are.
    doors: Arc<Mutex<Vec<Client>>>,
    /// Those who were told that they are erased.
    gone: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl Crowd {
    fn gone(&self) -> Vec<String> {
        self.gone.lock().expect("nobody panics").clone()
    }

    async fn come(self, who: usize) {
        for number in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let door = {
                let doors = self.doors.lock().expect("nobody panics");
                doors.get((who + number) % doors.len().max(1)).cloned()
            };
            let Some(door) = door else { continue };
            let name = format!("crowd{who}-{number}");
            // Every other one hangs up in the middle, and leaves the rest to whoever works.
            let patience = if number % 2 == 0 { 10_000 } else { number as u64 * 7 % 30 };
            let coming = come_and_hang_up(&door, &name, Duration::from_millis(patience));
            let erased = tokio::time::timeout(Duration::from_secs(10), coming).await;
            if erased.is_ok_and(|erased| erased.is_ok_and(|answer| answer.status == 204)) {
                self.gone.lock().expect("nobody panics").push(name);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The nodes are these now.
    fn at(&self, fleet: &Fleet) {
        let doors = fleet.nodes.iter().flatten().map(Server::client).collect();
        *self.doors.lock().expect("nobody panics") = doors;
    }
}

/// Two nodes, which work as well, and a worker elsewhere: one of the three is killed in each cycle, or the worker frozen.
#[tokio::test]
async fn nothing_is_lost_or_done_twice_when_nodes_and_workers_are_killed() {
    let mut fleet = Fleet::start(2, "");
    let elsewhere = Folder::new();
    let mut worker = Some(fleet.worker(&elsewhere, "erasures,sweeps"));
    holder(fleet.node(0), "auditor").await;
    let crowd = Crowd::default();
    crowd.at(&fleet);
    let callers: Vec<_> = (0..4).map(|who| tokio::spawn(crowd.clone().come(who))).collect();
    for cycle in 0..if rig::long_run() { 50 } else { 10 } {
        tokio::time::sleep(Duration::from_millis(300 + (cycle * 7919) % 1700)).await;
        if let node @ 0..2 = usize::try_from(cycle % 3).expect("it is small") {
            fleet.kill(node);
            crowd.at(&fleet);
            fleet.begin(node);
            crowd.at(&fleet);
        } else if cycle % 2 == 1 {
            // So long that others take over what it is at, and its word of it comes too late.
            let frozen = worker.as_ref().expect("it runs");
            frozen.freeze();
            tokio::time::sleep(Duration::from_secs(3)).await;
            frozen.thaw();
        } else {
            worker.take().expect("it runs").kill().expect("it is killed");
            worker = Some(fleet.worker(&elsewhere, "erasures,sweeps"));
        }
    }
    crowd.stop.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.expect("it ends");
    }
    let client = fleet.node(0).client();
    let auditor = client.sign_in("auditor", PASSWORD).await.expect("they sign in");
    let begun = entries(&auditor, "identity/begin-erasure").await;
    let jobs: BTreeSet<_> = begun.iter().map(|entry| entry["body"]["job"].to_string()).collect();
    let gone = crowd.gone();
    assert!(gone.len() >= 20 && jobs.len() >= gone.len() && jobs.len() == begun.len(), "{}", gone.len());
    // What those who were killed were at is done by others.
    let done = until(async || settled(&auditor, "erasures").await, |done| done.len() >= jobs.len()).await;
    assert!(done.keys().eq(&jobs) && done.values().all(|outcome| outcome == "\"done\""), "{done:?}");
    let persons =
        |entries: &[Value]| entries.iter().map(|entry| entry["subject"].to_string()).collect::<BTreeSet<_>>();
    let erased = entries(&auditor, "identity/erase-person").await;
    assert_eq!((persons(&erased), erased.len()), (persons(&begun), begun.len()));
    for name in gone {
        assert!(client.sign_in(&name, PASSWORD).await.is_err(), "{name} was told to be erased, and is there");
    }
    // Sweeps go on: none is lost in a way that keeps others from coming.
    let swept = check_sweeps(&auditor).await;
    until(async || settled(&auditor, "sweeps").await.len(), |settled| *settled >= swept + 2).await;
    check_sweeps(&auditor).await;
    worker.take().expect("it runs").stop().expect("it stops");
    fleet.verify();
}

#[tokio::test]
async fn workers_on_other_machines_do_the_queues_they_are_given_and_stop_in_order() {
    let fleet = Fleet::start(1, "in-serve = false\n");
    let operator = holder(fleet.node(0), "operator").await;
    let erased = come_and_go(&fleet.node(0).client(), "ada").await.expect("an answer");
    assert_eq!(erased.status, 204, "whoever waits does not wait for workers");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let standing = queue(&operator, "erasures").await;
    assert_eq!((&standing["ready"], &standing["done"]), (&json!(1), &json!(0)), "nobody works here");
    assert_eq!(standing["wantedWorkers"], 1, "or nobody would ever be started");
    let elsewhere = Folder::new();
    let worker = fleet.worker(&elsewhere, "erasures");
    let done = async || queue(&operator, "erasures").await["done"].clone();
    until(done, |done| *done == 1).await;
    assert_eq!(queue(&operator, "sweeps").await["done"], 0, "that is not its queue");
    assert_eq!(worker.operator().get("/health").await.expect("an answer").status, 200);
    worker.stop().expect("it stops");
    fleet.verify();
}

#[test]
fn a_worker_says_what_to_do_where_it_cannot_work() {
    let folder = Folder::new();
    Server::start(&folder.data()).expect("it starts").stop().expect("it stops");
    let work = |queues, options: &ServerOptions| {
        let refused = run(&["work", "--queues", queues], &folder.data(), options).expect("it runs");
        assert!(!refused.status.success());
        refused.stderr
    };
    let said = work("erasures", &ServerOptions::default());
    assert!(said.contains("inside `holdfast serve`") && said.contains("--database"), "{said}");
    let database = Some(peers::fresh_database().expect("there is a server"));
    let said = work("erasures", &ServerOptions { database, ..ServerOptions::default() });
    assert!(said.contains("start `holdfast serve`"), "{said}");
    let settings = "[jobs.queues.orders]\nconcurrency = 3".to_owned();
    let named = ServerOptions { settings, ..ServerOptions::default() };
    let said = Server::start_with(&folder.data(), &named).expect_err("there is no such queue").to_string();
    assert!(said.contains("there is no queue `orders`"), "{said}");
    let fleet = Fleet::start(1, "");
    let said = run(&["work", "--queues", "erasures,orders"], &Folder::new().data(), &fleet.options);
    let said = said.expect("it runs").stderr;
    assert!(said.contains("there is no queue `orders`; there are: erasures, sweeps"), "{said}");
}

#[tokio::test]
async fn operators_pause_follow_and_resume_and_autoscalers_see_it() {
    let folder = Folder::new();
    let settings = BUSY.to_owned();
    let server = Server::start_with(&folder.data(), &ServerOptions { settings, ..ServerOptions::default() });
    let server = server.expect("it starts");
    let operator = holder(&server, "operator").await;
    for _ in 0..2 {
        let paused = operator.send(http::Method::PUT, "/api/v1/queues/erasures/pause", "", Vec::new()).await;
        assert_eq!(paused.expect("an answer").status, 204);
    }
    assert_eq!(come_and_go(&server.client(), "ada").await.expect("an answer").status, 204);
    let waits = until(async || queue(&operator, "erasures").await, |standing| standing["ready"] == 1).await;
    assert_eq!((&waits["paused"], &waits["wantedWorkers"]), (&json!(true), &json!(0)));
    assert_eq!(operator.delete("/api/v1/queues/erasures/pause").await.expect("an answer").status, 204);
    let seen = async || server.operator().get("/queues/erasures").await.expect("an answer").json();
    let done = until(seen, |standing| standing["done"] == 1).await;
    assert!(done["wantedWorkers"].is_u64() && done["oldestMs"].is_u64() && done["perSecond"].is_number());
    let metrics = async || {
        let answer = server.operator().get("/metrics").await.expect("an answer");
        String::from_utf8_lossy(&answer.bytes).into_owned()
    };
    until(metrics, |text| text.contains("queue_jobs_per_second{queue=\"erasures\"}")).await;
    let jobs = operator.get("/api/v1/queues/erasures/done").await.expect("an answer").json();
    let job = &jobs["jobs"][0];
    assert_eq!((&job["name"], &job["state"]), (&json!("identity/finish-erasure"), &json!("done")));
    let path = format!("/api/v1/queues/erasures/jobs/{}", job["job"].as_str().expect("it has one"));
    assert_eq!(operator.get(&path).await.expect("an answer").json(), *job);
    let retried = operator.post(&format!("{path}/retry"), &Value::Null).await.expect("an answer");
    assert_eq!((retried.status, retried.problem().as_str()), (409, "queue/not-given-up"));
    let unknown = operator.get("/api/v1/queues/orders").await.expect("an answer");
    assert_eq!((unknown.status, unknown.problem().as_str()), (404, "queue/no-such-queue"));
    let malformed = operator.get("/api/v1/queues/erasures/jobs/seven").await.expect("an answer");
    assert_eq!(malformed.status, 400, "{}", malformed.json());
    server.stop().expect("it stops");
    assert!(Server::verify(&folder.data()).expect("it runs").status.success());
}

#[tokio::test]
async fn what_a_restore_finds_unfinished_waits_for_an_operator() {
    let (folder, target) = (Folder::new(), tempfile::tempdir().expect("a temporary folder"));
    let keys = Some(folder.data().with_file_name("keys"));
    let settings = format!("{BUSY}in-serve = false\n");
    let idle = ServerOptions { settings, keys: keys.clone(), ..ServerOptions::default() };
    let server = Server::start_with(&folder.data(), &idle).expect("it starts");
    holder(&server, "operator").await;
    assert_eq!(come_and_go(&server.client(), "ada").await.expect("an answer").status, 204);
    server.stop().expect("it stops");
    let target = target.path().display().to_string();
    let shipped = run(&["backup", &target, "--once"], &folder.data(), &idle).expect("it runs");
    assert!(shipped.status.success(), "{}", shipped.stderr);
    std::fs::remove_dir_all(folder.data()).expect("it was there");
    std::fs::remove_file(folder.data().with_file_name("keys").join("person-keys.db")).expect("it was there");
    let restored = run(&["restore", &target], &folder.data(), &idle).expect("it runs");
    assert!(restored.status.success(), "{}", restored.stderr);
    assert!(restored.stderr.contains("the queues erasures are held"), "{}", restored.stderr);
    let options = ServerOptions { settings: BUSY.to_owned(), keys, ..ServerOptions::default() };
    let server = Server::start_with(&folder.data(), &options).expect("it starts");
    let operator = server.client().sign_in("operator", PASSWORD).await.expect("they sign in");
    let waits = until(async || queue(&operator, "erasures").await, |standing| standing["ready"] == 1).await;
    assert_eq!((&waits["held"], &waits["done"]), (&json!(true), &json!(0)));
    assert_eq!(operator.delete("/api/v1/queues/erasures/hold").await.expect("an answer").status, 204);
    until(async || queue(&operator, "erasures").await, |standing| standing["done"] == 1).await;
    server.stop().expect("it stops");
    let verified = Server::verify_with(&folder.data(), &options).expect("it runs");
    assert!(verified.status.success(), "{}", verified.stderr);
}
