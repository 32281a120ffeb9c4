//! An operator looks at a process, checks its ledger, and blocks a network.

use rig::{Gateway, Server, ServerOptions};
use serde_json::json;

use super::Walker;
use crate::{Folder, console::somebody};

/// An operator who has signed in there.
async fn at_the_console(server: &Server) -> Walker {
    somebody(server, "operator", &["operator", "auditor"]).await;
    let walker = Walker::new().await;
    walker.go(&server.operator().address_of("/console")).await;
    walker.fill("user-id", "operator").await;
    walker.fill("password", crate::PASSWORD).await;
    walker.press("Sign in").await;
    walker
}

#[tokio::test]
async fn an_operator_looks_at_a_process_and_blocks_a_network() {
    let folder = Folder::new();
    // Nobody is there: the node goes on alone, which is nothing to wake anybody for within five minutes.
    let settings = "[redis]\nurls = [\"redis://127.0.0.1:9\"]\n".to_owned();
    let options = ServerOptions { settings, ..ServerOptions::default() };
    let server = Server::start_with(&folder.data(), &options).expect("it starts");
    let walker = at_the_console(&server).await;
    walker.read("RedisAway Redis cannot be reached").await;
    walker.read("Not raised yet, and a warning if it stays so").await;
    assert_eq!(
        server.operator().put("/attack", &json!({"mode": "on"})).await.expect("an answer").status,
        204
    );
    walker.read("Runbook: UnderAttack").await;
    walker.read("1 alert").await;
    assert_eq!(
        server.operator().put("/attack", &json!({"mode": "off"})).await.expect("an answer").status,
        204
    );
    walker.see(".uplot canvas").await;
    walker.picture("console-overview").await;

    walker.press("Who is let in").await;
    walker.press("Block a network").await;
    walker.fill("network", "192.0.2.0/24").await;
    walker.press("Cancel").await;
    walker.read("No network is kept out").await;
    walker.press("Block a network").await;
    walker.fill("network", "192.0.2.0/33").await;
    walker.press_at("dialog button.danger").await;
    // What cannot be taken is told where it was said.
    walker.see("dialog .problem:not(:empty)").await;
    walker.fill("network", "192.0.2.0/24").await;
    walker.press_at("dialog button.danger").await;
    walker.read("192.0.2.0/24").await;
    walker.picture("console-front").await;

    walker.press("Audit").await;
    walker.fill("command", "identity/record-operation").await;
    walker.press("Search").await;
    walker.press("Show").await;
    walker.read("/blocks").await;
    walker.picture("console-audit").await;
    let front = server.operator().get("/front").await.expect("an answer").json();
    assert_eq!(front["blocks"][0]["network"], "192.0.2.0/24");

    walker.press("Settings").await;
    walker.press("Read the settings again").await;
    walker.press_at("dialog button[type=submit]").await;
    walker.read("All of them are in force.").await;
    walker.read("redis://127.0.0.1:9").await;

    // A process that stands still ends no connection: nothing but its silence tells.
    walker.press("Overview").await;
    server.freeze();
    walker.read("HoldfastDown Nothing has come from").await;
    walker.read("1 alert").await;
    walker.picture("console-lost").await;
    walker.leave().await;
}

#[tokio::test]
async fn an_operator_checks_a_ledger_and_notices_another_one() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let walker = at_the_console(&server).await;
    walker.press("Ledgers").await;
    let verify = "[data-verify=identity]";
    walker.press_at(verify).await;
    walker.read("In order").await;
    walker.read("This browser saw it for the first time").await;
    let keys = server.client().get("/ledger/identity/keys").await.expect("an answer").json();
    for key in keys["keys"].as_array().expect("keys") {
        let identifier = key.as_str().and_then(|key| key.split('+').nth(1)).expect("a verifier key");
        walker.read(identifier).await;
    }
    let seen = "return JSON.parse(localStorage.getItem('ledger/identity')).size";
    let before: u64 =
        walker.page.execute(seen, Vec::new()).await.expect("a size").convert().expect("a number");
    server.client().register("somebody", crate::PASSWORD).await.expect("an answer");
    // The newest checkpoint covers more than was seen within half a second or so.
    loop {
        let note = server.client().get("/ledger/identity/checkpoint").await.expect("an answer");
        let note = String::from_utf8_lossy(&note.bytes).into_owned();
        if note.lines().nth(1).and_then(|size| size.parse::<u64>().ok()).is_some_and(|size| size > before) {
            break;
        }
        tokio::time::sleep(super::LOOK_EVERY).await;
    }
    walker.press_at(verify).await;
    walker.read(&format!("The {before} entries seen here before are its beginning")).await;
    walker.picture("console-ledgers").await;

    // As if a smaller ledger, of which this one is no continuation, had been shown here before.
    let other = "const seen = JSON.parse(localStorage.getItem('ledger/identity'));\
                 localStorage.setItem('ledger/identity', JSON.stringify({ ...seen, size: seen.size - 1 }))";
    walker.page.execute(other, Vec::new()).await.expect("it is kept");
    walker.press_at(verify).await;
    walker.read("What the server shows is not what was signed").await;
    walker.picture("console-ledgers-other").await;
    walker.leave().await;
}

#[tokio::test]
async fn an_operator_looks_at_gateways_and_moves_the_weights_of_a_route() {
    let folder = Folder::new();
    // Weights are moved between two pools; nobody has to be there behind them.
    let gateway = Gateway::start(
        "[pools.old]\nupstreams = [{ address = \"127.0.0.1:9\" }]\nhealth = { active = false }\n\
         [pools.new]\nupstreams = [{ address = \"127.0.0.1:9\", weight = 3 }]\nhealth = { active = false }\n\
         [[routes]]\nname = \"town\"\npools = { old = 9, new = 1 }\n",
    )
    .expect("it starts");
    let away = peers::free_port().expect("a port");
    let settings =
        format!("[console]\ngateways = [\"http://{}\", \"http://127.0.0.1:{away}\"]\n", gateway.admin);
    let options = ServerOptions { settings, ..ServerOptions::default() };
    let server = Server::start_with(&folder.data(), &options).expect("it starts");
    let walker = at_the_console(&server).await;
    walker.press("Gateways").await;
    walker.read("old 90 %").await;
    walker.read("cannot connect").await;
    walker.press("Move weights").await;
    walker.fill("weight-old", "1").await;
    walker.fill("weight-new", "4").await;
    walker.fill("over", "0").await;
    walker.press_at("dialog button[type=submit]").await;
    walker.read("old 20 %").await;
    walker.picture("console-gateways").await;
    let state = gateway.operator().get("/gateway").await.expect("an answer").json();
    let weights = &state["routes"][0]["weights"];
    let [old, new] = ["old", "new"].map(|pool| weights[pool].as_u64().expect("a weight"));
    assert_eq!(new, old * 4, "{weights}");
    walker.press("Audit").await;
    walker.fill("command", "identity/record-operation").await;
    walker.press("Search").await;
    walker.press("Show").await;
    walker.read("/gateways/{number}/routes/{route}/weights").await;
    walker.read("\"route\": \"town\"").await;
    walker.leave().await;
}
