//! Requests that are none: none is served, none is answered with a failure of the target, and it serves on.

use report::Area;

use super::{is_put_off, is_refused, lines, raw};
use crate::ground::Ground;

const LIST: &str = include_str!("../../lists/malformed.txt");
const NAME: &str = "attack/malformed";
const TITLE: &str = "Requests that are malformed are refused, and nobody notices";
const TOLD_MAX: usize = 5;

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let (mut against, mut untold, mut sent) = (Vec::new(), Vec::new(), 0);
    for (number, line) in lines(LIST).enumerate() {
        let from = raw::address(ground, 100 + u8::try_from(number % 50)?);
        sent += 1;
        match raw::tried(ground, from, &unescaped(line))? {
            // No answer but the end of the connection is one too, and that something is not spoken here.
            None | Some(501 | 505) => {}
            Some(status) if is_refused(status) => {}
            Some(status) if is_put_off(status) => untold.push(format!("{line} gave {status}")),
            Some(status) => against.push(format!("{line} gave {status}")),
        }
        let health = ground.block_on(ground.client.get("/health"));
        match health.map_or(0, |answer| answer.status) {
            200 => {}
            429 if ground.local.is_none() => untold.push(format!("after {line} /health gave 429")),
            _ => against.push(format!("after {line} /health does not answer")),
        }
    }
    against.truncate(TOLD_MAX);
    let detail = format!("{sent} malformed requests");
    ground.judged_if_told((Area::Attack, NAME), TITLE, detail, against, &untold);
    Ok(())
}

/// A line of the list as bytes.
fn unescaped(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, left) = match (first, after) {
            (b'\\', [b'r', left @ ..]) => (b'\r', left),
            (b'\\', [b'n', left @ ..]) => (b'\n', left),
            (b'\\', [b'0', left @ ..]) => (0, left),
            (b'\\', [b'x', high, low, left @ ..]) => {
                let digit =
                    |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                (digit(*high).unwrap_or_default() << 4 | digit(*low).unwrap_or_default(), left)
            }
            (byte, left) => (*byte, left),
        };
        bytes.push(byte);
        rest = left;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(unescaped("a\\r\\n\\x16\\xff\\0\\q"), b"a\r\n\x16\xff\0\\q");
        assert!(lines(LIST).count() > 20);
    }
}
