//! Undoes disguises: percent signs, entities, escapes, forms of bytes that are too long, nulls, capitals, spaces.

use std::borrow::Cow;

/// How often what is decoded is decoded again.
pub(crate) const ROUNDS_MAX: usize = 3;

/// A value as it is looked at.
pub(crate) struct Normal<'a> {
    /// Percent-decoded, with its capitals and spaces: for tokenisers, which know of both.
    pub(crate) decoded: Cow<'a, [u8]>,
    /// Small letters, each run of spaces as one, `\n` where it had an end of a line.
    pub(crate) folded: Vec<u8>,
    /// The same without comments, if it has any.
    pub(crate) bare: Option<Vec<u8>>,
}

/// `form` takes `+` as a space.
pub(crate) fn normal(raw: &[u8], form: bool) -> Normal<'_> {
    let mut decoded = Cow::Borrowed(raw);
    if form && raw.contains(&b'+') {
        decoded.to_mut().iter_mut().filter(|byte| **byte == b'+').for_each(|byte| *byte = b' ');
    }
    for _ in 0..ROUNDS_MAX {
        let Some(once) = percent(&decoded) else { break };
        decoded = Cow::Owned(once);
    }
    let mut plain = Cow::Borrowed(&*decoded);
    for _ in 0..ROUNDS_MAX {
        let Some(once) = escapes(&plain) else { break };
        plain = Cow::Owned(once);
    }
    // Signs that hide behind two kinds of disguise.
    if let Some(once) = percent(&plain) {
        plain = Cow::Owned(once);
    }
    let folded = folded(&plain);
    let bare = without_comments(&folded);
    Normal { decoded, folded, bare }
}

fn hex(digits: &[u8]) -> Option<u32> {
    let digits = digits.iter().map(|digit| char::from(*digit).to_digit(16));
    digits.into_iter().try_fold(0_u32, |sum, digit| sum.checked_mul(16)?.checked_add(digit?))
}

/// What stands for the character in most places that read it leniently; nulls go, because they end or split words.
fn push(code: u32, out: &mut Vec<u8>) {
    match code {
        0 => {}
        // Wide forms of the same signs, which some systems narrow.
        0xff01..=0xff5e => push(code - 0xfee0, out),
        0x2215 | 0x2044 => out.push(b'/'),
        0x2216 => out.push(b'\\'),
        0x02b9 | 0x02bc | 0x2018 | 0x2019 | 0x2032 if out.is_empty() => out.push(b'\''),
        code => {
            let mut buffer = [0; 4];
            let sign = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(sign.encode_utf8(&mut buffer).as_bytes());
        }
    }
}

/// One round of `%41` and `%u0041`, overlong forms and nulls; nothing if there are none.
fn percent(raw: &[u8]) -> Option<Vec<u8>> {
    if !raw.iter().any(|byte| matches!(byte, b'%' | 0 | 0xc0 | 0xc1 | 0xe0 | 0xf0 | 0xf8 | 0xfc)) {
        return None;
    }
    let (mut out, mut at, mut changed) = (Vec::with_capacity(raw.len()), 0, false);
    while at < raw.len() {
        let rest = &raw[at..];
        let took = match rest {
            [b'%', b'u' | b'U', digits @ ..] if digits.len() >= 4 => hex(&digits[..4]).map(|code| {
                push(code, &mut out);
                6
            }),
            [b'%', high, low, ..] => hex(&[*high, *low]).map(|byte| {
                out.push(u8::try_from(byte).unwrap_or_default());
                3
            }),
            _ => None,
        };
        changed |= took.is_some();
        if took.is_none() {
            out.push(rest[0]);
        }
        at += took.unwrap_or(1);
    }
    let short = shortest(&out);
    changed |= short.is_some();
    changed.then(|| short.unwrap_or(out))
}

