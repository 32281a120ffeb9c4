//! A whole election, as officer, trustees, voters and observers hold it in their browsers.

use rig::Server;
use serde_json::json;

use super::Walker;
use crate::{Folder, PASSWORD};

const TRUSTEES: [&str; 3] = ["trustee-1", "trustee-2", "trustee-3"];
const VOTERS: [&str; 5] = ["voter-1", "voter-2", "voter-3", "voter-4", "voter-5"];

#[tokio::test]
async fn an_election_is_held_from_its_creation_to_its_verification() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    register(&server).await;

    let officer = Walker::new().await;
    let election = create(&server, &officer).await;
    officer.press("Begin the key ceremony").await;
    officer.press("Begin the key ceremony").await;
    officer.read("The trustees make the key together").await;
    let trustees = make_key(&server, &officer, &election).await;
    officer.press("Open the voting").await;
    officer.press("Open the voting").await;
    officer.read("Close the voting").await;
    officer.picture("election-officer-open").await;

    let voter = officer.another().await;
    vote_with_care(&server, &voter, &election).await;
    for (name, choice) in VOTERS.into_iter().skip(1).zip(["Ada", "Bob", "Ada", "None of these"]) {
        let voter = officer.another().await;
        enter(&server, &voter, &election, name).await;
        mark(&voter, choice, &[("Harbour", "1"), ("Library", "2")]).await;
        voter.press("Lock my ballot").await;
        voter.press("Cast this ballot").await;
        voter.read("Your ballot was received").await;
        voter.leave().await;
    }

    officer.press("Close the voting").await;
    officer.press("Close the voting").await;
    officer.press("Start the tally").await;
    officer.press("Start the tally").await;
    officer.read("The trustees decrypt").await;
    // One of the three is lost.
    for trustee in &trustees[..2] {
        trustee.go(&server.client().address_of(&format!("/elections/{election}/trustee"))).await;
        trustee.press("Check the record").await;
        trustee.press("They are the same").await;
        trustee.read("You have decrypted your part").await;
    }
    officer.press("Publish the result").await;
    officer.press("Publish the result").await;
    observe(&server, &officer.another().await, &election).await;
    verify(&server, &officer.another().await, &election).await;
    for walker in trustees.into_iter().chain([voter, officer]) {
        walker.leave().await;
    }
}

/// Everybody who takes part.
async fn register(server: &Server) {
    let administrator = server.administrator().await.expect("the first administrator");
    for name in ["officer"].iter().chain(&TRUSTEES).chain(&VOTERS) {
        let registered = server.client().register(name, PASSWORD).await.expect("an answer");
        if *name == "officer" {
            let path = format!("/api/v1/persons/{}/standing", registered.text("personId"));
            let standing = json!({"kind": "staff", "roles": ["officer"], "disabled": false});
            assert_eq!(administrator.put(&path, &standing).await.expect("an answer").status, 204);
        }
    }
}

async fn sign_in(walker: &Walker, name: &str) {
    walker.fill("user-id", name).await;
    walker.fill("password", PASSWORD).await;
    walker.press("Sign in").await;
}

/// The officer creates an election with two questions and brings its roll.
async fn create(server: &Server, officer: &Walker) -> String {
    officer.go(&server.client().address_of("/officer/elections")).await;
    sign_in(officer, "officer").await;
    officer.press("Create an election").await;
    officer.fill("title", "en: Town council 2026\nde: Gemeinderat 2026").await;
    officer.fill("description", "Who leads the town, and what is built first").await;
    officer.press("Add a question").await;
    let first = "[data-contest]:nth-child(1)";
    officer.fill_at(&format!("{first} [name$=title]"), "Who shall be mayor?").await;
    officer.fill_at(&format!("{first} [name$=options]"), "Ada\nBob").await;
    officer.fill_at(&format!("{first} [name$=write-in]"), "40").await;
    let second = "[data-contest]:nth-child(2)";
    officer.fill_at(&format!("{second} [name$=title]"), "What shall be built first?").await;
    officer
        .fill_at(&format!("{second} [name$=options]"), "Harbour\nLibrary\nen: Swimming pool | de: Schwimmbad")
        .await;
    officer.choose(&format!("{second} [name$=form]"), "ranked").await;
    officer.picture("election-officer-create").await;
    officer.press("Create the draft").await;
    // Ranks are not counted by most votes: the page says so, at the field.
    officer.read("Ranks are counted by").await;
    officer.choose(&format!("{second} [name$=count]"), "instant-runoff").await;
    for (at, trustee) in (1..).zip(TRUSTEES) {
        officer.fill(&format!("trustee-name-{at}"), &format!("Trustee {at}")).await;
        officer.fill(&format!("trustee-user-{at}"), trustee).await;
    }
    officer.press("Create the draft").await;
    officer.read("Roll of voters").await;
    officer.fill("roll", &VOTERS.join("\n")).await;
    officer.press("Add to the roll").await;
    officer.read("5 added").await;
    officer.picture("election-officer-draft").await;
    let address = officer.page.current_url().await.expect("an address");
    address.path_segments().and_then(Iterator::last).expect("the election's page").to_owned()
}

