//! The disk is lost in the middle of an election, and what was shipped is not.

use serde_json::json;

use super::{
    for_one, ranked,
    town::{Town, asking, council, ended_well, options},
};
use crate::backups::Shipping;

/// The disk is lost; everything is built anew from the backup, and somebody serves again.
async fn lost(town: Town, shipping: &Shipping) -> Town {
    let restoring = |server: rig::Server| {
        server.stop().expect("it stops");
        shipping.lose_everything();
        let told = shipping.restore(&[]);
        assert!(told.contains("entries of elections") && told.contains("entries of election-"), "{told}");
        shipping.verify();
    };
    town.come_back(&shipping.options, restoring).await
}

#[tokio::test]
async fn an_election_goes_on_when_the_disk_is_lost_between_votes_and_again_before_the_count() {
    let shipping = Shipping::at_work(&options("").settings);
    let mut town = Town::start(&shipping.folder, &shipping.options).await;
    town.create(&council(2, 3)).await;
    town.enrol(3).await;
    town.step("ceremony", 202).await;
    let trustees = town.trustees(3, true);
    town.until_state("ready").await;
    trustees.into_iter().for_each(ended_well);
    town.step("opening", 200).await;
    let voters = town.voters(2).await;
    let early = town.cast(&voters[0], &[for_one(0), ranked([1, 2, 3])]).await;
    town.until_ballot(&early, "CONFIRMED").await;
    let town = lost(town, &shipping).await;
    town.until_ballot(&early, "CONFIRMED").await;
    // Nobody gets a second token, for another key.
    let again = json!({"electionId": town.election, "blindedInput": hex::encode(blinded(77))});
    let again = town.person(0).await.post("/api/v1/voting/token", &again).await.expect("an answer");
    assert_eq!((again.status, again.problem()), (409, "elections/token-issued".to_owned()));
    let late = town.cast(&voters[1], &[for_one(0), ranked([2, 1, 3])]).await;
    town.until_ballot(&late, "CONFIRMED").await;
    town.step("closing", 200).await;
    town.step("tally", 202).await;
    town.until_state("decrypting").await;
    ended_well(town.trustee(1, false));
    // What was mixed and what one trustee sent is too large for entries, and comes back all the same.
    let town = lost(town, &shipping).await;
    ended_well(town.trustee(2, false));
    town.until_state("counted").await;
    town.step("publication", 200).await;
    assert_eq!(town.results().await["contests"][0]["log"]["most"]["counts"], json!([2, 0]));
    town.until_signed().await;
    let verified = town.verify_election(None);
    assert!(verified.success, "{}", verified.text);
    let board = format!("election-{}", town.election);
    let damaging = |server: rig::Server| {
        server.stop().expect("it stops");
        shipping.damage(&board);
        shipping.repair(&board);
        shipping.verify();
    };
    let town = town.come_back(&shipping.options, damaging).await;
    town.until_signed().await;
    let verified = town.verify_election(None);
    assert!(verified.success, "{}", verified.text);
    town.server.stop().expect("it stops");
}

fn blinded(seed: u64) -> Vec<u8> {
    use mixnet::Encoded;
    asking(seed).0.blinded().to_bytes()
}