/// Forms of ASCII that are longer than they need to be, and nulls.
fn shortest(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.iter().any(|byte| matches!(byte, 0 | 0xc0 | 0xc1 | 0xe0 | 0xf0 | 0xf8 | 0xfc)) {
        return None;
    }
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let (byte, took) = match bytes[at..] {
            [0, ..] => (None, 1),
            // Readers that do not check what follows take these for a point and for slashes.
            [0xc0, second @ (b'.' | b'/' | b'\\'), ..] => (Some(second), 2),
            [0xc1, 0xaf, ..] => (Some(b'/'), 2),
            [first @ (0xc0 | 0xc1), second, ..] => (Some((first & 0x01) << 6 | second & 0x3f), 2),
            [0xe0, second @ 0x80..=0x81, third, ..] => (Some((second & 0x01) << 6 | third & 0x3f), 3),
            [0xf0, 0x80, third @ 0x80..=0x81, last, ..] => (Some((third & 0x01) << 6 | last & 0x3f), 4),
            [0xf8, 0x80, 0x80, fourth @ 0x80..=0x81, last, ..] => {
                (Some((fourth & 0x01) << 6 | last & 0x3f), 5)
            }
            [0xfc, 0x80, 0x80, 0x80, fifth @ 0x80..=0x81, last, ..] => {
                (Some((fifth & 0x01) << 6 | last & 0x3f), 6)
            }
            [byte, ..] => (Some(byte), 1),
            [] => (None, 1),
        };
        out.extend(byte.filter(|byte| *byte != 0));
        at += took;
    }
    (out.len() != bytes.len()).then_some(out)
}

/// Names of signs that attacks are spelled with.
const NAMED: [(&[u8], u8); 20] = [
    (b"lt;", b'<'),
    (b"gt;", b'>'),
    (b"amp;", b'&'),
    (b"quot;", b'"'),
    (b"apos;", b'\''),
    (b"colon;", b':'),
    (b"lpar;", b'('),
    (b"rpar;", b')'),
    (b"sol;", b'/'),
    (b"bsol;", b'\\'),
    (b"tab;", b'\t'),
    (b"newline;", b'\n'),
    (b"equals;", b'='),
    (b"semi;", b';'),
    (b"period;", b'.'),
    (b"comma;", b','),
    (b"grave;", b'`'),
    (b"dollar;", b'$'),
    (b"lcub;", b'{'),
    (b"rcub;", b'}'),
];

/// One round of entities (`&#60;`, `&lt;`) and escapes (`\u003c`, `\x3c`); nothing if there are none.
fn escapes(raw: &[u8]) -> Option<Vec<u8>> {
    if !raw.iter().any(|byte| matches!(byte, b'&' | b'\\')) {
        return None;
    }
    let (mut out, mut at, mut changed) = (Vec::with_capacity(raw.len()), 0, false);
    while at < raw.len() {
        let rest = &raw[at..];
        let found = match rest {
            [b'&', b'#', ..] => number(&rest[2..]).map(|(code, took)| (code, took + 2)),
            [b'&', ..] => named(&rest[1..]).map(|(byte, took)| (u32::from(byte), took + 1)),
            [b'\\', b'u', b'{', digits @ ..] => braced(digits).map(|(code, took)| (code, took + 3)),
            [b'\\', b'u' | b'U', digits @ ..] if digits.len() >= 4 => hex(&digits[..4]).map(|code| (code, 6)),
            [b'\\', b'x' | b'X', high, low, ..] => hex(&[*high, *low]).map(|code| (code, 4)),
            _ => None,
        };
        match found {
            Some((code, took)) => {
                push(code, &mut out);
                (at, changed) = (at + took, true);
            }
            None => {
                out.push(rest[0]);
                at += 1;
            }
        }
    }
    changed.then_some(out)
}

fn named(rest: &[u8]) -> Option<(u8, usize)> {
    let longest = &rest[..rest.len().min(8)];
    NAMED.iter().find_map(|(name, byte)| {
        let begins = longest.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name));
        begins.then_some((*byte, name.len()))
    })
}

