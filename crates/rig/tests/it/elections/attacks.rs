//! Each way to cheat that an election is to withstand, tried on a server.

use board::{Base64, Hex, sha256};
use rig::Client;
use serde_json::{Value, json};

use super::{
    for_one, ranked,
    town::{self, Town, Voter, council},
};
use crate::{Folder, PASSWORD};

/// An election that is open, with so many voters who have tokens.
async fn opened(folder: &Folder, voters: usize) -> (Town, Vec<Voter>) {
    let town = open_for(folder, voters).await;
    let voters = town.voters(voters).await;
    (town, voters)
}

/// An election that is open for so many voters.
async fn open_for(folder: &Folder, voters: usize) -> Town {
    let mut town = Town::start(folder, &town::options("")).await;
    town.create(&council(2, 3)).await;
    town.enrol(voters).await;
    town.step("ceremony", 202).await;
    let trustees = town.trustees(3, true);
    town.until_state("ready").await;
    trustees.into_iter().for_each(town::ended_well);
    town.step("opening", 200).await;
    town
}

async fn submit(town: &Town, entry: &board::BallotEntry) -> rig::Answer {
    town.client.post("/api/v1/voting/submit", &town.body(entry)).await.expect("an answer")
}

async fn board_entries(town: &Town) -> Vec<Value> {
    let page = town.client.get(&town.public("/board/entries")).await.expect("an answer").json();
    page["entries"].as_array().expect("entries").clone()
}

async fn hash_of(town: &Town) -> Hex<32> {
    let shown = town.client.get(&town.public("")).await.expect("an answer").json();
    shown["electionHash"].as_str().expect("a hash").parse().expect("hexadecimal")
}

#[tokio::test]
async fn a_ballot_that_is_sent_again_is_the_same_one_and_does_not_undo_a_later_one() {
    let folder = Folder::new();
    let (town, voters) = opened(&folder, 1).await;
    let first = town.ballot(&voters[0], &[for_one(0), ranked([1, 2, 3])], 1).await;
    let taken = submit(&town, &first).await;
    let later = town.cast(&voters[0], &[for_one(1), ranked([1, 2, 3])]).await;
    let again = submit(&town, &first).await;
    assert_eq!(
        (again.status, again.text("tracker"), again.json()["index"].clone()),
        (201, taken.text("tracker"), taken.json()["index"].clone())
    );
    town.until_ballot(&later, "CONFIRMED").await;
    let ballots = board_entries(&town).await;
    assert_eq!(ballots.iter().filter(|entry| entry["command"] == "election/ballot").count(), 2);
}

#[tokio::test]
async fn a_ballot_that_is_kept_back_does_not_become_the_last_one_and_its_voter_sees_which_one_counts() {
    let folder = Folder::new();
    let (town, voters) = opened(&folder, 1).await;
    let kept_back = town.ballot(&voters[0], &[for_one(0), ranked([1, 2, 3])], 1).await;
    let later = town.cast(&voters[0], &[for_one(1), ranked([1, 2, 3])]).await;
    let taken = submit(&town, &kept_back).await;
    let superseded = town.until_ballot(&taken.text("tracker"), "CONFIRMED").await;
    assert_eq!(superseded["supersededBy"], later.as_str(), "{superseded}");
    let stands = town.until_ballot(&later, "CONFIRMED").await;
    assert!(stands.get("supersededBy").is_none(), "{stands}");
    // What says that it is confirmed can be checked as the vote can.
    let bytes: Base64 = serde_json::from_value(stands["verdict"]["leafBytes"].clone()).expect("bytes");
    let leaf = verifier::Leaf::read(&bytes.0).expect("a leaf");
    let verdicts: board::Verdicts = serde_json::from_slice(leaf.body).expect("verdicts");
    let index = stands["index"].as_u64().expect("a place");
    assert!((verdicts.from..verdicts.to).contains(&index) && verdicts.refused.is_empty());
    assert!(stands["verdict"]["inclusionProof"].is_array());
}

#[tokio::test]
async fn a_voter_sees_which_ballot_counts_however_many_false_ones_are_sent_in_their_name() {
    let folder = Folder::new();
    let (town, voters) = opened(&folder, 1).await;
    let first = town.cast(&voters[0], &[for_one(0), ranked([1, 2, 3])]).await;
    let later = town.cast(&voters[0], &[for_one(1), ranked([1, 2, 3])]).await;
    let mut junk = town.ballot(&voters[0], &[for_one(0), ranked([1, 2, 3])], 1).await;
    let mut last = String::new();
    for sequence in (0..120).map(|back| u32::MAX - back) {
        junk.sequence = sequence;
        let taken = submit(&town, &junk).await;
        assert_eq!(taken.status, 201, "{}", taken.text("detail"));
        last = taken.text("tracker");
    }
    town.until_ballot(&last, "REFUSED").await;
    let superseded = town.until_ballot(&first, "CONFIRMED").await;
    assert_eq!(superseded["supersededBy"], later.as_str(), "{superseded}");
}

