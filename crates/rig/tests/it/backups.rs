//! The disk is gone, and what was shipped is not.

use std::{fs, path::Path, time::Duration};

use clock::Clock;
use rig::{Client, Server, ServerOptions, run};
use serde_json::{Value, json};

use crate::{Folder, PASSWORD};

/// A server that ships to `target`, and what somebody needs to build it anew.
pub(crate) struct Shipping {
    pub(crate) folder: Folder,
    pub(crate) target: tempfile::TempDir,
    pub(crate) options: ServerOptions,
}

/// Settings that ship to a target without delay. The first snapshot is made at once, and no other.
pub(crate) fn ships_to(target: &Path) -> String {
    let target = target.display().to_string();
    // Jobs make entries of their own.
    format!("[jobs]\nin-serve = false\n{}", backup_to(&target))
}

fn backup_to(target: &str) -> String {
    format!("[backup]\ntarget = {target:?}\nevery-ms = 100\nkeys-every-s = 1\n")
}

impl Shipping {
    pub(crate) fn new() -> Self {
        Self::with(ships_to)
    }

    /// Somebody's jobs are done, and these settings hold beside.
    pub(crate) fn at_work(settings: &str) -> Self {
        Self::with(|target| format!("{settings}{}", backup_to(&target.display().to_string())))
    }

    fn with(settings: impl FnOnce(&Path) -> String) -> Self {
        let (folder, target) = (Folder::new(), tempfile::tempdir().expect("a temporary folder"));
        let settings = settings(target.path());
        // The key file is kept elsewhere, as it should be.
        let keys = Some(folder.data().with_file_name("keys"));
        Self { folder, target, options: ServerOptions { settings, keys, ..ServerOptions::default() } }
    }

    pub(crate) fn start(&self) -> Server {
        Server::start_with(&self.folder.data(), &self.options).expect("it starts")
    }

    /// The disk is lost: the data, and the store of persons' keys; the key file is put back.
    pub(crate) fn lose_everything(&self) {
        fs::remove_dir_all(self.folder.data()).expect("it was there");
        let keys = self.folder.data().with_file_name("keys");
        let file = fs::read(keys.join("keys.json")).expect("it was there");
        fs::remove_dir_all(&keys).expect("it was there");
        fs::create_dir(&keys).expect("it can be made");
        fs::write(keys.join("keys.json"), file).expect("it can be put back");
        let mut private = std::process::Command::new("chmod");
        assert!(private.arg("600").arg(keys.join("keys.json")).status().is_ok_and(|status| status.success()));
    }

    pub(crate) fn restore(&self, more: &[&str]) -> String {
        let target = self.target.path().display().to_string();
        let arguments: Vec<_> =
            ["restore", target.as_str()].into_iter().chain(more.iter().copied()).collect();
        let restored = run(&arguments, &self.folder.data(), &self.options).expect("it runs");
        assert!(restored.status.success(), "{}", restored.stderr);
        restored.stderr
    }

    /// The disk forgets parts of a ledger's database.
    pub(crate) fn damage(&self, ledger: &str) {
        let database = self.folder.data().join(format!("services/{ledger}.db"));
        let mut bytes = fs::read(&database).expect("it can be read");
        // Every third page, but for the first, which says what the file is.
        for page in (2..bytes.len() / 4096).step_by(3) {
            bytes[page * 4096 + 100] ^= 1;
        }
        fs::write(&database, bytes).expect("it can be written");
        let damaged = Server::verify_with(&self.folder.data(), &self.options).expect("it runs");
        assert!(!damaged.status.success());
    }

    pub(crate) fn repair(&self, ledger: &str) -> String {
        let target = self.target.path().display().to_string();
        let arguments = ["repair", "--ledger", ledger, "--from", target.as_str()];
        let repaired = run(&arguments, &self.folder.data(), &self.options).expect("it runs");
        assert!(repaired.status.success(), "{}", repaired.stderr);
        repaired.stderr
    }

