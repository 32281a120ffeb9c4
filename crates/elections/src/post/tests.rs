//! What stands on a board is what whoever verifies it expects, whatever happened at the same moment.

use authz::Actor;
use board::{
    BeginCeremony, Closed, Counted, Decrypted, Decrypting, Defined, Election, Hex, Lied, ListBlob, Manifest,
    Opened, Texts, TrusteesNamed, Void,
};
use clock::Clock;
use ids::Id;
use ledger::{Ledger, LedgerConfig, Standing, SubmitError, Times};
use seal::Keys;
use store::{Databases, Told};
use telemetry::Metrics;

use super::{Post, PostError, Rule};
use crate::{SERVICE, boards::board_schema};

/// An election's ledger, and what it is kept in.
struct Table {
    ledger: Ledger,
    election: Id<Election>,
    _folder: tempfile::TempDir,
}

impl Table {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Clock::System;
        let store = Databases::in_files(folder.path()).open("board", &board_schema()).expect("it opens");
        let ledger = Ledger::open(ledger::Opening {
            name: "board".into(),
            origin: "test/board".to_owned(),
            store,
            keys: Keys::open(&folder.path().join("keys"), &clock).expect("they are made"),
            clock: clock.clone(),
            config: LedgerConfig::default(),
            standing: Standing::LASTING,
            checkpoint_path: folder.path().join("checkpoint"),
            watchers: Vec::new(),
            told: Told::new(),
            times: Times::Minutes,
            metrics: Metrics::new(),
        });
        Self { ledger: ledger.expect("it opens"), election: clock.id(), _folder: folder }
    }

    async fn try_post<E: Rule>(&self, entry: E) -> Result<(), SubmitError<PostError>> {
        let permitted = Actor::service(SERVICE).permit(Post(entry)).expect("the service may");
        self.ledger.submit(permitted).await.map(drop)
    }

    async fn post<E: Rule>(&self, entry: E) {
        self.try_post(entry).await.expect("it is taken");
    }

    async fn begin(&self, attempt: u16) {
        let trustees = ["Court", "Press", "University"].map(str::to_owned).to_vec();
        self.post(BeginCeremony { election: self.election, attempt, threshold: 2, trustees }).await;
    }

    /// With the keys of this attempt.
    fn defined(&self, attempt: u16) -> Defined {
        let manifest = Manifest {
            protocol: board::PROTOCOL.to_owned(),
            election_id: self.election,
            title: Texts::default(),
            description: Texts::default(),
            opens_at: None,
            closes_at: None,
            secret: true,
            mixers: 1,
            contests: Vec::new(),
            trustees: Some(TrusteesNamed { threshold: 2, names: Vec::new() }),
            attempt: Some(attempt),
            keys: None,
            issuers: Vec::new(),
        };
        Defined { manifest: serde_json::to_string(&manifest).expect("it has a form") }
    }

    /// With the first two of three trustees' parts.
    async fn decrypted(&self) {
        self.begin(1).await;
        self.post(self.defined(1)).await;
        self.post(Opened {}).await;
        self.post(Closed { issued: Vec::new() }).await;
        self.post(Decrypting { lists: Vec::new() }).await;
        for trustee in [1, 2] {
            self.post(Decrypted { trustee, partials: Vec::new() }).await;
        }
    }
}

fn counted(lied: &[u16], absent: &[u16]) -> Counted {
    Counted {
        decrypted_by: vec![1, 2],
        lied: lied.to_vec(),
        absent: absent.to_vec(),
        answers: Vec::new(),
        results: Hex([0; 32]),
    }
}

#[tokio::test]
async fn a_count_that_misses_a_part_which_came_meanwhile_is_made_anew() {
    let table = Table::new();
    table.decrypted().await;
    table.post(Decrypted { trustee: 3, partials: Vec::new() }).await;
    let missed = table.try_post(counted(&[], &[3])).await;
    assert!(matches!(missed, Err(SubmitError::Refused(PostError::Outdated))), "{missed:?}");
    table.post(counted(&[], &[])).await;
}

#[tokio::test]
async fn a_count_names_whoever_lied_meanwhile() {
    let table = Table::new();
    table.decrypted().await;
    let partial = ListBlob { list: 0, blob: Hex([0; 32]) };
    table.post(Lied { trustee: 3, partial, offence: "false".to_owned() }).await;
    let missed = table.try_post(counted(&[], &[3])).await;
    assert!(matches!(missed, Err(SubmitError::Refused(PostError::Outdated))), "{missed:?}");
    table.post(counted(&[3], &[])).await;
}

#[tokio::test]
async fn the_keys_of_a_ceremony_that_was_given_up_are_not_taken() {
    let table = Table::new();
    table.begin(1).await;
    table.post(Void { attempt: 1, faults: Vec::new() }).await;
    let late = table.try_post(table.defined(1)).await;
    assert!(matches!(late, Err(SubmitError::Refused(PostError::NotNow(_)))), "{late:?}");
    table.begin(2).await;
    let late = table.try_post(table.defined(1)).await;
    assert!(matches!(late, Err(SubmitError::Refused(PostError::NotNow(_)))), "{late:?}");
    table.post(table.defined(2)).await;
}
