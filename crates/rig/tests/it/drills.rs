//! The drill itself: a clean deployment raises no alarm, and what lies on the way to one is found out.

mod liar;

use std::path::Path;

use liar::{LIES, Lie};
use rig::{Outcome, Server, ServerOptions, long_run};
use serde_json::{Value, json};

use crate::{Folder, MANY_COME, PASSWORD};

/// Runs `holdfast drill` with these arguments.
fn drill(arguments: &[&str], report: &Path) -> Outcome {
    let report = report.display().to_string();
    let arguments: Vec<_> = ["drill"].iter().chain(arguments).copied().chain(["--report", &report]).collect();
    rig::run_alone(&arguments).expect("it runs")
}

fn read(report: &Path) -> Value {
    let text = std::fs::read(report.join("report.json")).expect("a report was written");
    serde_json::from_slice(&text).expect("it is JSON")
}

/// The checks that failed, by name.
fn failed(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().expect("checks");
    let failed = checks.iter().filter(|check| check["outcome"] == "failed");
    failed.map(|check| format!("{}: {}: {}", check["name"], check["detail"], check["evidence"])).collect()
}

/// One run in the usual tests, twenty in the long ones.
#[test]
fn a_deployment_that_is_in_order_raises_no_alarm() {
    let runs = if long_run() { 20 } else { 1 };
    for run in 0..runs {
        let folder = tempfile::tempdir().expect("a folder");
        let outcome =
            drill(&["--local", "--seed", &run.to_string(), "--cost-load", "1000000"], folder.path());
        let report = read(folder.path());
        assert_eq!(failed(&report), Vec::<String>::new(), "{}", outcome.stderr);
        assert!(outcome.status.success(), "{}", outcome.stderr);
        for area in ["volume", "invariants", "failure", "attack", "compliance"] {
            let checks = report["checks"].as_array().expect("checks");
            let held = checks.iter().filter(|check| check["area"] == area && check["outcome"] == "passed");
            assert!(held.count() > 2, "{area} was hardly tried");
        }
        let checked = folder.path().display().to_string();
        let checked = rig::run_alone(&["drill", "--check-report", &checked]).expect("it runs");
        assert!(checked.status.success(), "{}", checked.stderr);
        let page = std::fs::metadata(folder.path().join("report.html")).expect("a page was written");
        assert!(page.len() < 2 << 20, "the page has {} bytes", page.len());
    }
}

/// The part of a drill that must notice a lie.
fn notices(lie: Lie) -> (&'static str, &'static str) {
    match lie {
        Lie::Forgets | Lie::GivesOneReceiptTwice | Lie::DropsAnEntry => {
            ("invariants", "invariants/acknowledged")
        }
        Lie::LosesAnUpdate => ("invariants", "invariants/updates"),
        Lie::ForgesAReceipt => ("invariants", "invariants/receipts"),
        Lie::ShowsWhatWas => ("invariants", "invariants/own-writes"),
        Lie::LetsTheEndedPass => ("invariants", "invariants/ended-sessions"),
        Lie::TakesBack => ("invariants", "invariants/checkpoints"),
        Lie::DoesItTwice => ("invariants", "invariants/acknowledged"),
        Lie::TakesItAgain => ("attack", "attack/replay"),
        Lie::ThrowsAVoteAway | Lie::PutsAVoteInTwice | Lie::CountsAVoterTwice => {
            ("invariants", "invariants/votes")
        }
    }
}

/// A server, and files with the tokens of those whom a drill needs.
async fn honest(folder: &Folder, options: &ServerOptions) -> (Server, Vec<String>) {
    let server = Server::start_with(&folder.data(), options).expect("it starts");
    let mut staff = vec![("administrator", server.administrator().await.expect("the first password holds"))];
    for role in ["auditor", "officer"] {
        let body = json!({"userId": role, "password": PASSWORD, "kind": "government", "roles": [role]});
        let registered = staff[0].1.post("/api/v1/persons", &body).await.expect("an answer");
        assert_eq!(registered.status, 201);
        staff.push((role, server.client().sign_in(role, PASSWORD).await.expect("they sign in")));
    }
    let mut arguments = Vec::new();
    for (name, client) in staff {
        let path = folder.data().with_file_name(format!("{name}.token"));
        std::fs::write(&path, client.token.expect("a token")).expect("it can be written");
        arguments.extend([format!("--{name}-token-file"), path.display().to_string()]);
    }
    (server, arguments)
}

/// Drills a target, of which only some parts are of interest; the names of the checks that failed.
fn drill_target(target: &str, tokens: &[String], more: &[&str]) -> Vec<String> {
    let report = drill_target_fully(target, tokens, more);
    let checks = report["checks"].as_array().expect("checks");
    let failed = checks.iter().filter(|check| check["outcome"] == "failed");
    failed.map(|check| check["name"].as_str().expect("a name").to_owned()).collect()
}

/// The same; the whole report.
fn drill_target_fully(target: &str, tokens: &[String], more: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let mut arguments = vec!["--target", target, "--yes"];
    arguments.extend(tokens.iter().map(String::as_str).chain(more.iter().copied()));
    let outcome = drill(&arguments, folder.path());
    let report = read(folder.path());
    assert_eq!(outcome.status.success(), failed(&report).is_empty(), "{}", outcome.stderr);
    report
}

