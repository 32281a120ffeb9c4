//! Histories that are in order, and each way in which one is not.

use ledger::merkle::leaf_hash;
use proptest::prelude::*;

use super::*;

fn commands() -> Commands {
    Commands::of(["identity/sign-in", "identity/register-person"])
}

fn acknowledged(index: u64) -> Acknowledgement {
    Acknowledgement {
        command: u8::from(index.is_multiple_of(2)),
        at_ms: 5,
        index: Some(index),
        leaf: leaf_hash(&index.to_le_bytes()),
        subject: Uuid::from_u128(u128::from(index) + 1),
    }
}

fn entry(index: u64) -> Stands {
    Stands {
        index,
        command: commands().name(u8::from(index.is_multiple_of(2))).to_owned(),
        subject: Some(Uuid::from_u128(u128::from(index) + 1)),
        leaf: Some(leaf_hash(&index.to_le_bytes())),
    }
}

fn found(acknowledged: Vec<Acknowledgement>, entries: Vec<Stands>, alone: bool) -> Vec<Breach> {
    let checked = check(acknowledged.into_iter().map(Ok), entries.into_iter().map(Ok), &commands(), alone);
    checked.expect("both can be read").told
}

#[test]
fn a_history_that_is_in_order_has_no_breach() {
    assert_eq!(found((0..100).map(acknowledged).collect(), (0..100).map(entry).collect(), true), []);
    // Others may have written between, if others may write.
    assert_eq!(found((10..20).map(acknowledged).collect(), (5..100).map(entry).collect(), false), []);
}

#[test]
fn an_acknowledgement_that_is_not_in_the_ledger_is_lost() {
    let told = found((0..12).map(acknowledged).collect(), (0..10).map(entry).collect(), true);
    assert!(matches!(told[..], [Breach::Lost { index: 10, .. }, Breach::Lost { index: 11, .. }]), "{told:?}");
}

#[test]
fn an_entry_that_was_left_out_is_a_gap_and_a_loss() {
    let told =
        found((0..10).map(acknowledged).collect(), (0..10).filter(|at| *at != 4).map(entry).collect(), true);
    assert!(
        matches!(told[..], [Breach::Gap { after: 3, next: 5 }, Breach::Lost { index: 4, .. }]),
        "{told:?}"
    );
}

#[test]
fn examples_are_few_and_counts_are_true() {
    let history = (0..300).chain(150..200).map(acknowledged);
    let mut sorted: Vec<_> = history.collect();
    sorted.sort_by_key(|one| one.index);
    let entries = (0..100).map(entry).chain((100..200).map(|index| Stands {
        subject: None,
        leaf: None,
        ..entry(index)
    }));
    let entries = entries.map(|entry| Stands {
        command: if entry.index < 40 { "identity/sign-out".to_owned() } else { entry.command.clone() },
        ..entry
    });
    let checked =
        check(sorted.into_iter().map(Ok), entries.map(Ok), &commands(), true).expect("both can be read");
    assert_eq!(checked.told.len(), TOLD_MAX);
    assert_eq!((checked.lost, checked.altered, checked.doubled), (100, 40, 50));
    assert_eq!(checked.breaches, 190);
}

#[test]
fn every_entry_that_nobody_asked_for_counts() {
    let entries =
        (0..60).map(|index| entry(index * 2)).map(|entry| Stands { index: entry.index / 2, ..entry });
    let checked = check([], entries.map(Ok), &commands(), true).expect("both can be read");
    assert_eq!((checked.unasked, checked.told.len()), (60, 1));
}

#[test]
fn one_entry_for_two_who_were_told_that_it_is_theirs_is_doubled() {
    let told = found([3, 3].map(acknowledged).to_vec(), (0..5).map(entry).collect(), false);
    assert_eq!(told, [Breach::Doubled { index: 3 }]);
}

#[test]
fn something_else_in_its_place_is_altered() {
    let changes: [fn(&mut Stands); 3] = [
        |entry| entry.command = "identity/sign-out".to_owned(),
        |entry| entry.subject = Some(Uuid::from_u128(77)),
        |entry| entry.leaf = Some(leaf_hash(b"forged")),
    ];
    for change in changes {
        let mut entries: Vec<_> = (0..5).map(entry).collect();
        change(&mut entries[2]);
        let told = found((0..5).map(acknowledged).collect(), entries, false);
        assert!(matches!(told[..], [Breach::Altered { index: 2, .. }]), "{told:?}");
    }
}

#[test]
fn what_had_no_answer_may_stand_there_or_not_and_nothing_beyond_it_may() {
    let unknown = Acknowledgement { index: None, ..acknowledged(5) };
    let told = |entries: u64| {
        let history = (0..5).map(acknowledged).chain([unknown]).collect();
        found(history, (0..entries).map(entry).collect(), true)
    };
    assert_eq!(told(5), []);
    assert_eq!(told(6), []);
    // The command of entry 5 was asked for, that of 6 was not.
    assert!(matches!(told(7)[..], [Breach::Unasked { stand: 4, acknowledged: 3, unknown: 0, .. }]));
}

proptest! {
    #[test]
    fn sorting_in_files_is_sorting(indexes in prop::collection::vec(0_u64..1000, 0..300)) {
        let folder = tempfile::tempdir().expect("a folder");
        let half = indexes.len() / 2;
        let mut files = Vec::new();
        for (number, part) in [&indexes[..half], &indexes[half..]].iter().enumerate() {
            let path = folder.path().join(number.to_string());
            let bytes: Vec<_> = part.iter().flat_map(|index| acknowledged(*index).to_bytes()).collect();
            std::fs::write(&path, bytes).expect("it can be written");
            files.push(path);
        }
        let sorted = super::super::sort(&files).expect("they can be read");
        let sorted: Vec<_> = sorted.map(|one| one.expect("it can be read").index).collect();
        let mut expected: Vec<_> = indexes.iter().map(|index| Some(*index)).collect();
        expected.sort_unstable();
        prop_assert_eq!(sorted, expected);
    }
}