#[tokio::test]
async fn who_takes_a_vote_signs_for_it() {
    let folder = Folder::new();
    let (town, voters) = opened(&folder, 1).await;
    let vote = town.ballot(&voters[0], &[for_one(0), ranked([1, 2, 3])], 1).await;
    let receipt = submit(&town, &vote).await;
    let shown = town.client.get(&town.public("")).await.expect("an answer").json();
    let keys = shown["board"]["keys"].as_array().expect("keys");
    let key: ledger::note::VerifierKey = keys[0].as_str().expect("a key").parse().expect("a key");
    let bytes =
        |member: &str| -> Base64 { serde_json::from_value(receipt.json()[member].clone()).expect("bytes") };
    let election = town.election.parse().expect("an identifier");
    let leaf = bytes("leafHash").0.try_into().expect("a hash");
    let statement = board::received(election, receipt.json()["index"].as_u64().expect("a place"), &leaf);
    key.key().verify(&statement, &bytes("signature").0).expect("it is signed");
    key.key()
        .verify(&board::received(election, 99, &leaf), &bytes("signature").0)
        .expect_err("it is of one place");
    let found = town.until_ballot(&receipt.text("tracker"), "CONFIRMED").await;
    assert_eq!(found["leafHash"], receipt.json()["leafHash"]);
}

#[tokio::test]
async fn who_sends_a_ballot_first_without_being_able_to_sign_it_is_not_taken_for_its_voter() {
    let folder = Folder::new();
    let (town, voters) = opened(&folder, 1).await;
    let answers = [for_one(0), ranked([1, 2, 3])];
    let honest = town.ballot(&voters[0], &answers, 1).await;
    let mut overtaking = honest.clone();
    overtaking.signature = Hex([1; 64]);
    assert_eq!(submit(&town, &overtaking).await.status, 201);
    let told = submit(&town, &honest).await;
    assert_eq!((told.status, told.problem()), (409, "elections/already-there".to_owned()));
    // Encrypted anew it is another ballot, and counts.
    let anew = town.cast(&voters[0], &answers).await;
    town.until_ballot(&anew, "CONFIRMED").await;
}

#[tokio::test]
async fn a_ballot_that_is_copied_is_refused_with_its_reason_on_the_board() {
    let folder = Folder::new();
    let (town, voters) = opened(&folder, 2).await;
    let victim = town.ballot(&voters[0], &[for_one(0), ranked([1, 2, 3])], 1).await;
    assert_eq!(submit(&town, &victim).await.status, 201);
    let mut copy = town.ballot(&voters[1], &[for_one(1), ranked([1, 2, 3])], 2).await;
    copy.ballots.clone_from(&victim.ballots);
    town::sign(&mut copy, &voters[1].keys, &hash_of(&town).await);
    let taken = submit(&town, &copy).await;
    let refused = town.until_ballot(&taken.text("tracker"), "REFUSED").await;
    assert_eq!(refused["reason"], "proof");
    let index = taken.json()["index"].clone();
    let entries = board_entries(&town).await;
    let said = entries.iter().filter(|entry| entry["command"] == "election/verdicts").any(|entry| {
        entry["body"]["refused"]
            .as_array()
            .is_some_and(|all| all.contains(&json!({"index": index, "reason": "proof"})))
    });
    assert!(said, "{entries:?}");
}

#[tokio::test]
async fn no_two_ballots_have_one_tracker_however_alike_they_are() {
    let folder = Folder::new();
    let (town, voters) = opened(&folder, 2).await;
    let mut trackers = std::collections::BTreeSet::new();
    for voter in [&voters[0], &voters[1], &voters[0]] {
        let tracker = town.cast(voter, &[for_one(0), ranked([1, 2, 3])]).await;
        let found = town.until_ballot(&tracker, "CONFIRMED").await;
        let leaf: Base64 = serde_json::from_value(found["leafBytes"].clone()).expect("bytes");
        let key = Hex(voter.public).to_string();
        let own = leaf.0.windows(key.len()).any(|window| window == key.as_bytes());
        assert!(own, "a voter was shown another's ballot");
        assert!(trackers.insert(tracker));
    }
}