/// Three trustees make the key, each in a browser of their own.
async fn make_key(server: &Server, officer: &Walker, election: &str) -> Vec<Walker> {
    let mut trustees = Vec::new();
    for name in TRUSTEES {
        let trustee = officer.another().await;
        trustee.go(&server.client().address_of(&format!("/elections/{election}/trustee"))).await;
        sign_in(&trustee, name).await;
        trustee.press("Take part").await;
        trustees.push(trustee);
    }
    for trustee in &trustees {
        trustee.press("All of them are the same").await;
    }
    for trustee in &trustees {
        trustee.read("The key is made").await;
    }
    trustees[0].picture("election-trustee-key").await;
    trustees
}

async fn enter(server: &Server, voter: &Walker, election: &str, name: &str) {
    voter.go(&server.client().address_of(&format!("/elections/{election}/vote"))).await;
    sign_in(voter, name).await;
    voter.read("Your answers are encrypted on this device").await;
    voter.press("Start").await;
}

async fn mark(voter: &Walker, mayor: &str, ranks: &[(&str, &str)]) {
    voter.read("Who shall be mayor?").await;
    voter.mark(mayor).await;
    voter.press("Continue").await;
    voter.read("What shall be built first?").await;
    for (option, rank) in ranks {
        let field = ["Harbour", "Library", "Swimming pool"].iter().position(|name| name == option);
        voter.choose(&format!("#mark-{}", field.expect("an option")), rank).await;
    }
    voter.press("Continue").await;
    voter.read("Check your answers").await;
}

/// A voter who marks wrongly at first, opens a ballot to check the booth, casts one, changes their mind, and finds both.
async fn vote_with_care(server: &Server, voter: &Walker, election: &str) {
    enter(server, voter, election, VOTERS[0]).await;
    voter.picture("election-booth-plurality").await;
    voter.mark("Somebody else").await;
    voter.press("Continue").await;
    voter.read("Write in a name").await;
    voter.fill("write-in", "Zoë Ångström").await;
    voter.press("Continue").await;
    voter.choose("#mark-0", "2").await;
    voter.press("Continue").await;
    voter.read("Do not leave out a rank").await;
    voter.choose("#mark-2", "1").await;
    voter.picture("election-booth-ranked").await;
    voter.press("Continue").await;
    voter.read("Zoë Ångström (written in)").await;
    voter.picture("election-booth-review").await;
    voter.press("Lock my ballot").await;
    voter.read("Your ballot is locked").await;
    voter.picture("election-booth-locked").await;
    let locked = voter.told("[data-tracker]", "data-tracker").await;
    voter.press("Open it instead").await;
    let opened = voter.see("textarea#opened").await.prop("value").await.expect("it is still there");
    let opened = opened.expect("the opened ballot");
    assert!(!opened.contains("signature"), "whoever sees an opened ballot could cast it");

    // Another device tells what the booth had encrypted.
    let other = voter.another().await;
    other.go(&server.client().address_of(&format!("/elections/{election}/check"))).await;
    other.see("#opened").await;
    let fill = "document.getElementById('opened').value = arguments[0]";
    other.page.execute(fill, vec![json!(opened)]).await.expect("it is pasted");
    other.press("Check").await;
    other.read("Zoë Ångström (written in)").await;
    other.read("1. Swimming pool").await;
    assert_eq!(other.told("[data-tracker]", "data-tracker").await, locked);
    other.picture("election-check").await;
    other.leave().await;

    voter.press("Go on to vote").await;
    voter.press("Lock my ballot").await;
    voter.press("Cast this ballot").await;
    voter.read("Your ballot was received").await;
    voter.picture("election-booth-receipt").await;
    let first = voter.told("[data-tracker]", "data-tracker").await;
    assert_ne!(first, locked);

    voter.go(&server.client().address_of(&format!("/elections/{election}/vote"))).await;
    voter.press("Start").await;
    mark(voter, "Bob", &[("Library", "1")]).await;
    voter.press("Lock my ballot").await;
    voter.press("Cast this ballot").await;
    voter.read("Your ballot was received").await;
    voter.press("Find my ballot on the board").await;
    voter.read("This ballot is confirmed").await;
    voter.see(".proof--good").await;
    voter.picture("election-tracker").await;
}

/// Anybody sees the result, also without scripts.
async fn observe(server: &Server, observer: &Walker, election: &str) {
    observer.go(&server.client().address_of("/elections")).await;
    observer.press("Town council 2026").await;
    observer.read("Result").await;
    observer.read("Decrypted by Trustee 1, Trustee 2. Not there: Trustee 3.").await;
    observer.picture("election-result").await;
    let page = server.client().get(&format!("/elections/{election}")).await.expect("an answer");
    let text = String::from_utf8(page.bytes.to_vec()).expect("text");
    assert!(text.contains("Elected") && text.contains("Harbour"), "{text}");
    // Two for Ada, two for Bob (one who had voted otherwise first), one for nobody.
    let results = server.client().get(&format!("/api/v1/public/elections/{election}/results")).await;
    let results = results.expect("an answer").json();
    assert_eq!(results["contests"][0]["log"]["most"]["counts"], json!([2, 2]), "{results}");
    assert_eq!(results["contests"][0]["blank"], 1);
}

/// A browser checks all of it.
async fn verify(server: &Server, observer: &Walker, election: &str) {
    observer.go(&server.client().address_of(&format!("/elections/{election}/verify"))).await;
    observer.press("Begin").await;
    observer.see("[data-verified=yes]").await;
    observer.read("6 on the board, each with signature and proof; 5 count").await;
    observer.picture("election-verified").await;
}
