//! An operator looks at a process, and blocks a network.

use rig::Server;

use super::Walker;
use crate::{Folder, console::somebody};

#[tokio::test]
async fn an_operator_looks_at_a_process_and_blocks_a_network() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    somebody(&server, "operator", &["operator", "auditor"]).await;
    let walker = Walker::new().await;
    walker.go(&server.operator().address_of("/console")).await;
    walker.fill("user-id", "operator").await;
    walker.fill("password", crate::PASSWORD).await;
    walker.press("Sign in").await;
    // What is out of order depends on how busy this machine is: that it is said at all does not.
    walker.read("Alerts").await;
    walker.see(".alerts li, .good").await;
    walker.see(".uplot canvas").await;
    walker.picture("console-overview").await;

    walker.press("Ledgers").await;
    walker.press_at("[data-verify=identity]").await;
    walker.read("In order").await;

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
    let front = server.operator().get("/front").await.expect("an answer").json();
    assert_eq!(front["blocks"][0]["network"], "192.0.2.0/24");
    walker.leave().await;
}
