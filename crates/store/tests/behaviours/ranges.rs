//! What a scan must find, whether its rows were loaded with the batch or are asked for.

use store::{Cell, Scan, Store, Tx};

use crate::{Harbour, Night, commit, night};

/// The nights in Kiel as a command sees them.
fn nights(tx: &mut Tx<'_>) -> Vec<u64> {
    let scan = Scan { prefix: vec![Cell::Text("Kiel".into())], below: None, limit: 100 };
    tx.scan::<Night>(&scan).expect("it reads").into_iter().map(|night| night.day).collect()
}

/// Scans before and after changes of the same batch, having named the range with room for `rows_max` rows;
/// tells how many reads were not planned.
fn scan_and_change(store: &mut Store, rows_max: usize) -> u64 {
    let mut batch = store.writer.begin().expect("it begins");
    batch.keys().want_range::<Night>(Cell::Text("Kiel".into()), rows_max);
    batch.keys().want_range::<Night>(Cell::Text("Bergen".into()), rows_max);
    batch.load().expect("it loads");
    assert_eq!(nights(&mut batch.tx()), [1, 2, 3, 4, 5]);
    let mut tx = batch.tx();
    tx.put(night(9, 1));
    tx.delete(night(2, 1));
    tx.put(Night { harbour: "Bergen".to_owned(), ..night(8, 1) });
    assert_eq!(nights(&mut tx), [1, 3, 4, 5, 9]);
    batch.keep();
    assert_eq!(nights(&mut batch.tx()), [1, 3, 4, 5, 9]);
    batch.tx().delete(night(9, 1));
    batch.tx().put(night(2, 7));
    assert_eq!(nights(&mut batch.tx()), [1, 2, 3, 4, 5]);
    batch.discard();
    assert_eq!(nights(&mut batch.tx()), [1, 3, 4, 5, 9]);
    batch.unplanned_reads()
}

fn stay(harbour: &Harbour) -> Store {
    let mut store = harbour.open();
    commit(&mut store, |tx| (1..=5).for_each(|day| tx.put(night(day, 1))));
    store
}

on_both_engines! {
    fn a_range_that_was_named_is_scanned_in_memory(harbour) {
        assert_eq!(scan_and_change(&mut stay(harbour), 5), 0);
    }
}

on_both_engines! {
    fn a_range_with_more_rows_than_it_was_said_to_have_is_scanned_all_the_same(harbour) {
        assert_eq!(scan_and_change(&mut stay(harbour), 4), 5);
    }
}
