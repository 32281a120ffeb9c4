//! Every system test: the real binary, through its public interfaces only.

mod away;
mod backups;
mod caching;
mod console;
mod crashes;
mod damage;
mod drills;
mod elections;
mod encrypted;
mod fleet;
mod fleet_backups;
mod front;
mod gateway;
mod hand_overs;
mod inspection;
mod jobs;
mod journeys;
mod limits;
mod monitoring;
mod overload;
mod proofs;
mod settings;
mod shared_blocks;
mod signed;
mod snapshots;
mod strangers;
mod telling;
mod tracing;
mod waiting;
mod walks;

/// A folder for one server's data, in a temporary one that goes with the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Another folder with the same data.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        let mut cp = std::process::Command::new("cp");
        assert!(cp.arg("-a").arg(self.data()).arg(copy.data()).status().is_ok_and(|status| status.success()));
        copy
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }
}

/// Settings for tests that register more people than a network of honest callers would.
pub(crate) const MANY_COME: &str = "[identity]\nregistrations = { burst = 1000000, interval-ms = 1 }\n";

pub(crate) const PASSWORD: &str = "kelp holds fast in winter storms";

/// Behind a proxy that names for whom it speaks, so that a test can be many callers.
pub(crate) const BEHIND: &str = "[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]\n";

/// Waits until a node's metrics have this line.
pub(crate) async fn until_metric(server: &rig::Server, line: &str) {
    for _ in 0..2400 {
        let metrics = server.operator().get("/metrics").await.expect("an answer");
        if String::from_utf8_lossy(&metrics.bytes).lines().any(|said| said == line) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the metrics never said {line}");
}
