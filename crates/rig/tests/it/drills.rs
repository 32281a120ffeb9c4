//! The drill itself: whatever lies on the way to a deployment is found out. That a clean one raises no alarm is tried
//! where nothing runs beside.

mod liar;

use liar::{LIES, Lie};
use rig::{Drilled, Server, ServerOptions, drill, drill_with, run};
use serde_json::json;

use crate::{Folder, MANY_COME, PASSWORD};

/// The part of a drill that must notice a lie, and by which check; any other check may notice it too.
fn notices(lie: Lie) -> (&'static str, &'static str) {
    match lie {
        Lie::Forgets | Lie::GivesOneReceiptTwice | Lie::DropsAnEntry | Lie::StandsStill => {
            ("invariants", "invariants/acknowledged")
        }
        Lie::LosesAnUpdate => ("invariants", "invariants/updates"),
        Lie::ForgesAReceipt => ("invariants", "invariants/receipts"),
        Lie::ShowsWhatWas => ("invariants", "invariants/own-writes"),
        Lie::LetsTheEndedPass => ("invariants", "invariants/ended-sessions"),
        Lie::TakesBack => ("invariants", "invariants/checkpoints"),
        Lie::DoesItTwice => ("invariants", "invariants/acknowledged"),
        Lie::TakesItAgain | Lie::TakesAnothersDevice => ("attack", "attack/replay"),
        Lie::HidesAnEntry => ("compliance", "compliance/access"),
        Lie::SignsTheErasedIn | Lie::KeepsTheErased => ("compliance", "compliance/erased"),
        Lie::ThrowsAVoteAway
        | Lie::PutsAVoteInTwice
        | Lie::CountsAVoterTwice
        | Lie::CountsAVoteForAnother => ("invariants", "invariants/votes"),
        Lie::GuardsNothing => ("attack", "attack/privileges"),
        // Whether it may is not the drill's to say: it is told apart below.
        Lie::RefusesSome => ("volume", ""),
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

/// Drills a target, of which only some parts are of interest.
fn drill_target(target: &str, tokens: &[String], more: &[&str]) -> Drilled {
    let mut arguments = vec!["--target", target, "--yes"];
    arguments.extend(tokens.iter().map(String::as_str).chain(more.iter().copied()));
    let drilled = drill(&arguments).expect("it runs");
    assert_eq!(drilled.outcome.status.success(), drilled.word() == "held", "{}", drilled.outcome.stderr);
    assert_eq!(drilled.word() == "failed", !drilled.failed().is_empty(), "{}", drilled.outcome.stderr);
    drilled
}

/// Settings of a target that lets the drill ask as much as a country does: otherwise it waits for its own address's limits.
fn let_in() -> String {
    format!("{MANY_COME}[networks]\nallowed = [\"127.0.0.1/32\"]\n")
}

/// Drills that run at the same time.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn every_lie_is_found_out_and_an_honest_server_is_believed() {
    let folder = Folder::new();
    let options = ServerOptions { settings: let_in(), ..ServerOptions::default() };
    let (server, tokens) = honest(&folder, &options).await;
    let url = |address| format!("http://{address}");
    let honest = drill_target(&url(server.public), &tokens, &["--only", "invariants", "--alone"]);
    assert_eq!(honest.why(), Vec::<String>::new(), "nobody lied");
    assert_eq!(honest.word(), "held", "{}", honest.outcome.stderr);
    let found_out = |lie: Lie, more: &[&str]| {
        let (part, check) = notices(lie);
        let more: Vec<_> = ["--only", part].into_iter().chain(more.iter().copied()).collect();
        let drilled = drill_target(&url(liar::before(server.public, lie)), &tokens, &more);
        let found = drilled.failed();
        assert!(found.contains(&check), "{lie:?} was not noticed by {check}: {found:?}");
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
    let tried = drill_target(&url, &[], &["--only", "compliance,attack", "--ca-file", &own]);
    assert_eq!(tried.why(), Vec::<String>::new());
    // Files that nobody read show nothing.
    assert_eq!(tried.outcome_of("compliance/erasure"), Some("not-exercised"));
    assert_eq!(tried.outcome_of("compliance/erased"), Some("passed"));
    for name in ["attack/injections", "attack/malformed", "attack/passwords", "attack/slow"] {
        assert_eq!(tried.outcome_of(name), Some("passed"), "{name}");
    }
    // Nor can most else of compliance be seen from here.
    assert_eq!(tried.word(), "open", "{}", tried.outcome.stderr);
    // Whom nobody vouches for is not spoken with.
    let refused = drill(&["--target", &url, "--yes", "--only", "compliance"]).expect("it runs").outcome;
    assert!(!refused.status.success() && refused.stderr.contains("certificate"), "{}", refused.stderr);
}

/// Files in which nothing could stand show nothing.
#[test]
fn what_lies_in_a_servers_database_is_not_looked_for_in_files() {
    let postgres = peers::Postgres::start().expect("it starts");
    let database = postgres.create_database("drill").expect("it can be made");
    // What somebody has in their environment is theirs, and not to be broken.
    let theirs = [("HOLDFAST_DATABASE", "postgres://nobody@127.0.0.1:1/nothing")];
    let drilled = drill_with(&["--local", "--only", "compliance", "--database", &database], &theirs);
    let drilled = drilled.expect("it runs");
    assert_eq!(drilled.why(), Vec::<String>::new());
    for name in ["compliance/at-rest", "compliance/erasure", "compliance/tampering"] {
        assert_eq!(drilled.outcome_of(name), Some("not-exercised"), "{name}");
    }
    for name in ["compliance/audit", "compliance/erased", "compliance/access"] {
        assert_eq!(drilled.outcome_of(name), Some("passed"), "{name}");
    }
}

#[test]
fn checkpoints_must_be_signed_with_the_keys_that_were_named() {
    let [(ours, our_keys), (_others, other_keys)] = [(); 2].map(|()| {
        let folder = Folder::new();
        let server = Server::start(&folder.data()).expect("it starts");
        server.stop().expect("it ends");
        let options = ServerOptions::default();
        let verified = run(&["verify", "--print-keys"], &folder.data(), &options).expect("it runs");
        let keys: Vec<_> =
            verified.stdout.lines().filter_map(|line| line.strip_prefix("  signed with ")).collect();
        let keys: Vec<_> =
            keys.into_iter().filter(|key| key.contains("/identity+")).map(str::to_owned).collect();
        assert_eq!(keys.len(), 2, "{}", verified.stdout);
        (folder, keys)
    });
    let server = Server::start(&ours.data()).expect("it starts again");
    let drilled = |keys: &[String]| {
        let keys: Vec<_> = keys.iter().flat_map(|key| ["--ledger-key", key]).collect();
        let tried = drill_target(
            &format!("http://{}", server.public),
            &[],
            &[&["--only", "invariants"], &keys[..]].concat(),
        );
        tried.outcome_of("invariants/checkpoints").map(str::to_owned)
    };
    assert_eq!(drilled(&our_keys).as_deref(), Some("passed"));
    assert_eq!(drilled(&other_keys).as_deref(), Some("failed"));
}

/// Secret votes are only held where there is volume, which takes a while: two lies stand for those about votes.
#[tokio::test]
async fn secret_votes_that_are_thrown_away_or_counted_wrongly_are_found_out() {
    let folder = Folder::new();
    let options = ServerOptions { settings: let_in(), ..ServerOptions::default() };
    let (server, tokens) = honest(&folder, &options).await;
    let found_out = |lie: Lie| {
        let address = liar::before(server.public, lie);
        let drilled = drill_target(&format!("http://{address}"), &tokens, &["--only", "volume,invariants"]);
        let found = drilled.failed();
        assert!(found.contains(&"invariants/secret-votes"), "{lie:?}: {found:?}");
        assert!(!found.contains(&"volume/secret-election"), "{lie:?}: {found:?}");
    };
    std::thread::scope(|scope| {
        for lie in [Lie::ThrowsAVoteAway, Lie::CountsAVoterTwice] {
            let found_out = &found_out;
            scope.spawn(move || found_out(lie));
        }
    });
}

/// A limit on the drill's address is no fault, and what it leaves is no proof: neither of the target, nor of its figures.
#[tokio::test]
async fn a_target_that_refuses_some_of_everybody_is_not_said_to_hold() {
    let folder = Folder::new();
    let options = ServerOptions { settings: let_in(), ..ServerOptions::default() };
    let (server, tokens) = honest(&folder, &options).await;
    let url = format!("http://{}", liar::before(server.public, Lie::RefusesSome));
    let drilled = drill_target(&url, &tokens, &["--only", "volume"]);
    assert_ne!(drilled.word(), "held", "{}", drilled.outcome.stderr);
    for metric in ["Error rate", "Latency (p50)", "Latency (p99)"] {
        let row = drilled.target(metric).expect("there is a row");
        assert_ne!(row["met"], json!(true), "{row}");
    }
}

/// Whoever ends a drill has its report so far, and nothing is left behind.
#[test]
fn a_drill_that_is_ended_says_what_it_measured_and_leaves_nothing() {
    let folders = tempfile::tempdir().expect("a folder");
    let report = folders.path().join("report");
    let mut drill = rig::command()
        .args(["drill", "--local", "--only", "attack,volume", "--report"])
        .arg(&report)
        .env("TMPDIR", folders.path())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(drill.stderr.take().expect("it is piped")));
    let measured = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("ok ")));
    assert!(measured.is_some(), "nothing was measured");
    let told = std::process::Command::new("kill").args(["-INT", &drill.id().to_string()]).status();
    assert!(told.expect("there is such a program").success());
    let said: Vec<_> = lines.map_while(Result::ok).collect();
    assert!(!drill.wait().expect("it ends").success(), "{said:?}");
    let text = std::fs::read(report.join("report.json")).unwrap_or_else(|_| panic!("no report: {said:#?}"));
    let text: serde_json::Value = serde_json::from_slice(&text).expect("a report");
    assert_eq!((&text["verdict"]["word"], &text["run"]["endedBy"]), (&json!("open"), &json!("Ctrl-C")));
    assert!(text["verdict"]["passed"].as_u64() > Some(0), "{}", text["verdict"]);
    let left = std::fs::read_dir(folders.path()).expect("it is there").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    // Which ports are taken is written down for all who start something on this machine.
    assert!(left.iter().all(|name| ["report", "holdfast-ports"].contains(&name.as_str())), "{left:?}");
}

/// Answers before they are synced are lost when the machine stops: this disk forgets what was not synced.
#[test]
fn acknowledgements_before_the_sync_are_found_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("settings.toml");
    let unsynced = "[sqlite]\ndisk = \"forgets-unsynced\"\ncommits = \"unsynced\"\n";
    std::fs::write(&settings, unsynced).expect("it can be written");
    let settings = settings.display().to_string();
    let drilled = drill(&["--local", "--settings", &settings, "--only", "failure"]).expect("it runs");
    assert!(!drilled.outcome.status.success(), "{}", drilled.outcome.stderr);
    let failed = drilled.failed();
    assert!(failed.iter().any(|check| check.starts_with("failure/")), "{failed:?}");
}
