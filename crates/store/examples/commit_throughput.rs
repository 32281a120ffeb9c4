//! Measures how fast batches become durable: `cargo run --release -p store --example commit_throughput -- FOLDER`.
#![expect(clippy::print_stdout, reason = "a measurement is for reading")]
#![expect(clippy::disallowed_methods, reason = "a measurement needs the real clock")]

use std::{path::PathBuf, time::Instant};

use store::{Databases, Schema, StoreError};

const BATCHES: u64 = 300;
const ROWS: u64 = 1000;

store::table! {
    /// A row of 200 bytes.
    struct Entry in "entries", Replayed {
        key { number: u64 }
        body: Vec<u8>,
    }
}

fn main() -> Result<(), StoreError> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("throughput-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let sql = "CREATE TABLE entries (number BIGINT PRIMARY KEY, body BYTEA NOT NULL);";
    let schema = Schema::new().migration("throughput/0001_entries", sql).table::<Entry>();
    let mut store = Databases::in_files(&folder).open("throughput", &schema)?;
    let started = Instant::now();
    for batch_number in 0..BATCHES {
        let mut batch = store.writer.begin()?;
        for row in 0..ROWS {
            let number = batch_number * ROWS + row;
            batch.tx().put(Entry { number, body: vec![number.to_le_bytes()[0]; 200] });
            batch.keep();
        }
        batch.flush()?;
        batch.commit()?;
    }
    let wrote = started.elapsed();
    let started = Instant::now();
    store.writer.fold_log()?;
    let folded = started.elapsed();
    let rate = (BATCHES * ROWS) as f64 / wrote.as_secs_f64();
    println!("{rate:.0} rows a second in {wrote:?}; folding the rest {folded:?}");
    drop(store);
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    Ok(())
}
