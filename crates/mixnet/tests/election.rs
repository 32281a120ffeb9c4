//! A whole election as an observer sees it: everything that was published, checked with public functions alone. The
//! file is for other implementations too.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use mixnet::{
    Answer, Ballot, Caster, Ceremony, Contest, Dealing, Encoded, Generators, Group, Mix, Opening,
    PartialDecryption, Polling, Quorum, Ristretto, Rows, SealedOpening, ShuffleError, ShuffleProof,
    TrusteeKeys, combine, verify_all,
};
use serde::Deserialize;

const ELECTION: &str = include_str!("../vectors/election.json");

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Election {
    ceremony: CeremonyRecord,
    election: String,
    contest_number: u32,
    contest: Contest,
    ballots: Vec<BallotRecord>,
    generators: String,
    mixes: Vec<MixRecord>,
    decryption: DecryptionRecord,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CeremonyRecord {
    context: String,
    threshold: u16,
    transport_keys: Vec<String>,
    sealed: Vec<String>,
    openings: Vec<String>,
    dealings: Vec<String>,
    keys: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BallotRecord {
    voter: String,
    token: String,
    ballot: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MixRecord {
    context: String,
    output: String,
    proof: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecryptionRecord {
    context: String,
    partials: Vec<String>,
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn read<T: Encoded>(text: &str) -> T {
    let value = T::from_bytes(&bytes(text)).unwrap();
    assert_eq!(hex::encode(value.to_bytes()), text);
    value
}

impl Election {
    fn keys(&self) -> TrusteeKeys<Ristretto> {
        let record = &self.ceremony;
        let transports: Vec<_> =
            record.transport_keys.iter().map(|key| Ristretto::decode_element(&bytes(key)).unwrap()).collect();
        let trustees = u16::try_from(transports.len()).unwrap();
        let quorum = Quorum::new(record.threshold, trustees).unwrap();
        let ceremony = Ceremony::new(&bytes(&record.context), quorum, transports).unwrap();
        let sealed: Vec<_> = record
            .sealed
            .iter()
            .map(|sealed| SealedOpening::from_bytes(bytes(sealed).try_into().unwrap()))
            .collect();
        let openings: Vec<Opening<_>> = record.openings.iter().map(|opening| read(opening)).collect();
        let dealings: Vec<Dealing<_>> = record.dealings.iter().map(|dealing| read(dealing)).collect();
        let openings = ceremony.check_openings(&sealed, openings).unwrap();
        ceremony.check_dealings(dealings).unwrap();
        let keys = ceremony.conclude(&openings).unwrap();
        assert_eq!(hex::encode(keys.to_bytes()), record.keys);
        keys
    }

    fn polling(&self, keys: &TrusteeKeys<Ristretto>, contest: u32) -> Polling<Ristretto> {
        let election = bytes(&self.election).try_into().unwrap();
        Polling::new(&election, contest, self.contest.width(), *keys.key())
    }

    /// The rows that go into the first mix, once all ballots are found to hold.
    fn cast(&self, keys: &TrusteeKeys<Ristretto>) -> Rows<Ristretto> {
        let polling = self.polling(keys, self.contest_number);
        let casters: Vec<_> =
            self.ballots.iter().map(|ballot| (bytes(&ballot.voter), bytes(&ballot.token))).collect();
        let ballots: Vec<Ballot<_>> = self.ballots.iter().map(|ballot| read(&ballot.ballot)).collect();
        let batch: Vec<_> = casters
            .iter()
            .zip(&ballots)
            .map(|((voter, token), ballot)| (&polling, Caster { voter, token }, ballot))
            .collect();
        assert_eq!(verify_all(&batch), []);
        let elsewhere = self.polling(keys, self.contest_number + 1);
        let moved: Vec<_> = batch.iter().map(|(_, caster, ballot)| (&elsewhere, *caster, *ballot)).collect();
        assert_eq!(verify_all(&moved).len(), ballots.len());
        Rows::new(&ballots.iter().map(|ballot| ballot.row().clone()).collect::<Vec<_>>()).unwrap()
    }
}

#[test]
fn everything_that_an_election_publishes_is_checked_by_a_stranger() {
    let election: Election = serde_json::from_str(ELECTION).unwrap();
    let keys = election.keys();
    let mut rows = election.cast(&keys);
    let generators = Generators::derive(&bytes(&election.generators), rows.len());
    for MixRecord { context, output, proof } in &election.mixes {
        let (output, proof): (Rows<_>, ShuffleProof<_>) = (read(output), read(proof));
        let context = bytes(context);
        let mix = Mix { context: &context, key: keys.key(), generators: &generators, input: &rows };
        assert_eq!(mix.verify(&output, &proof), Ok(()));
        let elsewhere = Mix { context: b"elsewhere", ..mix };
        assert_eq!(elsewhere.verify(&output, &proof), Err(ShuffleError::Proof));
        rows = output;
    }
    let DecryptionRecord { context, partials } = &election.decryption;
    let partials: Vec<PartialDecryption<_>> = partials.iter().map(|partial| read(partial)).collect();
    let combined = combine(&keys, &bytes(context), &rows, &partials).unwrap();
    assert_eq!((combined.faults.len(), combined.missing), (0, vec![2]));
    let answers = combined.messages.iter().map(|row| election.contest.extract::<Ristretto>(row).unwrap());
    let mut answers: Vec<_> = answers.collect();
    answers.sort();
    assert_eq!(answers, election.answers);
}
