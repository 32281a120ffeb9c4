//! Rust source as the rules see it: code without what stands in comments and strings, and the strings.

use std::ops::Range;

/// A file of Rust.
#[derive(Debug)]
pub(crate) struct Source {
    /// The text with every byte of comments and of strings' contents replaced by a space; lines and
    /// offsets stay what they were.
    pub(crate) code: String,
    pub(crate) strings: Vec<Literal>,
    /// Items under `#[cfg(test)]`.
    tests: Vec<Range<usize>>,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// A string in the source, as it is written there.
#[derive(Debug)]
pub(crate) struct Literal {
    /// Where its opening quote is.
    pub(crate) at: usize,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn parse(text: &str) -> Self {
        let mut scan =
            Scan { bytes: text.as_bytes(), at: 0, code: text.as_bytes().to_vec(), strings: Vec::new() };
        scan.run(text);
        let code = String::from_utf8_lossy(&scan.code).into_owned();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let tests = test_items(&code);
        Self { code, strings: scan.strings, tests, lines }
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|&begins| begins <= at)
    }

    pub(crate) fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|item| item.contains(&at))
    }

    /// Where a word stands in the code, alone: not as a part of a longer name.
    pub(crate) fn word<'s>(&'s self, word: &'s str) -> impl Iterator<Item = usize> + 's {
        let of_a_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let bytes = self.code.as_bytes();
        self.code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
            let before = at.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(of_a_name);
            !before && !bytes.get(at + word.len()).is_some_and(of_a_name)
        })
    }

    /// The string whose quote is at an offset, or after blanks there.
    pub(crate) fn string_at(&self, at: usize) -> Option<&Literal> {
        let blanks = self.code.get(at..)?.len() - self.code.get(at..)?.trim_start().len();
        self.strings.iter().find(|literal| literal.at == at + blanks)
    }
}

struct Scan<'t> {
    bytes: &'t [u8],
    at: usize,
    code: Vec<u8>,
    strings: Vec<Literal>,
}

