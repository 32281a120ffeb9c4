//! Snapshots in a backup: what a restore begins with, and what they may not keep.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clock::Clock;
use ids::Id;
use ledger::Entry;
use rig::{Client, Server, run};
use seal::Keys;
use serde_json::json;
use store::decode_row;

use crate::{PASSWORD, backups::Shipping};

impl Shipping {
    /// Has a snapshot made now, beside the server that runs; how many entries it follows.
    fn snapshot(&self) -> u64 {
        self.until_first_snapshot();
        let target = self.target.path().display().to_string();
        let made = run(&["backup", &target, "--once", "--snapshot"], &self.folder.data(), &self.options);
        let made = made.expect("it runs");
        assert!(made.status.success(), "{}", made.stderr);
        let told = made.stderr.split("a snapshot over ").nth(1).and_then(|rest| rest.split(' ').next());
        told.and_then(|number| number.parse().ok()).expect("it says what was made")
    }

    /// Waits until the server has made the one that it makes by itself.
    #[expect(clippy::disallowed_methods, reason = "a test waits on its own thread")]
    fn until_first_snapshot(&self) {
        for _ in 0..400 {
            if self.objects().iter().any(|(name, _)| name.ends_with("/manifest")) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no snapshot is made");
    }

    /// Everything is lost, restored and verified; what the restore said.
    fn come_back(&self, more: &[&str]) -> String {
        self.lose_everything();
        let told = self.restore(more);
        self.verify();
        told
    }

    /// Every object in the target, by its name.
    fn objects(&self) -> Vec<(String, PathBuf)> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for file in fs::read_dir(folder).expect("it can be listed") {
                let path = file.expect("a file").path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        walk(self.target.path(), &mut found);
        let name = |path: &PathBuf| {
            let name = path.strip_prefix(self.target.path()).expect("it is within").display().to_string();
            (name, path.clone())
        };
        found.iter().map(name).collect()
    }

    /// What each sealed object holds, unsealed with the key file and unpacked.
    fn opened(&self) -> Vec<(String, Vec<u8>)> {
        let folder = self.folder.data().with_file_name("keys");
        let key = Keys::open_existing(&folder, &Clock::System).expect("it is there").backup_key();
        let mut opened = Vec::new();
        for (name, path) in self.objects().into_iter().filter(|(name, _)| !name.ends_with("/checkpoint")) {
            let sealed = fs::read(path).expect("it can be read");
            let plain = key.open(&name, &sealed).unwrap_or_else(|error| panic!("{name}: {error}"));
            let unpacked = zstd::decode_all(plain.as_slice()).unwrap_or(plain);
            opened.push((name, unpacked));
        }
        opened
    }
}

/// The rows that were packed, each behind its length.
fn rows(mut packed: &[u8]) -> Vec<&[u8]> {
    let mut rows = Vec::new();
    while let Some((length, rest)) = packed.split_first_chunk() {
        let (row, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        rows.push(row);
        packed = rest;
    }
    rows
}

async fn register_many(client: &Client, name: &str, count: usize) {
    for number in 0..count {
        let key = json!({"algorithm": "Ed25519", "publicKey": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let body = json!({"userId": format!("{name}-{number}"), "deviceKey": key});
        assert_eq!(client.post("/api/v1/persons", &body).await.expect("an answer").status, 201);
    }
}

async fn erase(client: &Client, name: &str) -> Id<authz::Person> {
    let person = client.sign_in(name, PASSWORD).await.expect("they sign in");
    let id = person.person.clone().expect("they have one");
    let erased = person.delete_with(&format!("/api/v1/persons/{id}"), &json!({"proof": PASSWORD})).await;
    assert_eq!(erased.expect("an answer").status, 204);
    id.parse().expect("it is an identifier")
}

#[tokio::test]
async fn a_restore_replays_only_what_came_after_a_snapshot_and_comes_to_the_same() {
    let shipping = Shipping::new();
    let server = shipping.start();
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    register_many(&server.client(), "before", 30).await;
    let size = shipping.snapshot();
    register_many(&server.client(), "after", 10).await;
    server.client().sign_in("ada", PASSWORD).await.expect("ada signs in");
    shipping.until_shipped(&server.client()).await;
    server.stop().expect("it stops");
    let told = shipping.come_back(&[]);
    assert!(told.contains(&format!("replayed after a snapshot over {size}")), "{told}");
    assert!(told.contains("compared with the checkpoint"), "{told}");
    assert!(shipping.come_back(&["--full"]).contains("all replayed"));
    // The snapshot of the first start is from before.
    let at = (size - 5).to_string();
    let told = shipping.come_back(&["--at", &at]);
    assert!(
        told.starts_with(&format!("restored {at} of")) && !told.contains(&format!("over {size}")),
        "{told}"
    );
    let told = shipping.come_back(&["--at", &(size + 2).to_string()]);
    assert!(told.contains(&format!(" 2 replayed after a snapshot over {size}")), "{told}");
    shipping.come_back(&[]);
    let server = shipping.start();
    server.client().sign_in("ada", PASSWORD).await.expect("ada signs in as ever");
}

#[tokio::test]
async fn a_snapshot_from_before_an_erasure_brings_nobody_back() {
    let shipping = Shipping::new();
    let server = shipping.start();
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    let size = shipping.snapshot();
    erase(&server.client(), "ada").await;
    shipping.until_shipped(&server.client()).await;
    server.stop().expect("it stops");
    let told = shipping.come_back(&[]);
    assert!(told.contains(&format!("after a snapshot over {size}")), "{told}");
    // A moment at which ada was there: the snapshot holds her rows, so it is not used.
    let told = shipping.come_back(&["--at", &(size + 1).to_string()]);
    assert!(!told.contains(&format!("over {size}")), "{told}");
    let server = Server::start_with(
        &shipping.folder.data(),
        &rig::ServerOptions { settings: String::new(), ..shipping.options.clone() },
    );
    assert!(server.expect("it starts").client().sign_in("ada", PASSWORD).await.is_err());
}

#[tokio::test]
async fn once_a_snapshot_is_made_after_an_erasure_nothing_erasable_is_left_in_the_target() {
    let shipping = Shipping::new();
    let server = shipping.start();
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    server.client().sign_in("ada", PASSWORD).await.expect("ada signs in");
    register_many(&server.client(), "other", 5).await;
    shipping.snapshot();
    let ada = erase(&server.client(), "ada").await;
    shipping.until_shipped(&server.client()).await;
    let (erasable, named) = held(&shipping, ada);
    assert!(erasable > 0 && named > 0, "there is something to clear away: {erasable}, {named}");
    shipping.snapshot();
    assert_eq!(held(&shipping, ada), (0, 0));
    server.stop().expect("it stops");
    shipping.come_back(&["--full"]);
}

/// How many entries in the target hold something erasable of somebody, and how many snapshots' parts and copies
/// of persons' keys name them.
fn held(shipping: &Shipping, person: Id<authz::Person>) -> (usize, usize) {
    let opened = shipping.opened();
    let entries = opened.iter().filter(|(name, _)| name.contains("/entries/")).flat_map(|(_, packed)| {
        rows(packed).into_iter().map(|row| decode_row::<Entry>(row).expect("it is an entry"))
    });
    let theirs: Vec<Entry> = entries.filter(|entry| entry.subject == Some(person)).collect();
    assert!(theirs.len() >= 4, "the log still has them: {}", theirs.len());
    let erasable = theirs.iter().filter(|entry| entry.erasable.is_some()).count();
    let named = opened.iter().filter(|(name, packed)| {
        let of_rows = name.contains("/snapshots/") || name.starts_with("person-keys");
        of_rows && packed.windows(16).any(|window| window == person.to_bytes())
    });
    (erasable, named.count())
}

#[tokio::test]
async fn a_server_makes_snapshots_by_itself_and_they_keep_nobody_who_was_erased() {
    let mut shipping = Shipping::new();
    shipping.options.settings.push_str("snapshots = { every-s = 1, kept = 2 }\n");
    let server = shipping.start();
    let manifests = |shipping: &Shipping| {
        shipping.objects().iter().filter(|(name, _)| name.ends_with("/manifest")).count()
    };
    server.client().register("ada", PASSWORD).await.expect("ada is new");
    server.client().sign_in("ada", PASSWORD).await.expect("ada signs in");
    for number in 0..4 {
        register_many(&server.client(), &format!("round{number}"), 1).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    let kept = manifests(&shipping);
    assert!((2..=3).contains(&kept), "{kept} snapshots are kept");
    let ada = erase(&server.client(), "ada").await;
    shipping.until_shipped(&server.client()).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let metrics = server.operator().get("/metrics").await.expect("an answer");
    let text = String::from_utf8_lossy(&metrics.bytes).into_owned();
    let entries =
        text.lines().find_map(|line| line.strip_prefix("backup_snapshot_entries{ledger=\"identity\"} "));
    assert!(
        entries.is_some_and(|entries| entries.parse::<u64>().is_ok_and(|entries| entries > 5)),
        "{entries:?}"
    );
    server.stop().expect("it stops");
    assert_eq!(held(&shipping, ada), (0, 0));
    shipping.come_back(&[]);
}

#[tokio::test]
async fn a_snapshot_that_lacks_a_part_or_was_altered_is_not_believed() {
    let shipping = Shipping::new();
    let server = shipping.start();
    shipping.until_first_snapshot();
    register_many(&server.client(), "some", 5).await;
    let size = shipping.snapshot();
    shipping.until_shipped(&server.client()).await;
    server.stop().expect("it stops");
    let parts = |shipping: &Shipping| -> Vec<PathBuf> {
        let of = format!("/snapshots/{size:020}-");
        let objects = shipping.objects().into_iter();
        objects
            .filter(|(name, _)| name.contains(&of) && !name.ends_with("manifest"))
            .map(|(_, path)| path)
            .collect()
    };
    let part = parts(&shipping).pop().expect("it has parts");
    let whole = fs::read(&part).expect("it can be read");
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    fs::write(&part, altered).expect("it can be written");
    shipping.lose_everything();
    let target = shipping.target.path().display().to_string();
    let refused = run(&["restore", &target], &shipping.folder.data(), &shipping.options).expect("it runs");
    assert!(!refused.status.success() && refused.stderr.contains("say `--full`"), "{}", refused.stderr);
    // What is there is entries without rows; with the part put back, the restore goes on from there.
    fs::write(&part, whole).expect("it can be written");
    let told = shipping.restore(&[]);
    assert!(told.contains(&format!("over {size}")), "{told}");
    shipping.verify();
    fs::remove_file(&part).expect("it is there");
    assert!(!shipping.come_back(&[]).contains(&format!("over {size}")));
}
