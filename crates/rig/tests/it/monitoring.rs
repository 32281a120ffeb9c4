//! What Prometheus and Grafana are given in `deploy/`, against a real Prometheus and real servers.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use peers::{AMTOOL, PROMTOOL, Prometheus, Redis};
use rig::{Client, Gateway, Server, ServerOptions};
use serde_json::Value;

use crate::Folder;

/// How the names of our metrics begin.
const OURS: [&str; 17] = [
    "backup_",
    "cache_",
    "front_",
    "gateway_",
    "holdfast_build",
    "http_",
    "identity_",
    "incidents_",
    "ledger_",
    "overload_",
    "process_",
    "queue_",
    "store_",
    "vote_",
    "voting_",
    "waiting_room_",
    "webhook_",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn deploy(file: &str) -> PathBuf {
    root().join("deploy").join(file)
}

#[track_caller]
fn agrees(command: &mut Command) {
    let output = command.output().expect("it can be run");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
}

/// All expressions of a dashboard.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let expression = members.get("expr").and_then(Value::as_str);
            found.extend(expression.map(|expression| expression.replace("$instance", ".*")));
            members.values().for_each(|member| expressions(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn dashboards() -> Vec<(String, Value)> {
    let files = fs::read_dir(deploy("grafana")).expect("the dashboards");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a dashboard");
        (path.display().to_string(), serde_json::from_str(&text).expect("JSON"))
    };
    files.map(|file| read(file.expect("a dashboard").path())).collect()
}

/// Our metrics that a text names, as they are registered.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|sign: char| !sign.is_ascii_alphanumeric() && !"_:".contains(sign));
    let ours = words.filter(|word| OURS.iter().any(|begin| word.starts_with(begin)) && !word.contains(':'));
    ours.map(|word| {
        let of = |suffix: &str| word.strip_suffix(suffix);
        let family = ["_total", "_bucket", "_sum", "_count", "_info"].into_iter().find_map(of);
        family.unwrap_or(word).to_owned()
    })
    .collect()
}

async fn ask(prometheus: &Client, path: &str, expression: &str) -> Value {
    let body = format!("query={}", percent(expression));
    let kind = "application/x-www-form-urlencoded";
    let answer = prometheus.send(http::Method::POST, path, kind, body.into()).await.expect("an answer");
    answer.json()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A node with all that it may have, and a gateway before it.
struct Town {
    server: Server,
    gateway: Gateway,
    _redis: Redis,
    _folders: (Folder, tempfile::TempDir),
}

impl Town {
    fn start() -> Self {
        let (folder, backup) = (Folder::new(), tempfile::tempdir().expect("a folder"));
        let redis = Redis::start().expect("it starts");
        let room = "[[waiting-rooms.rooms]]\nname = \"r\"\ntitle = \"R\"\nroutes = [\"/none\"]\ncapacity = 1\nlet-in-max = 1\n";
        let settings = format!(
            "region = \"north\"\n[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]\n[redis]\nurls = [{:?}]\n[backup]\ntarget = {:?}\n{room}[webhook]\nurl = \"http://127.0.0.1:9/\"\n",
            redis.url(),
            backup.path()
        );
        let database = Some(peers::fresh_database().expect("a database"));
        let options = ServerOptions { database, settings, ..ServerOptions::default() };
        let server = Server::start_with(&folder.data(), &options).expect("it starts");
        let gateway = Gateway::start(&format!(
            "region = \"north\"\n[pools.a]\nupstreams = [{{ address = \"{}\" }}]\n[[routes]]\nname = \"a\"\npools = {{ a = 1 }}\n",
            server.public
        ))
        .expect("it starts");
        Self { server, gateway, _redis: redis, _folders: (folder, backup) }
    }
}

#[test]
fn rules_and_settings_are_sound_and_every_alert_is_raised_for_what_is_bad_alone() {
    agrees(
        PROMTOOL
            .command()
            .expect("it can be had")
            .arg("check")
            .arg("config")
            .arg(deploy("prometheus/prometheus.yml")),
    );
    agrees(
        PROMTOOL
            .command()
            .expect("it can be had")
            .args(["test", "rules"])
            .arg(deploy("prometheus/rules.test.yml")),
    );
    agrees(
        AMTOOL
            .command()
            .expect("it can be had")
            .arg("check-config")
            .arg(deploy("prometheus/alertmanager.yml")),
    );
    let rules = fs::read_to_string(deploy("prometheus/rules.yml")).expect("the rules");
    let tests = fs::read_to_string(deploy("prometheus/rules.test.yml")).expect("their tests");
    let runbook = fs::read_to_string(root().join("docs/runbook.md")).expect("the runbook");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in &alerts {
        assert!(runbook.contains(&format!("\n## {alert}\n")), "the runbook has no section {alert}");
        assert!(tests.contains(&format!("- name: {alert}\n")), "nothing tests {alert}");
        assert!(
            rules.contains(&format!("runbook.md#{}\n", alert.to_lowercase())),
            "{alert} names no section"
        );
    }
    let sections = runbook.lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(sections, alerts.len(), "the runbook has sections for nothing");
}

/// Who hears of alerts with these labels, in the order of the routes.
fn told(labels: &[&str]) -> String {
    let mut command = AMTOOL.command().expect("it can be had");
    command.args(["config", "routes", "test"]);
    command.arg(format!("--config.file={}", deploy("prometheus/alertmanager.yml").display()));
    let output = command.args(labels).output().expect("it can be run");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn whoever_is_on_call_hears_of_what_is_critical_and_chat_and_mail_of_everything() {
    assert_eq!(told(&["severity=critical", "alertname=HoldfastDown"]), "on-call,chat,mail");
    assert_eq!(told(&["severity=warning", "alertname=CpuHigh"]), "chat,mail");
    // What nobody thought of is lost to nobody either.
    assert_eq!(told(&["alertname=Unknown"]), "mail");
    let rules = fs::read_to_string(deploy("prometheus/rules.yml")).expect("the rules");
    let severities: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("labels: { severity: ")).collect();
    assert_eq!(severities, BTreeSet::from(["critical }", "warning }"]));
}

#[tokio::test]
async fn everything_that_rules_and_dashboards_ask_for_is_told_to_a_real_prometheus() {
    let town = Town::start();
    let (server, gateway) = (&town.server, &town.gateway);
    let targets = [("holdfast", server.admin), ("holdfast-gateway", gateway.admin)];
    let prometheus = Prometheus::start(&targets, &deploy("prometheus/rules.yml")).expect("it starts");
    let asked = Client::new(prometheus.address);
    let mut up = Value::Null;
    for _ in 0..1200 {
        // Something to see.
        server.client().get("/health").await.expect("an answer");
        let stranger = server.client().with_field("x-forwarded-for", "192.0.2.1");
        stranger.get("/health?a=1%20or%201=1").await.expect("an answer");
        gateway.client().get("/health").await.expect("an answer");
        if asked.get("/-/ready").await.is_ok_and(|answer| answer.status == 200) {
            up = ask(&asked, "/api/v1/query", "sum(rate(http_requests_total{region=\"north\"}[10s]) > 0)")
                .await;
            let both = ask(&asked, "/api/v1/query", "count(up == 1) == 2").await;
            if up["data"]["result"] != serde_json::json!([]) && both["data"]["result"][0]["value"][1] == "2" {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(up["status"], "success", "{up}");

    // A tenth of all requests took less than the quantile of a tenth: the buckets are whole.
    let quantile = ask(
        &asked,
        "/api/v1/query",
        "histogram_quantile(0.99, sum by (le) (http_request_duration_seconds_bucket))",
    )
    .await;
    let p99 = quantile["data"]["result"][0]["value"][1]
        .as_str()
        .expect("a number")
        .parse::<f64>()
        .expect("a number");
    assert!(p99 > 0.0 && p99 < 10.0, "{quantile}");

    let rules = asked.get("/api/v1/rules").await.expect("an answer").json();
    for rule in rules["data"]["groups"][0]["rules"].as_array().expect("rules") {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    let known = asked.get("/api/v1/targets/metadata").await.expect("an answer").json();
    let known: BTreeSet<String> = known["data"]
        .as_array()
        .expect("metadata")
        .iter()
        .map(|metric| metric["metric"].as_str().expect("a name").to_owned())
        .collect();
    // Else a rule may name one of them wrongly, and nobody notices.
    let strange: Vec<_> =
        known.iter().filter(|name| !OURS.iter().any(|begin| name.starts_with(begin))).collect();
    assert!(strange.is_empty(), "nothing says that these are ours: {strange:?}");
    let mut wanted = named(&fs::read_to_string(deploy("prometheus/rules.yml")).expect("the rules"));
    for (name, dashboard) in dashboards() {
        let mut asks = Vec::new();
        expressions(&dashboard, &mut asks);
        assert!(asks.len() > 5, "{name}");
        for expression in asks {
            let answer = ask(&asked, "/api/v1/query", &expression).await;
            assert_eq!(answer["status"], "success", "{name}: {expression}: {answer}");
            wanted.extend(named(&expression));
        }
    }
    let missing: Vec<_> = wanted.iter().filter(|metric| !known.contains(*metric)).collect();
    assert!(missing.is_empty(), "nobody tells of {missing:?}");
}
