//! The courses that an election can take: by itself at its times, with voters of different weight, and with a trustee who
//! breaks the ceremony.

use std::time::Duration;

use clock::{Clock, Timestamp};
use mixnet::{Ceremony, Encoded, Group, Quorum, Ristretto, TransportKey};
use rig::Client;
use serde_json::{Value, json};

use super::{
    for_one, ranked,
    town::{self, Town, council},
};
use crate::{Folder, PASSWORD};

fn in_seconds(seconds: u64) -> String {
    Timestamp::from_millis(Clock::System.now().millis() + seconds * 1000).to_string()
}

pub(super) fn poll() -> Value {
    let option = |id: &str| json!({"optionId": id, "title": {"en": id}});
    json!({
        "title": {"en": "Tea or coffee"}, "secret": false,
        "contests": [{"contestId": "drink", "title": {"en": "Drink"}, "form": {"kind": "plurality"}, "count": "most",
            "options": [option("tea"), option("coffee")]}],
    })
}

/// Votes in a poll, if the election takes votes.
pub(super) async fn vote(town: &Town, person: &Client, option: &str) -> rig::Answer {
    let body = json!({"electionId": town.election});
    let token = person.post("/api/v1/voting/token", &body).await.expect("an answer").text("token");
    let selections = json!([{"contestId": "drink", "optionId": option}]);
    let body = json!({"electionId": town.election, "token": token, "selections": selections});
    town.client.post("/api/v1/voting/submit", &body).await.expect("an answer")
}

#[tokio::test]
async fn an_election_opens_and_closes_by_itself_at_its_times() {
    let folder = Folder::new();
    let mut town = Town::start(&folder, &town::options("")).await;
    let (early, late) = (town.person(0).await, town.person(1).await);
    let mut definition = poll();
    definition["opensAt"] = in_seconds(3).into();
    definition["closesAt"] = in_seconds(20).into();
    town.create(&definition).await;
    town.enrol(2).await;
    town.step("ceremony", 202).await;
    town.until_state("ready").await;
    // Tokens are given from now on, so that their time tells nothing of a vote's; votes are not taken yet.
    let refused = vote(&town, &early, "coffee").await;
    assert_eq!((refused.status, refused.problem()), (409, "elections/not-open".to_owned()));
    town.until_state("open").await;
    let taken = vote(&town, &early, "tea").await;
    assert_eq!(taken.status, 201, "{}", taken.json());
    town.until_state("closed").await;
    assert_eq!(vote(&town, &late, "coffee").await.status, 409);
    town.step("tally", 202).await;
    town.until_state("counted").await;
    town.step("publication", 200).await;
    assert_eq!(town.results().await["contests"][0]["log"]["most"]["counts"], json!([1, 0]));
    town.server.stop().expect("it stops");
}

#[tokio::test]
async fn a_vote_counts_as_often_as_its_voter_weighs_and_nobody_can_claim_more() {
    let folder = Folder::new();
    let mut town = Town::start(&folder, &town::options("")).await;
    let mut definition = council(2, 3);
    definition["weights"] = json!([1, 5]);
    town.create(&definition).await;
    let roll =
        json!({"voters": [{"userId": "voter0"}, {"userId": "voter1"}, {"userId": "voter2", "weight": 5}]});
    let added = town.officer.post(&town.path("/roll"), &roll).await.expect("an answer");
    assert_eq!(added.status, 200, "{}", added.json());
    town.step("ceremony", 202).await;
    let trustees = town.trustees(3, true);
    town.until_state("ready").await;
    trustees.into_iter().for_each(town::ended_well);
    town.step("opening", 200).await;
    let mut voters = town.voters(3).await;
    assert_eq!(voters.iter().map(|voter| voter.weight).collect::<Vec<_>>(), [1, 1, 5]);
    let mut trackers = Vec::new();
    for (voter, place) in voters.iter().zip([0, 0, 1]) {
        trackers.push(town.cast(voter, &[for_one(place), ranked([1, 2, 3])]).await);
    }
    for tracker in trackers {
        town.until_ballot(&tracker, "CONFIRMED").await;
    }
    // A token for one weight is none for another.
    voters[0].weight = 5;
    let claimed = town.cast(&voters[0], &[for_one(0), ranked([1, 2, 3])]).await;
    town.until_ballot(&claimed, "REFUSED").await;
    // Tokens that nobody gave, and more than one from the same key.
    let (_, keys, public) = town::asking(77);
    let stranger = town::Voter { keys, public, token: [7; 64], weight: 1 };
    for _ in 0..2 {
        let made_up = town.cast(&stranger, &[for_one(0), ranked([1, 2, 3])]).await;
        assert_eq!(town.until_ballot(&made_up, "REFUSED").await["reason"], "token");
    }
    town.step("closing", 200).await;
    town.step("tally", 202).await;
    town.until_state("decrypting").await;
    let trustees = [town.trustee(2, false), town.trustee(3, false)];
    town.until_state("counted").await;
    trustees.into_iter().for_each(town::ended_well);
    town.step("publication", 200).await;
    let results = town.results().await;
    assert_eq!(results["contests"][0]["log"]["most"]["counts"], json!([2, 5]), "{results}");
    let entries = town.client.get(&town.public("/board/entries")).await.expect("an answer").json();
    let proven = entries["entries"].as_array().expect("entries").iter();
    let proven = proven.filter(|entry| entry["command"] == "election/refused-tokens");
    let proven: Vec<_> = proven.map(|entry| (&entry["body"]["weight"], &entry["body"]["tokens"])).collect();
    assert_eq!(proven, [(&json!(1), &json!(2)), (&json!(5), &json!(1))]);
    town.until_signed().await;
    let verified = town.verify_election(None);
    assert!(verified.success, "{}", verified.text);
    town.server.stop().expect("it stops");
}