#[tokio::test]
async fn a_forged_token_and_a_forged_signature_do_not_vote_and_a_second_token_is_not_given() {
    let folder = Folder::new();
    let (town, voters) = opened(&folder, 1).await;
    let hash = hash_of(&town).await;
    let honest = town.cast(&voters[0], &[for_one(0), ranked([1, 2, 3])]).await;
    town.until_ballot(&honest, "CONFIRMED").await;
    // A key of one's own with a token that nobody gave.
    let (_, keys, public) = town::asking(77);
    let forger = Voter { keys, public, token: [7; 64], weight: 1 };
    let forged = town.cast(&forger, &[for_one(1), ranked([1, 2, 3])]).await;
    assert_eq!(town.until_ballot(&forged, "REFUSED").await["reason"], "token");
    // Another's key and token, which everybody can read on the board, and a signature by somebody else.
    let mut stolen = town.ballot(&voters[0], &[for_one(1), ranked([1, 2, 3])], 5).await;
    town::sign(&mut stolen, &forger.keys, &hash);
    let taken = submit(&town, &stolen).await;
    assert_eq!(town.until_ballot(&taken.text("tracker"), "REFUSED").await["reason"], "signature");
    // The voter asks for another token.
    let person = town.person(0).await;
    let (request, ..) = town::asking(78);
    let blinded = Hex::<32>(mixnet::Encoded::to_bytes(request.blinded()).try_into().expect("32 bytes"));
    let body = json!({"electionId": town.election, "blindedInput": blinded});
    let second = person.post("/api/v1/voting/token", &body).await.expect("an answer");
    assert_eq!((second.status, second.problem()), (409, "elections/token-issued".to_owned()));
    let again = town.voter(&person, 0).await;
    assert_eq!(again.token, voters[0].token, "the same question has the same answer");
    let turnout = town.client.get(&town.public("/turnout")).await.expect("an answer").json();
    assert_eq!(turnout["issued"], 1, "{turnout}");
    let stranger = town.client.register("mallory", PASSWORD).await.expect("they register");
    assert_eq!(stranger.status, 201);
    let mallory = town.client.sign_in("mallory", PASSWORD).await.expect("they sign in");
    let refused = mallory.post("/api/v1/voting/token", &body).await.expect("an answer");
    assert_eq!((refused.status, refused.problem()), (403, "elections/not-eligible".to_owned()));
}

#[tokio::test]
async fn a_key_of_small_order_for_which_anybody_can_sign_does_not_vote() {
    /// The neutral element's encoding, and the base point's (RFC 8032).
    const NEUTRAL: [u8; 32] = {
        let mut bytes = [0; 32];
        bytes[0] = 1;
        bytes
    };
    const BASE: [u8; 32] = {
        let mut bytes = [0x66; 32];
        bytes[0] = 0x58;
        bytes
    };
    let folder = Folder::new();
    let town = open_for(&folder, 1).await;
    let person = town.person(0).await;
    let (_, keys, _) = town::asking(79);
    let request = mixnet::tokens::Request::new(&NEUTRAL, &mut town::dice(79)).expect("a request");
    let (token, weight) = town.token(&person, request).await;
    let voter = Voter { keys, public: NEUTRAL, token, weight };
    let mut ballot = town.ballot(&voter, &[for_one(1), ranked([1, 2, 3])], 79).await;
    // 1 B = B + k 0 holds for every statement.
    let signature: Vec<u8> = BASE.into_iter().chain(NEUTRAL).collect();
    ballot.signature = Hex(signature.try_into().expect("64 bytes"));
    let taken = submit(&town, &ballot).await;
    assert_eq!(town.until_ballot(&taken.text("tracker"), "REFUSED").await["reason"], "signature");
}

#[tokio::test]
async fn who_is_signed_in_when_they_vote_leaves_no_trace() {
    let folder = Folder::new();
    let (town, voters) = opened(&folder, 1).await;
    let person: Client = town.person(0).await.with_field("cookie", "session=kelp");
    let entry = town.ballot(&voters[0], &[for_one(0), ranked([1, 2, 3])], 1).await;
    let taken = person.post("/api/v1/voting/submit", &town.body(&entry)).await.expect("an answer");
    assert_eq!(taken.status, 201, "{}", taken.json());
    let found = town.until_ballot(&taken.text("tracker"), "CONFIRMED").await;
    let leaf: Base64 = serde_json::from_value(found["leafBytes"].clone()).expect("bytes");
    let leaf = String::from_utf8_lossy(&leaf.0).into_owned();
    let person_id = person.person.clone().expect("they are somebody");
    let token = person.token.clone().expect("they have a token");
    assert!(leaf.contains("service/elections") && !leaf.contains("person/"), "{leaf}");
    assert!(!leaf.contains(&person_id) && !leaf.contains(&token) && !leaf.contains("kelp"), "{leaf}");
    // Nor does the service's own ledger know of it.
    let administrator = town.server.administrator().await.expect("they sign in");
    let roles = json!({"userId": "auditor", "password": PASSWORD, "kind": "staff", "roles": ["auditor"]});
    assert_eq!(administrator.post("/api/v1/persons", &roles).await.expect("an answer").status, 201);
    let auditor = town.client.sign_in("auditor", PASSWORD).await.expect("they sign in");
    let entries = auditor.get("/ledger/elections/entries").await.expect("an answer");
    let text = String::from_utf8_lossy(&entries.bytes).into_owned();
    assert!(text.contains("elections/issue-token"), "{text}");
    let key = Hex(voters[0].public).to_string();
    assert!(!text.contains(&key), "the ledger knows the key of a voter whom it knows by name");
}