/// The number of an entity, with as many noughts before it as there are in a disguise.
fn number(rest: &[u8]) -> Option<(u32, usize)> {
    let is_hex = matches!(rest.first(), Some(b'x' | b'X'));
    let start = usize::from(is_hex);
    let base = if is_hex { 16 } else { 10 };
    let digit = |byte: &u8| char::from(*byte).to_digit(base);
    let digits = rest[start..].iter().take(12).map_while(digit);
    let (count, code) = digits
        .fold((0, 0_u32), |(count, sum), digit| (count + 1, sum.saturating_mul(base).saturating_add(digit)));
    let end = start + count;
    (count > 0).then(|| (code, end + usize::from(rest.get(end) == Some(&b';'))))
}

fn braced(rest: &[u8]) -> Option<(u32, usize)> {
    let end = rest.iter().take(8).position(|byte| *byte == b'}')?;
    hex(&rest[..end]).map(|code| (code, end + 1))
}

fn folded(bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\n' | b'\r' => match out.last_mut() {
                Some(last @ (b' ' | b'\n')) => *last = b'\n',
                _ => out.push(b'\n'),
            },
            b' ' | b'\t' | 0x0b | 0x0c => {
                if !matches!(out.last(), Some(b' ' | b'\n')) {
                    out.push(b' ');
                }
            }
            byte => out.push(byte.to_ascii_lowercase()),
        }
    }
    out
}

/// `/* ... */` as a space, and the inside of `/*! ... */` as it is; nothing if there are none.
fn without_comments(bytes: &[u8]) -> Option<Vec<u8>> {
    let begins = |at: usize| bytes[at..].starts_with(b"/*");
    (0..bytes.len()).find(|at| begins(*at))?;
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        if !begins(at) {
            if !bytes[at..].starts_with(b"*/") {
                out.push(bytes[at]);
                at += 1;
            } else {
                at += 2;
            }
            continue;
        }
        out.push(b' ');
        if bytes.get(at + 2) == Some(&b'!') {
            let digits = bytes[at + 3..].iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
            at += 3 + digits;
            continue;
        }
        let inside = &bytes[at + 2..];
        let end = inside.windows(2).position(|pair| pair == b"*/");
        at = end.map_or(bytes.len(), |end| at + end + 4);
    }
    Some(folded(&out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(raw: &str, expected: &str) {
        let normal = normal(raw.as_bytes(), true);
        let seen = normal.bare.unwrap_or(normal.folded);
        assert_eq!(String::from_utf8_lossy(&seen), expected, "{raw}");
    }

    #[test]
    fn percent_signs_are_undone_three_times() {
        check("%3Cb%3E", "<b>");
        check("%253Cb%253E", "<b>");
        check("%25253Cb", "<b");
        check("%u003cB", "<b");
        check("100%", "100%");
        check("a%zz", "a%zz");
    }

    #[test]
    fn entities_and_escapes_are_undone() {
        check("&lt;x&gt;", "<x>");
        check("&#60;x", "<x");
        check("&#x0000003c;x", "<x");
        check("&amp;lt;x", "<x");
        check("\\u003cx", "<x");
        check("\\x3cx", "<x");
        check("java&Tab;script&colon;", "java script:");
        check("\\u{3c}x", "<x");
    }

    #[test]
    fn long_forms_nulls_and_wide_signs_are_what_they_stand_for() {
        check("%c0%ae%c0%ae%c0%af", "../");
        check("%e0%80%af", "/");
        check("%f8%80%80%80%ae%fc%80%80%80%80%af", "./");
        check("%c0.%c1%af%c0%5c", "./\\");
        check("sel%00ect", "select");
        check("%uff1cx", "<x");
    }

    #[test]
    fn comments_and_spaces_are_one_space() {
        check("union/**/select", "union select");
        check("union/*x*/ /*y*/select", "union select");
        check("/*!50000union*/ select", " union select");
        check("a\t\t b", "a b");
        check("a /* open", "a ");
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_at_most_as_many(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
            let normal = normal(&raw, true);
            // An entity or a byte that is none may be written with up to three.
            prop_assert!(normal.folded.len() <= raw.len() * 3);
        }

        #[test]
        fn words_stay_words(text in "[a-z0-9 ]{0,40}") {
            let seen = normal(text.as_bytes(), false);
            let expected = text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            let folded = String::from_utf8_lossy(&seen.folded).trim().to_owned();
            prop_assert_eq!(folded, expected);
        }
    }
}
