//! What a log that is kept in parts must do: take rows without end, from any number of nodes.

use std::num::NonZeroU32;

use store::{Cell, DatabaseConfig, Databases, Schema, Store};

store::table! {
    /// A line of a harbour's log.
    struct Line in "lines", Replayed {
        key { number: u64 }
        salt: Vec<u8>,
    }
}

const LINES: &str = "CREATE TABLE lines (number BIGINT PRIMARY KEY, salt BYTEA NOT NULL);";

const PART_ROWS: u32 = 10;

fn open(url: &str) -> Store {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = DatabaseConfig::default();
    config.postgres.url = Some(url.parse().expect("it is a URL"));
    config.postgres.log_part_rows = NonZeroU32::new(PART_ROWS).expect("it is positive");
    let databases = Databases::new(folder.path(), &config).expect("its settings can be used");
    let schema = Schema::new().migration("harbour/0001_lines", LINES).log::<Line>("salt");
    databases.open("harbour", &schema).expect("it opens")
}

fn write(store: &mut Store, numbers: std::ops::Range<u64>) {
    store.writer.make_room(numbers.start);
    let mut batch = store.writer.begin().expect("it begins");
    numbers.for_each(|number| batch.append(Line { number, salt: vec![1] }));
    batch.flush().expect("it is sent");
    batch.commit().expect("it commits");
}

#[test]
fn a_log_grows_part_by_part_whoever_writes_it() {
    let url = peers::fresh_database().expect("there is a server");
    let (mut one, mut other) = (open(&url), open(&url));
    for turn in 0..50 {
        let store = if turn % 3 == 0 { &mut other } else { &mut one };
        write(store, turn * 7..turn * 7 + 7);
    }
    let numbers =
        one.writer.read(|snapshot| snapshot.rows::<Line>("ORDER BY number", &[])).expect("it reads");
    assert!(numbers.iter().map(|line| line.number).eq(0..350));
    assert_eq!(
        one.writer.read(|snapshot| snapshot.get::<Line>(&203)).expect("it reads").map(|line| line.number),
        Some(203)
    );
    let mut parts: Vec<(String, u64)> = Vec::new();
    let count =
        "SELECT tableoid::regclass::text, count(*) FROM lines GROUP BY 1 HAVING count(*) <= $1 ORDER BY 1";
    let counted = one.writer.read(|snapshot| {
        snapshot.query(count, &[Cell::Integer(PART_ROWS.into())], |row| {
            parts.push((row.read(0)?, row.read(1)?));
            Ok(())
        })
    });
    counted.expect("it counts");
    assert_eq!(parts.len(), 35, "{parts:?}");
    assert!(parts.contains(&("lines_from_340".to_owned(), 10)));
}

#[test]
fn readers_in_the_middle_of_a_log_do_not_keep_it_from_growing() {
    let url = peers::fresh_database().expect("there is a server");
    let (mut writer, reader) = (open(&url), open(&url));
    write(&mut writer, 0..1);
    let counted = reader.writer.read(|snapshot| {
        let before = snapshot.rows::<Line>("", &[])?.len();
        (1..20).for_each(|turn| write(&mut writer, turn * 7..turn * 7 + 7));
        Ok((before, snapshot.rows::<Line>("", &[])?.len()))
    });
    assert_eq!(counted.expect("it reads"), (1, 1));
}