#[tokio::test]
async fn a_trustee_who_lies_is_named_and_the_count_does_without_them() {
    let folder = Folder::new();
    let (town, voters) = opened(&folder, 2).await;
    for voter in &voters {
        let tracker = town.cast(voter, &[for_one(1), ranked([1, 2, 3])]).await;
        town.until_ballot(&tracker, "CONFIRMED").await;
    }
    town.step("closing", 200).await;
    town.step("tally", 202).await;
    town.until_state("decrypting").await;
    town.until_signed().await;
    lie(&town, &folder).await;
    let named = town.officer.get(&town.path("/decryption")).await.expect("an answer").json();
    assert_eq!(named["lied"], json!([3]), "{named}");
    let trustees = town.trustees(2, false);
    town.until_state("counted").await;
    trustees.into_iter().for_each(town::ended_well);
    town.step("publication", 200).await;
    let results = town.client.get(&town.public("/results")).await.expect("an answer").json();
    assert_eq!((&results["decryptedBy"], &results["lied"]), (&json!([1, 2]), &json!([3])), "{results}");
    assert_eq!(results["contests"][0]["elected"], json!([1]));
    town.until_signed().await;
    let verified = town.verify_election(None);
    assert!(verified.success && verified.text.contains("[3] is rightly called false"), "{}", verified.text);
}

/// They send one thing after another and name none of it: what came first makes room for what comes later.
async fn fill(town: &Town, trustee: &rig::Client) {
    let things: Vec<_> = (0..5_u8).map(|number| vec![number; 100]).collect();
    for thing in &things {
        let path = town.path(&format!("/blobs/{}/parts/0", sha256(thing)));
        let sent = trustee.send(http::Method::PUT, &path, "application/octet-stream", thing.clone()).await;
        assert_eq!(sent.expect("an answer").status, 204);
    }
    let named = async |thing: &[u8]| {
        let partials: Vec<_> = (0..2).map(|list| json!({"list": list, "blob": sha256(thing)})).collect();
        let path = town.path("/decryption");
        trustee.post(&path, &json!({"partials": partials})).await.expect("an answer").problem()
    };
    assert_eq!(named(&things[0]).await, "elections/no-such-blob");
    assert_eq!(named(&things[4]).await, "elections/malformed");
}

/// The third trustee sends a part of which a bit is not as it should be.
async fn lie(town: &Town, folder: &Folder) {
    let trustee = town.client.sign_in("trustee3", PASSWORD).await.expect("they sign in");
    let saved = folder.data().with_file_name("for-a-liar");
    assert!(town.verify_election(Some(&saved)).success);
    let election = town.election.parse().expect("an identifier");
    let key_file = folder.data().with_file_name("trustee3.keys");
    let mut safe = trustee::Safe::open(&key_file, election).expect("their safe");
    let record = verifier::Record::open(&saved, None).expect("a record");
    fill(town, &trustee).await;
    let few = trustee::decrypt(&mut safe, &record, false, &mut town::dice(3)).expect_err("few voted");
    assert!(matches!(few, trustee::TrusteeError::Few { rows: 1 | 2, .. }), "{few}");
    let partials =
        trustee::decrypt(&mut safe, &record, true, &mut town::dice(3)).expect("it holds").expect("lists");
    let mut named = Vec::new();
    for (list, mut bytes) in partials.parts {
        let at = bytes.len() - 32;
        bytes[at] ^= 1;
        let hash = sha256(&bytes);
        let path = town.path(&format!("/blobs/{hash}/parts/0"));
        let sent = trustee.send(http::Method::PUT, &path, "application/octet-stream", bytes).await;
        assert_eq!(sent.expect("an answer").status, 204);
        named.push(json!({"list": list, "blob": hash}));
    }
    let path = town.path("/decryption");
    let named = json!({"partials": named});
    let taken = trustee.post(&path, &named).await.expect("an answer");
    assert_eq!(taken.status, 202, "a worker checks it");
    town.until_lied(3).await;
    let refused = trustee.post(&path, &named).await.expect("an answer");
    assert_eq!((refused.status, refused.problem()), (422, "elections/false-decryption".to_owned()));
}
