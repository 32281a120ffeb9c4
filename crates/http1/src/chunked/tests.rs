//! Chunked bodies, cut wherever the network cuts them, and those that are none.

use proptest::prelude::*;

use super::*;

/// All that is found in `bytes` when they come in `pieces`: the data, and how many bytes were used.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<u8>, usize, bool), Fault> {
    let (mut chunks, mut data, mut total) = (Chunks::default(), Vec::new(), 0);
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() && !chunks.is_done() {
            let (used, found) = chunks.read(rest)?;
            assert!(used > 0, "it makes headway");
            data.extend_from_slice(&rest[used - found..used]);
            total += used;
            rest = &rest[used..];
        }
    }
    Ok((data, total, chunks.is_done()))
}

#[track_caller]
fn takes(body: &str, expected: &str) {
    let (data, used, done) = decode([body.as_bytes()]).expect("it is fine");
    assert_eq!((String::from_utf8_lossy(&data).as_ref(), used, done), (expected, body.len(), true), "{body}");
}

#[track_caller]
fn refuses(body: impl AsRef<[u8]>) {
    let body = body.as_ref();
    assert!(decode([body]).is_err(), "{:?}", String::from_utf8_lossy(body));
}

#[test]
fn data_is_told_from_what_is_around_it() {
    takes("0\r\n\r\n", "");
    takes("3\r\nabc\r\n0\r\n\r\n", "abc");
    takes("00a\r\n0123456789\r\n1\r\n!\r\n000\r\n\r\n", "0123456789!");
    takes("A\r\n0\r\n\r\n56789\r\n0\r\n\r\n", "0\r\n\r\n56789");
}

#[test]
fn extensions_and_trailers_are_read_and_thrown_away() {
    takes("3;a=b\r\nabc\r\n0;c\r\n\r\n", "abc");
    takes("3 ; a=\"b\"\r\nabc\r\n0\r\nX: y\r\nZ: \r\n\r\n", "abc");
}

#[test]
fn a_size_is_hexadecimal_digits_and_not_too_many() {
    for size in ["", "g", "-1", "+1", "0x1", " 1", "1 ", "1 2", "1\t", "1_0", "1.0"] {
        refuses(format!("{size}\r\na\r\n0\r\n\r\n"));
    }
    refuses("0000000000000001\r\na\r\n0\r\n\r\n");
    refuses("fffffffffffffffff\r\n");
    refuses("ffffffffffffffff\r\n");
}

#[test]
fn a_line_ends_with_cr_and_lf() {
    refuses("1\na\r\n0\r\n\r\n");
    refuses("1\r\r\na\r\n0\r\n\r\n");
    refuses("1;a\nb\r\na\r\n0\r\n\r\n");
    refuses("1;a\rb\r\na\r\n0\r\n\r\n");
    refuses("1\r\na\n0\r\n\r\n");
    refuses("1\r\na0\r\n\r\n");
    refuses("1\r\nab\r\n0\r\n\r\n");
    refuses("0\r\n\n");
    refuses("0\r\nX: y\n\r\n");
    refuses("0\r\n X: y\r\n\r\n");
    refuses("0\r\nX: \0\r\n\r\n");
}

#[test]
fn what_is_not_data_is_bounded() {
    refuses(format!("1;{}\r\na\r\n0\r\n\r\n", "a".repeat(256)));
    refuses(format!("0\r\n{}\r\n", "X: y\r\n".repeat(2000)));
    refuses(format!("{}0\r\n\r\n", format!("1;{}\r\na\r\n", "a".repeat(200)).repeat(2000)));
    let tiny = "1\r\na\r\n".repeat(200_000);
    takes(&format!("{tiny}0\r\n\r\n"), &"a".repeat(200_000));
}

#[test]
fn what_follows_the_body_is_left_alone() {
    let body = b"1\r\na\r\n0\r\n\r\nGET /";
    assert_eq!(decode([body.as_slice()]), Ok((b"a".to_vec(), body.len() - 5, true)));
}

fn chunked() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6).prop_map(|chunks| {
        let mut body = Vec::new();
        for chunk in &chunks {
            body.extend_from_slice(format!("{:x};x\r\n", chunk.len()).as_bytes());
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\nX: y\r\n\r\n");
        (chunks.concat(), body)
    })
}

proptest! {
    #[test]
    fn a_body_reads_the_same_however_it_is_cut((data, body) in chunked(), size in 1_usize..20) {
        let whole = decode([body.as_slice()]);
        prop_assert_eq!(&whole, &Ok((data, body.len(), true)));
        prop_assert_eq!(&decode(body.chunks(size)), &whole);
        for cut in 0..body.len() {
            let (first, second) = body.split_at(cut);
            prop_assert_eq!(&decode([first, second]), &whole);
        }
    }

    #[test]
    fn anything_reads_the_same_however_it_is_cut(
        bytes in prop::collection::vec(prop::sample::select(b"0123aF;\r\n \tx\0".to_vec()), 0..60),
        cut in 0_usize..60,
    ) {
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        prop_assert_eq!(decode([first, second]), decode([bytes.as_slice()]));
    }
}