impl Scan<'_> {
    fn run(&mut self, text: &str) {
        while self.at < self.bytes.len() {
            let rest = &self.bytes[self.at..];
            match rest {
                [b'/', b'/', ..] => self.blank_to(self.at, self.end_of_line()),
                [b'/', b'*', ..] => self.blank_to(self.at, self.end_of_comment()),
                [b'"', ..] => self.string(text),
                [b'r', b'"' | b'#', ..] if !self.within_a_name() => self.raw_string(text),
                [b'\'', ..] => self.quote(text),
                _ => self.at += 1,
            }
        }
    }

    /// `r` is the end of `br` and `cr` too.
    fn within_a_name(&self) -> bool {
        let name =
            |at: usize| self.bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let Some(before) = self.at.checked_sub(1) else { return false };
        let prefix = matches!(self.bytes[before], b'b' | b'c') && !before.checked_sub(1).is_some_and(name);
        name(before) && !prefix
    }

    fn blank_to(&mut self, from: usize, to: usize) {
        let to = to.min(self.bytes.len());
        for byte in &mut self.code[from..to] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        self.at = to;
    }

    fn end_of_line(&self) -> usize {
        let length = self.bytes[self.at..].iter().position(|&byte| byte == b'\n');
        length.map_or(self.bytes.len(), |length| self.at + length)
    }

    fn end_of_comment(&self) -> usize {
        let (mut at, mut depth) = (self.at, 0_u32);
        while at < self.bytes.len() {
            match &self.bytes[at..] {
                [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
                [b'*', b'/', ..] if depth == 1 => return at + 2,
                [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
                _ => at += 1,
            }
        }
        at
    }

    fn string(&mut self, text: &str) {
        let mut end = self.at + 1;
        while end < self.bytes.len() && self.bytes[end] != b'"' {
            end += if self.bytes[end] == b'\\' { 2 } else { 1 };
        }
        self.keep(self.at, self.at + 1, end, end + 1, text);
    }

    fn raw_string(&mut self, text: &str) {
        let hashes = self.bytes[self.at + 1..].iter().take_while(|&&byte| byte == b'#').count();
        let quote = self.at + 1 + hashes;
        if self.bytes.get(quote) != Some(&b'"') {
            // A raw name, such as r#type.
            self.at += 1;
            return;
        }
        let closing = format!("\"{}", "#".repeat(hashes));
        let length = text.get(quote + 1..).and_then(|rest| rest.find(&closing));
        let end = length.map_or(self.bytes.len(), |length| quote + 1 + length);
        self.keep(quote, quote + 1, end, end + closing.len(), text);
    }

    /// Keeps the string between two offsets and blanks it.
    fn keep(&mut self, quote: usize, from: usize, to: usize, after: usize, text: &str) {
        let to = to.min(self.bytes.len());
        self.strings.push(Literal { at: quote, text: text.get(from..to).unwrap_or_default().to_owned() });
        self.blank_to(from, to);
        self.at = after.min(self.bytes.len());
    }

    /// A character, or a lifetime.
    fn quote(&mut self, text: &str) {
        let from = self.at + 1;
        let mut end = from;
        if self.bytes.get(from) == Some(&b'\\') {
            end += 2;
            while end < self.bytes.len() && self.bytes[end] != b'\'' {
                end += 1;
            }
        } else {
            end += text.get(from..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        }
        if self.bytes.get(end) == Some(&b'\'') {
            self.blank_to(from, end);
            self.at = end + 1;
        } else {
            self.at = from;
        }
    }
}

/// The items under `#[cfg(test)]`, each to its closing brace or semicolon.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let item = |(at, _): (usize, &str)| {
        let length = code[at..].find(['{', ';']).unwrap_or(code.len() - at);
        let opening = at + length;
        if code.as_bytes().get(opening) == Some(&b'{') {
            at..end_of_block(code, opening)
        } else {
            at..opening
        }
    };
    code.match_indices("#[cfg(test)]").map(item).collect()
}

/// Behind the brace that closes the one at `opening`.
pub(crate) fn end_of_block(code: &str, opening: usize) -> usize {
    let mut depth = 0_u32;
    for (at, byte) in code.bytes().enumerate().skip(opening) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::parse(text).code
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        assert!(!code("//! axum\n/* axum /* axum */ axum */ let a = \"axum \\\" axum\";").contains("axum"));
        assert!(!code("let a = r#\"axum \" axum\"#; let b = br\"axum\"; let c = 'x';").contains("axum"));
    }

    #[test]
    fn code_after_them_is_code() {
        for text in
            ["/* */ axum", "\"\\\\\" axum", "r#\"\"\"# axum", "'\\'' axum", "'\"' axum", "fn f<'a>() axum"]
        {
            assert!(code(text).ends_with("axum"), "{text}");
        }
        assert!(code("let r#type = for_r\"x\"; axum").contains("axum"));
    }

    #[test]
    fn strings_are_kept_with_their_lines() {
        let source = Source::parse("let a =\n    r#\"one\"#;\nlet b = \"zwei ü\";");
        let found: Vec<_> =
            source.strings.iter().map(|literal| (source.line(literal.at), literal.text.as_str())).collect();
        assert_eq!(found, [(2, "one"), (3, "zwei ü")]);
    }

    #[test]
    fn tests_are_known_to_be_tests() {
        let source = Source::parse("fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c() } }\nfn d() {}");
        let at = |word| source.word(word).next().expect("it is there");
        assert!(source.is_test(at("c")));
        assert!(!source.is_test(at("a")) && !source.is_test(at("d")));
    }

    #[test]
    fn a_word_is_not_a_part_of_a_name() {
        assert_eq!(Source::parse("axum_core maxum axum::Router").word("axum").count(), 1);
    }
}
