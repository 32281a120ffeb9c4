//! The tree against the definitions of RFC 6962, word for word, and against its known answers.

use std::{cell::RefCell, collections::BTreeMap, convert::Infallible, io};

use proptest::prelude::*;

use super::*;

mod naive;

use naive::{mth, path, proof};

/// What a database that never fails answers.
type Row = Result<Option<Vec<u8>>, Infallible>;

/// Rows as a database would keep them.
#[derive(Default)]
struct Stored {
    writer: TileWriter,
    rows: BTreeMap<(u8, u64), Vec<u8>>,
}

impl Stored {
    fn of(leaves: &[Hash], run: usize) -> Self {
        let mut stored = Self::default();
        for run in leaves.chunks(run.max(1)) {
            stored.append(run);
        }
        stored
    }

    fn append(&mut self, run: &[Hash]) {
        for row in self.writer.append(run) {
            assert!(row.level > 0 || row.hashes.len() == 32 * TILE_WIDTH, "a partial tile of level 0");
            self.rows.insert((row.level, row.index), row.hashes);
        }
    }

    fn lookup(&self) -> impl Fn(u8, u64) -> Row {
        |level, index| Ok(self.rows.get(&(level, index)).cloned())
    }

    fn reader(&self) -> TileReader<'_, impl FnMut(u8, u64) -> Row> {
        TileReader::new(self.writer.size(), self.writer.newest(), self.lookup()).unwrap()
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

/// The eight leaves that Certificate Transparency's own tests use.
fn known_leaves() -> Vec<Hash> {
    let entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"];
    let last = "606162636465666768696a6b6c6d6e6f";
    entries.into_iter().chain([last]).map(|entry| leaf_hash(&hex::decode(entry).unwrap())).collect()
}

fn hex_of(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_string).collect()
}

#[test]
fn the_known_roots_of_certificate_transparency() {
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::new();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(frontier.root().to_string(), empty);
    for (leaf, root) in known_leaves().into_iter().zip(roots) {
        frontier.append(leaf);
        assert_eq!(frontier.root().to_string(), root);
    }
}

#[test]
fn the_known_proofs_of_certificate_transparency() {
    let stored = Stored::of(&known_leaves(), 8);
    let mut reader = stored.reader();
    let inclusion = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(hex_of(&reader.inclusion(5, 8).unwrap()), inclusion);
    let consistency = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(hex_of(&reader.consistency(6, 8).unwrap()), consistency);
}

#[test]
fn every_root_up_to_600_leaves_is_the_defined_one() {
    let leaves = leaves(600);
    let stored = Stored::of(&leaves, 7);
    let mut frontier = Frontier::new();
    for size in 0..=leaves.len() {
        let root = mth(&leaves[..size]);
        assert_eq!(stored.reader().root(size as u64).unwrap(), root, "size {size}");
        assert_eq!(frontier.root(), root, "size {size}");
        assert_eq!(Frontier::from_bytes(&frontier.to_bytes()), Ok(frontier.clone()));
        frontier.append(leaves[size.min(599)]);
    }
}

#[test]
fn every_proof_of_small_trees_is_the_defined_one() {
    let leaves = leaves(70);
    let stored = Stored::of(&leaves, 70);
    let mut reader = stored.reader();
    for size in 1..=leaves.len() {
        let root = mth(&leaves[..size]);
        for index in 0..size {
            let (i, n) = (index as u64, size as u64);
            let inclusion = reader.inclusion(i, n).unwrap();
            assert_eq!(inclusion, path(index, &leaves[..size]), "leaf {index} of {size}");
            assert_eq!(verify_inclusion(leaves[index], i, n, &inclusion, root), Ok(()));
            let old = index + 1;
            let consistency = reader.consistency(old as u64, n).unwrap();
            assert_eq!(consistency, proof(old, &leaves[..size]), "{old} to {size}");
            let old_root = mth(&leaves[..old]);
            assert_eq!(verify_consistency(old as u64, old_root, n, root, &consistency), Ok(()));
        }
    }
}

