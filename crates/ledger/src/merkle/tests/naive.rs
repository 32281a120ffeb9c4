//! MTH, PATH, PROOF and SUBPROOF as RFC 6962, section 2.1, defines them, over hashes of leaves.

use crate::merkle::{Hash, node_hash};

/// The largest power of two that is smaller than `count`.
fn k(count: usize) -> usize {
    count.next_power_of_two() / 2
}

pub(super) fn mth(d: &[Hash]) -> Hash {
    match d {
        [] => Hash::of_empty_tree(),
        [leaf] => *leaf,
        d => node_hash(mth(&d[..k(d.len())]), mth(&d[k(d.len())..])),
    }
}

pub(super) fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
    if d.len() == 1 {
        return Vec::new();
    }
    let (left, right) = d.split_at(k(d.len()));
    if m < left.len() {
        [path(m, left), vec![mth(right)]].concat()
    } else {
        [path(m - left.len(), right), vec![mth(left)]].concat()
    }
}

pub(super) fn proof(m: usize, d: &[Hash]) -> Vec<Hash> {
    // The RFC begins at one leaf: nothing proves that a tree begins with nothing.
    if m == 0 { Vec::new() } else { subproof(m, d, true) }
}

fn subproof(m: usize, d: &[Hash], whole: bool) -> Vec<Hash> {
    if m == d.len() {
        return if whole { Vec::new() } else { vec![mth(d)] };
    }
    let (left, right) = d.split_at(k(d.len()));
    if m <= left.len() {
        [subproof(m, left, whole), vec![mth(right)]].concat()
    } else {
        [subproof(m - left.len(), right, false), vec![mth(left)]].concat()
    }
}
