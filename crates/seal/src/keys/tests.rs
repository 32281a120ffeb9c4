//! The key file through its life: first start, damage, rotation, destruction.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use super::*;
use crate::KeyTextError;

struct Home {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Clock::manual(Timestamp::EPOCH, 1) }
    }

    fn open(&self) -> Result<Keys, KeysError> {
        Keys::open(self.folder.path(), &self.clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn person(number: u8) -> Id<Person> {
    Id::new(1, [number; 10])
}

/// Something that only the same root gives.
fn mark(keys: &Keys) -> [u8; 32] {
    *keys.derive("test", b"mark").as_bytes()
}

#[test]
fn the_first_start_makes_a_private_file_and_the_second_reads_it() {
    let home = Home::new();
    let first = home.open().unwrap();
    assert_eq!(fs::metadata(home.file()).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(home.names(), ["keys.json"]);
    let second = Keys::open(&home.file(), &home.clock).unwrap();
    assert_eq!(mark(&first), mark(&second));
    assert_eq!(first.signing().ed25519(), second.signing().ed25519());
    assert_eq!(first.signing().ml_dsa_44(), second.signing().ml_dsa_44());
}

#[test]
fn first_starts_at_the_same_time_agree() {
    let folder = tempfile::tempdir().unwrap();
    let marks: Vec<_> = std::thread::scope(|scope| {
        let start = || mark(&Keys::open(folder.path(), &Clock::System).unwrap());
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(marks.iter().all(|mark| *mark == marks[0]));
}

#[test]
fn a_file_that_others_may_touch_is_refused() {
    let home = Home::new();
    home.open().unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(home.file(), fs::Permissions::from_mode(mode)).unwrap();
        let error = home.open().unwrap_err();
        assert!(matches!(error, KeysError::OpenToOthers { mode: told, .. } if told == mode), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}

#[test]
fn a_truncated_file_is_refused_and_left_alone() {
    let home = Home::new();
    home.open().unwrap();
    let text = fs::read(home.file()).unwrap();
    for length in [0, 1, text.len() / 2, text.len() - 2] {
        fs::write(home.file(), &text[..length]).unwrap();
        let error = home.open().unwrap_err();
        let expected = KeyTextError::Truncated;
        assert!(matches!(error, KeysError::Text { error, .. } if error == expected), "{error}");
        assert_eq!(fs::read(home.file()).unwrap(), text[..length]);
    }
}

#[test]
fn a_start_that_crashed_half_way_does_not_hinder_the_next() {
    let home = Home::new();
    fs::write(home.folder.path().join("keys.json.new"), b"{\"version\": 1, ").unwrap();
    home.open().unwrap();
    assert_eq!(home.names(), ["keys.json"]);
}

#[test]
fn a_start_that_crashed_after_naming_the_file_keeps_it() {
    let home = Home::new();
    let keys = home.open().unwrap();
    fs::hard_link(home.file(), home.folder.path().join("keys.json.new")).unwrap();
    assert_eq!(mark(&home.open().unwrap()), mark(&keys));
    assert_eq!(home.names(), ["keys.json"]);
}

#[test]
fn a_folder_in_the_place_of_the_file_is_refused() {
    let home = Home::new();
    fs::create_dir(home.file()).unwrap();
    assert!(home.open().is_err());
}

#[test]
fn a_missing_folder_is_named() {
    let home = Home::new();
    let path = home.folder.path().join("nowhere/keys.json");
    let error = Keys::open(&path, &home.clock).unwrap_err();
    assert!(error.to_string().contains("nowhere/keys.json: could not open the folder"), "{error}");
}

#[test]
fn rotation_survives_a_restart_and_old_generations_still_unwrap() {
    let home = Home::new();
    let keys = home.open().unwrap();
    let key = PersonKey::generate(&home.clock);
    let old = keys.wrap(person(1), &key);
    assert_eq!(keys.rotate_wrapping().unwrap().number(), 2);
    let new = keys.wrap(person(1), &key);
    assert_eq!(crate::wrapped_under(&new).unwrap().number(), 2);
    for keys in [keys, home.open().unwrap()] {
        assert_eq!(keys.generations().len(), 2);
        for wrapped in [&old, &new] {
            assert_eq!(keys.unwrap(person(1), wrapped).unwrap().bytes(), key.bytes());
            assert_eq!(keys.unwrap(person(2), wrapped).err(), Some(UnwrapError::Refused));
        }
    }
}

#[test]
fn a_destroyed_generation_is_gone_from_memory_and_from_disk() {
    let home = Home::new();
    let keys = home.open().unwrap();
    let first = keys.generations()[0].0;
    let wrapped = keys.wrap(person(1), &PersonKey::generate(&home.clock));
    assert!(matches!(keys.destroy_wrapping(first), Err(KeysError::NewestGeneration(_))));
    keys.rotate_wrapping().unwrap();
    let old_file = fs::File::open(home.file()).unwrap();
    keys.destroy_wrapping(first).unwrap();
    assert!(matches!(keys.destroy_wrapping(first), Err(KeysError::NoSuchGeneration(_))));
    for keys in [keys, home.open().unwrap()] {
        assert_eq!(keys.unwrap(person(1), &wrapped).err(), Some(UnwrapError::NoSuchGeneration(first)));
    }
    let left = std::io::read_to_string(old_file).unwrap();
    assert!(left.bytes().all(|byte| byte == 0), "the old contents are still there");
    assert_eq!(fs::metadata(home.file()).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_number_is_never_used_again() {
    let home = Home::new();
    let keys = home.open().unwrap();
    for expected in 2..6 {
        let newest = keys.rotate_wrapping().unwrap();
        assert_eq!(newest.number(), expected);
        keys.destroy_wrapping(keys.generations()[0].0).unwrap();
        assert_eq!(keys.generations().len(), 1);
    }
}

#[test]
fn two_processes_lose_neither_rotation() {
    let home = Home::new();
    let (one, other) = (home.open().unwrap(), home.open().unwrap());
    std::thread::scope(|scope| {
        for keys in [&one, &other, &one, &other] {
            scope.spawn(move || keys.rotate_wrapping().unwrap());
        }
    });
    one.reload().unwrap();
    other.reload().unwrap();
    let numbers: Vec<_> = one.generations().iter().map(|(generation, _)| generation.number()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(one.generations(), other.generations());
}

#[test]
fn the_keys_of_another_deployment_are_not_changed() {
    let home = Home::new();
    let keys = home.open().unwrap();
    fs::remove_file(home.file()).unwrap();
    home.open().unwrap();
    assert!(matches!(keys.rotate_wrapping(), Err(KeysError::Replaced { .. })));
}

#[test]
fn generations_have_a_limit() {
    let home = Home::new();
    let keys = home.open().unwrap();
    let error = std::iter::repeat_with(|| keys.rotate_wrapping()).find_map(Result::err);
    assert!(matches!(error, Some(KeysError::TooManyGenerations)), "{error:?}");
    assert_eq!(home.open().unwrap().generations().len(), 100);
}

#[test]
fn replacing_through_a_link_leaves_no_old_keys_behind_it() {
    let home = Home::new();
    home.open().unwrap();
    let link = home.folder.path().join("link");
    std::os::unix::fs::symlink(home.file(), &link).unwrap();
    let keys = Keys::open(&link, &home.clock).unwrap();
    keys.rotate_wrapping().unwrap();
    assert_eq!(home.open().unwrap().generations().len(), 2);
}

#[test]
fn debug_shows_no_secret() {
    let home = Home::new();
    let debug = format!("{:?}", home.open().unwrap());
    assert!(debug.starts_with("Keys { file: KeyFile { path:") && debug.len() < 200, "{debug}");
}
