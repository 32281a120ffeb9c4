//! A whole election, through the public API and the binary's own roles alone.

mod attacks;
mod backups;
mod course;
mod forgeries;
mod town;

use std::time::Duration;

use mixnet::{Answer, Marks};
use rig::ServerOptions;
use serde_json::{Value, json};
use town::{Town, Voter, council};

use crate::Folder;

fn for_one(place: u8) -> Answer {
    Answer { marks: Marks::Plurality(Some(place)), write_in: None }
}

fn ranked(ranks: [u8; 3]) -> Answer {
    Answer {
        marks: Marks::Ranked(ranks.iter().map(|rank| (*rank > 0).then_some(*rank)).collect()),
        write_in: None,
    }
}

/// Five voters vote, one of them twice, and the result is what they said.
async fn five_vote(town: &Town) {
    let voters = town.voters(5).await;
    let votes = [
        [for_one(0), ranked([1, 2, 3])],
        [for_one(1), ranked([2, 1, 0])],
        [for_one(0), ranked([1, 0, 0])],
        [Answer { marks: Marks::Plurality(Some(2)), write_in: Some("Zoe".to_owned()) }, ranked([0, 0, 0])],
        [for_one(1), ranked([3, 1, 2])],
    ];
    let mut trackers = Vec::new();
    for (voter, answers) in voters.iter().zip(&votes) {
        trackers.push(town.cast(voter, answers).await);
    }
    // The last one thinks again.
    trackers.push(town.cast(&voters[4], &[for_one(0), ranked([1, 2, 3])]).await);
    for tracker in &trackers {
        town.until_ballot(tracker, "CONFIRMED").await;
    }
}

fn check_results(results: &Value) {
    let (mayor, order) = (&results["contests"][0], &results["contests"][1]);
    assert_eq!((mayor["ballots"].as_u64(), &mayor["elected"]), (Some(5), &json!([0])), "{results}");
    assert_eq!(mayor["log"]["most"]["counts"], json!([3, 1, 1]));
    assert_eq!(mayor["candidates"][2], json!({"writeIn": "Zoe"}));
    assert_eq!((order["blank"].as_u64(), &order["elected"]), (Some(1), &json!([0])), "{results}");
}

async fn a_whole_election(folder: &Folder, options: &ServerOptions) {
    a_whole_election_with(folder, options, rig::Server::client).await;
}

/// Voters and observers go to another node, if there is one.
async fn a_whole_election_with(
    folder: &Folder,
    options: &ServerOptions,
    other: impl FnOnce(&rig::Server) -> rig::Client,
) {
    let mut town = Town::start(folder, options).await;
    town.client = other(&town.server);
    town.create(&council(2, 3)).await;
    town.enrol(5).await;
    town.step("ceremony", 202).await;
    let trustees = town.trustees(3, true);
    town.until_state("ready").await;
    trustees.into_iter().for_each(town::ended_well);
    town.step("opening", 200).await;
    town.until_state("open").await;
    five_vote(&town).await;
    town.step("closing", 200).await;
    town.step("tally", 202).await;
    town.until_state("decrypting").await;
    // The third trustee is lost.
    let trustees = town.trustees(2, false);
    town.until_state("counted").await;
    trustees.into_iter().for_each(town::ended_well);
    let early = town.client.get(&town.path("/results")).await.expect("an answer");
    assert_eq!((early.status, early.problem()), (404, "elections/not-published".to_owned()));
    town.step("publication", 200).await;
    let results = town.results().await;
    check_results(&results);
    assert_eq!((&results["decryptedBy"], &results["absent"]), (&json!([1, 2]), &json!([3])));
    town.until_signed().await;
    let saved = folder.data().with_file_name("saved");
    let at_url = town.verify_election(Some(&saved));
    assert!(at_url.success, "{}", at_url.text);
    assert!(at_url.text.contains("the results are published"), "{}", at_url.text);
    let in_folder = town::verify_saved(&saved);
    assert!(in_folder.success, "{}", in_folder.text);
    // Where the one that other verifiers are tried with comes from.
    if let Some(kept) = std::env::var_os("HOLDFAST_RECORD") {
        let mut cp = std::process::Command::new("cp");
        assert!(cp.arg("-r").arg(&saved).arg(kept).status().is_ok_and(|status| status.success()));
    }
    town.server.stop().expect("it stops");
    // And whoever runs the server can have all of it replayed.
    let replayed = rig::Server::verify_with(&folder.data(), options).expect("it runs");
    assert!(replayed.status.success(), "{}", replayed.stderr);
    assert!(replayed.stdout.contains("ledger election-"), "{}", replayed.stdout);
}

#[tokio::test]
async fn officers_trustees_voters_and_observers_hold_an_election() {
    let folder = Folder::new();
    a_whole_election(&folder, &town::options("")).await;
}