/// Checks proofs in a tree that was stored in runs and may have grown beyond `size` since.
fn check(leaves: &[Hash], run: usize, size: usize, index: usize, old: usize) -> Result<(), TestCaseError> {
    let stored = Stored::of(leaves, run);
    let (i, n, m) = (index as u64, size as u64, old as u64);
    let asked = RefCell::new(std::collections::BTreeSet::new());
    let lookup = |level, index| {
        asked.borrow_mut().insert(Tile { level, index });
        stored.lookup()(level, index)
    };
    let mut reader = TileReader::new(stored.writer.size(), stored.writer.newest(), lookup).unwrap();
    let inclusion = reader.inclusion(i, n).unwrap();
    prop_assert!(asked.borrow().is_subset(&tiles_for_inclusion(i, n)));
    prop_assert_eq!(&inclusion, &path(index, &leaves[..size]));
    let root = mth(&leaves[..size]);
    prop_assert_eq!(reader.root(n).unwrap(), root);
    prop_assert_eq!(verify_inclusion(leaves[index], i, n, &inclusion, root), Ok(()));
    let consistency = reader.consistency(m, n).unwrap();
    prop_assert_eq!(&consistency, &proof(old, &leaves[..size]));
    let old_root = mth(&leaves[..old]);
    prop_assert_eq!(verify_consistency(m, old_root, n, root, &consistency), Ok(()));
    refuse_tampered(leaves[index], (i, n, root), &inclusion)?;
    refuse_inconsistent((m, old_root), (n, root), &consistency)
}

/// Whatever is changed about an inclusion proof, it fails.
fn refuse_tampered(leaf: Hash, tree: (u64, u64, Hash), proof: &[Hash]) -> Result<(), TestCaseError> {
    let (index, size, root) = tree;
    for altered in altered(proof) {
        prop_assert!(verify_inclusion(leaf, index, size, &altered, root).is_err());
    }
    prop_assert!(verify_inclusion(Hash([9; 32]), index, size, proof, root).is_err());
    prop_assert!(verify_inclusion(leaf, index, size, proof, Hash([9; 32])).is_err());
    prop_assert!(verify_inclusion(leaf, size, size, proof, root).is_err());
    if size > 1 {
        prop_assert!(verify_inclusion(leaf, (index + 1) % size, size, proof, root).is_err());
    }
    Ok(())
}

/// Whatever is changed about a consistency proof, it fails.
fn refuse_inconsistent(old: (u64, Hash), new: (u64, Hash), proof: &[Hash]) -> Result<(), TestCaseError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    for altered in altered(proof) {
        prop_assert!(verify_consistency(old_size, old_root, new_size, new_root, &altered).is_err());
    }
    let other = Hash([9; 32]);
    prop_assert!(verify_consistency(old_size, other, new_size, new_root, proof).is_err());
    if old_size > 0 {
        prop_assert!(verify_consistency(old_size, old_root, new_size, other, proof).is_err());
    }
    prop_assert!(verify_consistency(new_size + 1, old_root, new_size, new_root, proof).is_err());
    Ok(())
}