/// Drills that run at the same time.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn every_lie_is_found_out_and_an_honest_server_is_believed() {
    let folder = Folder::new();
    let options = ServerOptions { settings: MANY_COME.to_owned(), ..ServerOptions::default() };
    let (server, tokens) = honest(&folder, &options).await;
    let url = |address| format!("http://{address}");
    let found = drill_target(&url(server.public), &tokens, &["--only", "invariants", "--alone"]);
    assert_eq!(found, Vec::<String>::new(), "nobody lied");
    let found_out = |lie: Lie, more: &[&str]| {
        let (part, check) = notices(lie);
        let more: Vec<_> = ["--only", part].into_iter().chain(more.iter().copied()).collect();
        let found = drill_target(&url(liar::before(server.public, lie)), &tokens, &more);
        assert!(found.iter().any(|name| name == check), "{lie:?} was not noticed by {check}: {found:?}");
    };
    // Whatever happens more often than was asked for is only a fault where nobody else asks.
    found_out(Lie::DoesItTwice, &["--alone"]);
    let others: Vec<_> = LIES.into_iter().filter(|lie| *lie != Lie::DoesItTwice).collect();
    for lies in others.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            for lie in lies {
                scope.spawn(|| found_out(*lie, &[]));
            }
        });
    }
}

#[test]
fn an_encrypted_target_is_drilled_like_any_other() {
    let (folder, files) = (Folder::new(), tempfile::tempdir().expect("a folder"));
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_owned()];
    let parameters = rcgen::CertificateParams::new(names).expect("an address");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    let [own, secret] = ["own.pem", "key.pem"].map(|name| files.path().join(name));
    std::fs::write(&own, certificate.pem()).expect("it can be written");
    std::fs::write(&secret, key.serialize_pem()).expect("it can be written");
    let settings = format!(
        "{MANY_COME}[public]\ntls = {{ mode = \"files\", certificate = {own:?}, key = {secret:?} }}\n"
    );
    let options = ServerOptions { settings, ..ServerOptions::default() };
    let server = Server::start_with(&folder.data(), &options).expect("it starts");
    let (url, own) = (format!("https://{}", server.public), own.display().to_string());
    let tried = drill_target_fully(&url, &[], &["--only", "compliance,attack", "--ca-file", &own]);
    assert_eq!(failed(&tried), Vec::<String>::new());
    let checks = tried["checks"].as_array().expect("checks");
    for name in ["attack/injections", "attack/malformed", "attack/passwords", "attack/slow"] {
        let check = checks.iter().find(|check| check["name"] == name).expect(name);
        assert_eq!(check["outcome"], "passed", "{check}");
    }
    // Whom nobody vouches for is not spoken with.
    let report = tempfile::tempdir().expect("a folder");
    let refused = drill(&["--target", &url, "--yes", "--only", "compliance"], report.path());
    assert!(!refused.status.success() && refused.stderr.contains("certificate"), "{}", refused.stderr);
}

/// Secret votes are only held where there is volume, which takes a while: one lie stands for those about votes.
#[tokio::test]
async fn a_secret_vote_that_is_thrown_away_is_found_out() {
    let folder = Folder::new();
    let options = ServerOptions { settings: MANY_COME.to_owned(), ..ServerOptions::default() };
    let (server, tokens) = honest(&folder, &options).await;
    let address = liar::before(server.public, Lie::ThrowsAVoteAway);
    let found = drill_target(&format!("http://{address}"), &tokens, &["--only", "volume,invariants"]);
    assert!(found.iter().any(|name| name == "invariants/secret-votes"), "{found:?}");
    assert!(!found.iter().any(|name| name == "volume/secret-election"), "{found:?}");
}

/// What a fleet stands on is installed, and so is what turns clocks: nothing of this may be left out here.
#[test]
fn a_fleet_bears_the_loss_of_half_its_nodes_and_a_clock_that_jumps() {
    // It takes minutes: it is in the long run only.
    if !rig::long_run() {
        return;
    }
    drop((peers::Postgres::start().expect("it starts"), peers::Redis::start().expect("it starts")));
    peers::FAKETIME.ensure().expect("it is installed");
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = drill(&["--local", "--only", "failure", "--nodes", "2"], folder.path());
    let report = read(folder.path());
    assert_eq!(failed(&report), Vec::<String>::new(), "{}", outcome.stderr);
    let checks = report["checks"].as_array().expect("checks");
    for name in ["fleet-nodes", "postgresql", "redis", "fleet-kept", "clock", "memory"] {
        let check = checks.iter().find(|check| check["name"] == format!("failure/{name}")).expect(name);
        assert_eq!(check["outcome"], "passed", "{check}");
    }
}

/// Answers before they are synced are lost when the machine stops: this disk forgets what was not synced.
#[test]
fn acknowledgements_before_the_sync_are_found_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("settings.toml");
    let unsynced = "[sqlite]\ndisk = \"forgets-unsynced\"\ncommits = \"unsynced\"\n";
    std::fs::write(&settings, unsynced).expect("it can be written");
    let settings = settings.display().to_string();
    let outcome = drill(&["--local", "--settings", &settings, "--only", "failure"], folder.path());
    assert!(!outcome.status.success(), "{}", outcome.stderr);
    let failed = failed(&read(folder.path()));
    assert!(failed.iter().any(|check| check.contains("failure/")), "{failed:?}");
}