    pub(crate) fn verify(&self) {
        let verified = Server::verify_with(&self.folder.data(), &self.options).expect("it runs");
        assert!(verified.status.success(), "{}", verified.stderr);
    }

    /// Waits until everything up to now is in the target.
    pub(crate) async fn until_shipped(&self, client: &Client) {
        let last = client.register("the-last-one", PASSWORD).await.expect("they are new").json();
        let last = last["receipt"]["index"].as_u64().expect("it has an index");
        let shipped = || {
            let segments = fs::read_dir(self.target.path().join("identity/entries")).ok();
            let names = segments.into_iter().flatten().map(|file| file.expect("a file").file_name());
            let ends = names.filter_map(|name| name.to_str()?.split_once('-')?.1.parse::<u64>().ok());
            ends.max().is_some_and(|end| end > last)
        };
        for _ in 0..400 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if shipped() {
                // And the keys, which come every second.
                return tokio::time::sleep(Duration::from_millis(1200)).await;
            }
        }
        panic!("nothing is shipped");
    }
}

#[tokio::test]
async fn a_node_whose_disk_is_lost_comes_back_with_everything_that_was_shipped() {
    let shipping = Shipping::new();
    let server = shipping.start();
    let mut receipts = Vec::new();
    for number in 0..50 {
        let key = json!({"algorithm": "Ed25519", "publicKey": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let body = json!({"userId": format!("person-{number}"), "deviceKey": key});
        let answer = server.client().post("/api/v1/persons", &body).await.expect("an answer");
        receipts.push(answer.json()["receipt"].clone());
    }
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    shipping.until_shipped(&server.client()).await;
    server.kill().expect("it is killed");
    shipping.lose_everything();
    let told = shipping.restore(&[]);
    assert!(told.contains("compared with the checkpoint"), "{told}");
    shipping.verify();
    let server = shipping.start();
    let ada = server.client().sign_in("ada", PASSWORD).await.expect("ada signs in as ever");
    assert_eq!(ada.get("/api/v1/session").await.expect("an answer").status, 200);
    let checkpoint = server.client().get("/ledger/identity/checkpoint").await.expect("an answer");
    assert_eq!(checkpoint.status, 200);
    assert!(receipts.iter().all(|receipt| receipt["leafHash"] != Value::Null));
    server.stop().expect("it stops");
}

#[tokio::test]
async fn a_restore_can_stop_at_an_entry() {
    let shipping = Shipping::new();
    let server = shipping.start();
    for name in ["ada", "bob"] {
        server.client().register(name, PASSWORD).await.expect("they are new");
    }
    shipping.until_shipped(&server.client()).await;
    server.stop().expect("it stops");
    shipping.lose_everything();
    // The administrator, and ada.
    assert!(shipping.restore(&["--at", "2"]).starts_with("restored 2 of"));
    let server = Server::start_with(
        &shipping.folder.data(),
        &ServerOptions { settings: String::new(), ..shipping.options.clone() },
    );
    let server = server.expect("it starts");
    server.client().sign_in("ada", PASSWORD).await.expect("ada was there");
    assert!(server.client().sign_in("bob", PASSWORD).await.is_err());
}

#[tokio::test]
async fn who_was_erased_stays_erased_after_a_restore_and_no_backup_opens_anything_of_theirs() {
    let shipping = Shipping::new();
    let server = shipping.start();
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    shipping.until_shipped(&server.client()).await;
    let ada = server.client().sign_in("ada", PASSWORD).await.expect("ada signs in");
    let person = ada.person.clone().expect("ada has one");
    let erased = ada
        .delete_with(&format!("/api/v1/persons/{person}"), &json!({"proof": PASSWORD}))
        .await
        .expect("an answer");
    assert_eq!(erased.status, 204, "{erased:?}");
    server.stop().expect("it stops");
    shipping.lose_everything();
    // Even a restore to a moment when they were still there does not bring them back.
    assert!(shipping.restore(&["--at", "2"]).contains("1 erased people were left out"));
    let keys = shipping.folder.data().with_file_name("keys");
    assert!(!holds(&keys, &person), "the key store still knows them");
    let plain = ServerOptions { settings: String::new(), ..shipping.options.clone() };
    let server = Server::start_with(&shipping.folder.data(), &plain).expect("it starts");
    assert!(server.client().sign_in("ada", PASSWORD).await.is_err());
}

/// Does any file in a folder hold the bytes of this identifier?
fn holds(folder: &Path, id: &str) -> bool {
    let hex: String = id.chars().filter(|letter| *letter != '-').collect();
    let bytes: Vec<u8> = (0..16)
        .map(|place| u8::from_str_radix(&hex[place * 2..place * 2 + 2], 16).expect("it is hexadecimal"))
        .collect();
    let files = fs::read_dir(folder).expect("it can be listed");
    let contents = files.map(|file| fs::read(file.expect("a file").path()).expect("it can be read"));
    contents.into_iter().any(|content| content.windows(16).any(|window| window == bytes))
}

#[tokio::test]
async fn a_backup_that_was_altered_or_is_under_another_key_is_refused() {
    let shipping = Shipping::new();
    let server = shipping.start();
    shipping.until_shipped(&server.client()).await;
    server.stop().expect("it stops");
    let segments = fs::read_dir(shipping.target.path().join("identity/entries")).expect("it is there");
    for segment in segments {
        let path = segment.expect("a file").path();
        let mut bytes = fs::read(&path).expect("it can be read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("it can be written");
    }
    shipping.lose_everything();
    let target = shipping.target.path().display().to_string();
    let refused = run(&["restore", &target], &shipping.folder.data(), &shipping.options).expect("it runs");
    assert!(!refused.status.success() && refused.stderr.contains("cannot be read"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_backup_from_whose_middle_something_is_gone_is_not_taken_for_a_shorter_one() {
    let shipping = Shipping::new();
    let server = shipping.start();
    for name in ["ada", "ben"] {
        server.client().register(name, PASSWORD).await.expect("they are new");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    shipping.until_shipped(&server.client()).await;
    server.stop().expect("it stops");
    let folder = shipping.target.path().join("identity/entries");
    let mut segments: Vec<_> =
        fs::read_dir(&folder).expect("it is there").map(|segment| segment.expect("a file").path()).collect();
    segments.sort();
    let (lost, last) = (segments[1].clone(), segments[segments.len() - 1].clone());
    assert!(lost < last, "{segments:?}");
    let target = shipping.target.path().display().to_string();
    let restore = |more: &[&str]| {
        shipping.lose_everything();
        let arguments = [&["restore", target.as_str(), "--full"], more].concat();
        run(&arguments, &shipping.folder.data(), &shipping.options).expect("it runs")
    };
    let name = lost.file_name().and_then(|name| name.to_str()).expect("it has one");
    let from = name.split('-').next().expect("a number").trim_start_matches('0').to_owned();
    fs::remove_file(&lost).expect("it was there");
    let refused = restore(&[]);
    let said = format!("entry {from} is not in the target");
    assert!(!refused.status.success() && refused.stderr.contains(&said), "{}", refused.stderr);
    // Nor where there is only a checkpoint that says so.
    segments[2..].iter().for_each(|segment| fs::remove_file(segment).expect("it was there"));
    let refused = restore(&[]);
    assert!(!refused.status.success() && refused.stderr.contains(&said), "{}", refused.stderr);
    let restored = restore(&["--at", &from]);
    assert!(restored.status.success(), "{}", restored.stderr);
    // Without the list of who was erased, nobody knows whom to leave out.
    fs::remove_dir_all(shipping.target.path().join("identity/erased")).expect("it was there");
    let refused = restore(&["--at", &from]);
    assert!(!refused.status.success() && refused.stderr.contains("no list of those"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_damaged_database_is_repaired_from_itself_and_from_the_backup() {
    let shipping = Shipping::new();
    let server = shipping.start();
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    for number in 0..200 {
        let key = json!({"algorithm": "Ed25519", "publicKey": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let body = json!({"userId": format!("person-{number}"), "deviceKey": key});
        assert_eq!(server.client().post("/api/v1/persons", &body).await.expect("an answer").status, 201);
    }
    shipping.until_shipped(&server.client()).await;
    server.stop().expect("it stops");
    shipping.damage("identity");
    let repaired = shipping.repair("identity");
    assert!(!repaired.contains("and 0 from the backup"), "{repaired}");
    shipping.verify();
    let server = shipping.start();
    server.client().sign_in("ada", PASSWORD).await.expect("ada signs in as ever");
}

#[tokio::test]
async fn a_server_serves_while_its_bucket_does_not_answer_and_ships_when_it_does() {
    let shipping = Shipping::new();
    let bucket = peers::S3::start().expect("it starts");
    let settings =
        format!("[backup]\ntarget = {:?}\nevery-ms = 100\nkeys-every-s = 1\n", bucket.target("town"));
    // It takes what it is sent, and that is all.
    let swallows = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = swallows.local_addr().expect("it has one");
    let away = ("AWS_ENDPOINT".to_owned(), format!("http://{address}"));
    let elsewhere = bucket.environment().into_iter().filter(|(name, _)| name != "AWS_ENDPOINT").chain([away]);
    let options = ServerOptions { settings, environment: elsewhere.collect(), ..shipping.options.clone() };
    let server = Server::start_with(&shipping.folder.data(), &options).expect("it starts");
    tokio::time::sleep(Duration::from_secs(4)).await;
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    let metrics = server.operator().get("/metrics").await.expect("an answer").bytes;
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    let age = metrics.lines().find_map(|line| line.strip_prefix("backup_age_seconds "));
    assert!(age.is_some_and(|age| age.parse::<u32>().is_ok_and(|age| age >= 2)), "{age:?}");
    let began = Clock::System.stopwatch();
    server.stop().expect("it stops in order");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let options = ServerOptions { environment: bucket.environment(), ..options };
    let server = Server::start_with(&shipping.folder.data(), &options).expect("it starts");
    server.client().register("ben", PASSWORD).await.expect("ben is new");
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.kill().expect("it is killed");
    shipping.lose_everything();
    let arguments = ["restore", &bucket.target("town")];
    let restored = run(&arguments, &shipping.folder.data(), &options).expect("it runs");
    assert!(restored.status.success(), "{}", restored.stderr);
    let plain = ServerOptions { settings: String::new(), ..options };
    let server = Server::start_with(&shipping.folder.data(), &plain).expect("it starts");
    for name in ["ada", "ben"] {
        server.client().sign_in(name, PASSWORD).await.expect("they sign in as ever");
    }
}

#[tokio::test]
async fn a_bucket_that_speaks_s3_keeps_a_backup_as_a_folder_does() {
    let bucket = peers::S3::start().expect("it starts");
    let mut shipping = Shipping::new();
    shipping.options.settings = String::new();
    shipping.options.environment = bucket.environment();
    let server = shipping.start();
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    let target = bucket.target("town");
    // Beside the server that runs.
    for (name, more) in [("ben", ["--snapshot"].as_slice()), ("cleo", &[]), ("dora", &[])] {
        let arguments = [&["backup", &target, "--once"], more].concat();
        let shipped = run(&arguments, &shipping.folder.data(), &shipping.options).expect("it runs");
        assert!(shipped.status.success(), "{}", shipped.stderr);
        server.client().register(name, PASSWORD).await.expect("they are new");
    }
    server.kill().expect("it is killed");
    shipping.lose_everything();
    let restored = run(&["restore", &target], &shipping.folder.data(), &shipping.options).expect("it runs");
    assert!(restored.status.success(), "{}", restored.stderr);
    assert!(restored.stderr.contains(" 2 replayed after a snapshot over"), "{}", restored.stderr);
    shipping.verify();
    let server = shipping.start();
    server.client().sign_in("ada", PASSWORD).await.expect("ada signs in as ever");
}