/// Each hash flipped, each left out, two swapped, one too many.
fn altered(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = vec![[proof, &[Hash([7; 32])]].concat(), vec![Hash([7; 32]); PROOF_LEN_MAX + 1]];
    for at in 0..proof.len() {
        let (mut flipped, mut shorter) = (proof.to_vec(), proof.to_vec());
        flipped[at].0[at % 32] ^= 1;
        shorter.remove(at);
        all.extend([flipped, shorter]);
        if at > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(at - 1, at);
            all.push(swapped);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn trees_of_some_tiles_agree_with_the_definitions(
        (grown, size) in (1_usize..1200).prop_flat_map(|grown| (Just(grown), 1..=grown)),
        run in 1_usize..400, index: prop::sample::Index, old: prop::sample::Index,
    ) {
        check(&leaves(grown), run, size, index.index(size), old.index(size + 1))?;
    }

    #[test]
    fn a_writer_resumes_where_it_stopped(size in 0_usize..1500, more in 0_usize..700) {
        let leaves = leaves(size + more);
        let mut stored = Stored::of(&leaves[..size], 300);
        let resumed = TileWriter::resume(size as u64, stored.writer.newest(), stored.lookup()).unwrap();
        prop_assert_eq!(&resumed, &stored.writer);
        stored.writer = resumed;
        stored.append(&leaves[size..]);
        prop_assert_eq!(stored.writer.root(), mth(&leaves));
        prop_assert_eq!(&stored.rows, &Stored::of(&leaves, 1).rows);
    }

    #[test]
    fn any_proof_is_judged_calmly(
        hashes in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..70),
        index: u64, size: u64, root: [u8; 32],
    ) {
        let root = Hash(root);
        prop_assert!(verify_inclusion(root, index, size, &hashes, root).is_err() || size == 1);
        prop_assert!(verify_consistency(index, root, size, root, &hashes).is_err() || index == size);
    }

    #[test]
    fn any_frontier_is_read_calmly(bytes: Vec<u8>) {
        if let Ok(mut frontier) = Frontier::from_bytes(&bytes) {
            prop_assert_eq!(frontier.to_bytes(), bytes);
            frontier.append(Hash([0; 32]));
            let _ = frontier.root();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn trees_that_cross_a_level_of_tiles_agree_with_the_definitions(
        (grown, size) in (65_300_usize..66_200).prop_flat_map(|grown| (Just(grown), 65_000..=grown)),
        run in 100_usize..5000, index: prop::sample::Index, old: prop::sample::Index,
    ) {
        check(&leaves(grown), run, size, index.index(size), old.index(size + 1))?;
    }
}

#[test]
fn sizes_around_65536_have_the_rows_that_c2sp_has() {
    let leaves = leaves(70_000);
    let mut stored = Stored::of(&leaves[..65_535], 1000);
    let widths = |stored: &Stored, level| -> Vec<usize> {
        stored.rows.range((level, 0)..(level + 1, 0)).map(|(_, row)| row.len() / 32).collect()
    };
    assert_eq!(widths(&stored, 1), [255]);
    stored.append(&leaves[65_535..65_536]);
    assert_eq!((widths(&stored, 1), widths(&stored, 2)), (vec![256], vec![1]));
    stored.append(&leaves[65_536..]);
    // The example of tlog-tiles, but for the partial tile of level 0, which is not stored.
    assert_eq!(widths(&stored, 0), [256; 273]);
    assert_eq!((widths(&stored, 1), widths(&stored, 2)), (vec![256, 17], vec![1]));
    assert_eq!(stored.writer.newest().len(), 112);
    for (size, index, old) in [(65_536, 65_535, 65_535), (65_537, 65_536, 65_536), (70_000, 0, 256)] {
        check(&leaves, 9000, size, index, old).unwrap();
    }
}

#[test]
fn damaged_storage_is_an_error_and_not_a_panic() {
    let leaves = leaves(600);
    let stored = Stored::of(&leaves, 600);
    let newest = stored.writer.newest();
    for row in [None, Some(vec![]), Some(vec![0; 31]), Some(vec![0; 32 * 257])] {
        let mut reader = TileReader::new(600, newest, |_, _| Ok::<_, Infallible>(row.clone())).unwrap();
        assert!(matches!(reader.inclusion(0, 600), Err(TreeError::Tile { level: 0 | 1, .. })));
        let resumed = TileWriter::resume(600, newest, |_, _| Ok::<_, Infallible>(row.clone()));
        assert!(matches!(resumed, Err(TreeError::Tile { level: 1, index: 0 })));
    }
    let mut reader = TileReader::new(600, newest, |_, _| Err(io::Error::other("disk"))).unwrap();
    assert!(matches!(reader.root(600), Err(TreeError::Lookup(_))));
}

#[test]
fn what_the_tree_does_not_have_is_out_of_range() {
    let stored = Stored::of(&leaves(300), 300);
    let mut reader = stored.reader();
    assert!(matches!(reader.inclusion(300, 300), Err(TreeError::OutOfRange { size: 300 })));
    assert!(matches!(reader.inclusion(0, 301), Err(TreeError::OutOfRange { size: 300 })));
    assert!(matches!(reader.consistency(10, 301), Err(TreeError::OutOfRange { size: 300 })));
    assert!(matches!(reader.consistency(11, 10), Err(TreeError::OutOfRange { size: 300 })));
    assert!(matches!(reader.root(u64::MAX), Err(TreeError::OutOfRange { size: 300 })));
    let beyond = Node::new(8, 1).unwrap();
    assert!(matches!(reader.node(beyond), Err(TreeError::OutOfRange { size: 300 })));
    assert_eq!(Node::new(255, 0), None);
    assert_eq!(Node::new(1, u64::MAX), None);
    assert!(tiles_for_inclusion(5, u64::MAX).is_empty() && tiles_for_consistency(2, 1).is_empty());
    let newest = [Hash([0; 32]); 3];
    let wrong = TileReader::new(300, &newest, stored.lookup());
    assert!(matches!(wrong, Err(TreeError::NewestTile { given: 3, size: 300 })));
}

#[test]
fn proofs_in_the_largest_trees_stay_within_the_limit() {
    for size in [SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1] {
        for index in [0, size / 3, size - 1] {
            assert!(tiles_for_inclusion(index, size).len() <= 120);
            assert!(plan::inclusion(index, size).unwrap().len() <= 56);
            assert!(plan::consistency(index, size).unwrap().len() <= 57);
        }
    }
}