#[tokio::test]
async fn two_nodes_that_share_a_database_hold_one_election_and_leave_the_work_to_others() {
    let database = peers::fresh_database().expect("a database");
    let (folder, other, workshop) = (Folder::new(), Folder::new(), Folder::new());
    let options = ServerOptions {
        keys: Some(folder.data().join("keys")),
        database: Some(database),
        ..town::options("[jobs]\nin-serve = false\n")
    };
    let (second, worker) = (std::cell::OnceCell::new(), std::cell::OnceCell::new());
    let started = |first: &rig::Server| {
        let node = rig::Server::start_with(&other.data(), &options).expect("it starts");
        let client = node.client();
        assert_ne!(node.public, first.public);
        assert!(second.set(node).is_ok());
        let at_work = rig::Worker::start(&workshop.data(), &options, "crypto,mixnet").expect("it starts");
        assert!(worker.set(at_work).is_ok());
        client
    };
    a_whole_election_with(&folder, &options, started).await;
    second.into_inner().expect("it was started").stop().expect("it stops");
    worker.into_inner().expect("it was started").stop().expect("it stops");
}

#[tokio::test]
async fn votes_that_are_not_secret_are_counted_and_everybody_is_told_so() {
    let folder = Folder::new();
    let mut town = Town::start(&folder, &town::options("")).await;
    let poll = json!({
        "title": {"en": "Tea or coffee"}, "secret": false,
        "contests": [{"contestId": "drink", "title": {"en": "Drink"}, "form": {"kind": "plurality"}, "count": "most",
            "options": [{"optionId": "tea", "title": {"en": "Tea"}}, {"optionId": "coffee", "title": {"en": "Coffee"}}]}],
    });
    town.create(&poll).await;
    town.enrol(2).await;
    town.step("ceremony", 202).await;
    town.step("opening", 200).await;
    for (number, option) in [(0, "tea"), (1, "coffee"), (1, "tea")] {
        let person = town.person(number).await;
        let body = json!({"electionId": town.election});
        let token = person.post("/api/v1/voting/token", &body).await.expect("an answer");
        assert_eq!(token.status, 200, "{}", token.json());
        assert!(token.text("notice").contains("non-secret"));
        let selections = json!([{"contestId": "drink", "optionId": option}]);
        let body =
            json!({"electionId": town.election, "token": token.text("token"), "selections": selections});
        let taken = town.client.post("/api/v1/voting/submit", &body).await.expect("an answer");
        assert_eq!((taken.status, taken.text("status").as_str()), (201, "RECEIVED"), "{}", taken.json());
        town.until_ballot(&taken.text("tracker"), "CONFIRMED").await;
    }
    town.step("closing", 200).await;
    town.step("tally", 202).await;
    town.until_state("counted").await;
    town.step("publication", 200).await;
    let results = town.client.get(&town.public("/results")).await.expect("an answer").json();
    assert_eq!(results["contests"][0]["log"]["most"]["counts"], json!([2, 0]), "{results}");
    town.until_signed().await;
    let verified = town.verify_election(None);
    assert!(verified.success, "{}", verified.text);
    town.server.stop().expect("it stops");
}

#[tokio::test]
async fn every_vote_that_was_acknowledged_outlives_a_crash() {
    let folder = Folder::new();
    let options = town::options("");
    let mut town = Town::start(&folder, &options).await;
    town.create(&council(2, 3)).await;
    town.enrol(4).await;
    town.step("ceremony", 202).await;
    let trustees = town.trustees(3, true);
    town.until_state("ready").await;
    trustees.into_iter().for_each(town::ended_well);
    town.step("opening", 200).await;
    let voters: Vec<Voter> = town.voters(4).await;
    let mut acknowledged = Vec::new();
    for voter in &voters {
        acknowledged.push(town.cast(voter, &[for_one(0), ranked([1, 2, 3])]).await);
    }
    let town = town.crash(&options).await;
    for tracker in &acknowledged {
        town.until_ballot(tracker, "CONFIRMED").await;
    }
    town.cast(&voters[0], &[for_one(1), ranked([1, 2, 3])]).await;
    town.server.stop().expect("it stops");
}

#[tokio::test]
async fn progress_is_told_as_it_happens() {
    let folder = Folder::new();
    let mut town = Town::start(&folder, &town::options("")).await;
    town.create(&council(2, 3)).await;
    town.step("ceremony", 202).await;
    let listening = town.first_event();
    let event = tokio::time::timeout(Duration::from_secs(60), listening).await.expect("an event comes");
    assert!(event.contains("event: progress") && event.contains("\"state\":\"ceremony\""), "{event}");
    town.server.stop().expect("it stops");
}