#[tokio::test]
async fn a_roll_that_weighs_more_than_can_be_counted_is_refused() {
    let folder = Folder::new();
    let mut town = Town::start(&folder, &town::options("")).await;
    let mut definition = poll();
    definition["weights"] = json!([1_000_000]);
    town.create(&definition).await;
    let page = |page: u32| {
        let voters: Vec<_> =
            (0..2_000).map(|each| json!({"userId": format!("voter{}", page * 2_000 + each)})).collect();
        json!({ "voters": voters })
    };
    let path = town.path("/roll");
    for number in 0..4 {
        let added = town.officer.post(&path, &page(number)).await.expect("an answer");
        assert_eq!(added.status, 200, "{}", added.json());
    }
    let refused = town.officer.post(&path, &page(4)).await.expect("an answer");
    assert_eq!((refused.status, refused.problem()), (422, "elections/roll-too-heavy".to_owned()));
    town.server.stop().expect("it stops");
}

/// The third trustee says something, once it is their turn.
async fn say(town: &Town, trustee: &Client, step: &str, bytes: &[u8]) {
    for _ in 0..1200 {
        let view = trustee.get(&town.path("/ceremony")).await.expect("an answer").json();
        if view["step"] == step {
            let path = town.path(&format!("/ceremony/{step}"));
            let body = json!({"attempt": view["attempt"], "bytes": board::Base64(bytes.to_vec())});
            let said = trustee.post(&path, &body).await.expect("an answer");
            assert!(said.status < 300, "{}", said.json());
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came to {step}");
}

#[tokio::test]
async fn a_trustee_who_opens_something_else_than_they_sealed_is_named_and_another_attempt_makes_a_key() {
    let folder = Folder::new();
    let mut town = Town::start(&folder, &town::options("")).await;
    town.create(&council(2, 3)).await;
    town.enrol(1).await;
    town.step("ceremony", 202).await;
    let honest = town.trustees(2, true);
    let liar = town.client.sign_in("trustee3", PASSWORD).await.expect("they sign in");
    let keys = [1, 2, 3].map(|seed| *TransportKey::<Ristretto>::random(&mut town::dice(seed)).public());
    let mut encoded = Vec::new();
    Ristretto::encode_element(&keys[2], &mut encoded);
    let quorum = Quorum::new(2, 3).expect("two of three");
    let ceremony = Ceremony::<Ristretto>::new(b"another", quorum, keys.to_vec()).expect("a ceremony");
    let (_, sealed) = ceremony.begin(3, &mut town::dice(4));
    let (other, _) = ceremony.begin(3, &mut town::dice(5));
    say(&town, &liar, "transport-key", &encoded).await;
    say(&town, &liar, "sealed-opening", sealed.as_bytes()).await;
    say(&town, &liar, "opening", &other.open().to_bytes()).await;
    let view = async || town.officer.get(&town.path("/ceremony")).await.expect("an answer").json();
    let mut seen = view().await;
    for _ in 0..1200 {
        // That it is void is seen a moment before the board says who is to blame.
        if seen["step"] == "void" && !seen["faults"][0].is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        seen = view().await;
    }
    assert_eq!((&seen["step"], &seen["faults"][0]["trustee"]), (&json!("void"), &json!(3)), "{seen}");
    // The officers begin anew, and this time all three are honest.
    town.step("ceremony", 202).await;
    let third = town.trustee(3, true);
    town.until_state("ready").await;
    let shown = town.client.get(&town.public("")).await.expect("an answer");
    let hash = shown.text("electionHash");
    honest.into_iter().chain([third]).for_each(|trustee| town::confirmed(trustee, &hash));
    town.server.stop().expect("it stops");
}
