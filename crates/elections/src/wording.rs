//! What an election says of itself must not mislead: nothing that looks like nothing, nothing that changes the direction of
//! what stands beside it, and no two options that look alike.

use std::collections::BTreeSet;

use board::{Definition, Texts};

/// What misleads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordingError {
    #[error("`{0}` has nothing to read in it, or characters that change the direction of text")]
    Unreadable(String),
    #[error("two options of contest `{0}` have the same title")]
    Alike(String),
}

/// Embeddings, overrides and isolates (Unicode standard annex 9): with them a text can be shown as another one.
const fn turns(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Can this be read as what it is?
///
/// # Errors
/// When it cannot.
pub(crate) fn check_readable(text: &str) -> Result<(), WordingError> {
    if text.chars().any(turns) || text.chars().all(char::is_whitespace) {
        return Err(WordingError::Unreadable(text.chars().filter(|char| !turns(*char)).take(40).collect()));
    }
    Ok(())
}

/// Can all of it be read as what it is?
///
/// # Errors
/// When something in it cannot.
pub(crate) fn check_wording(definition: &Definition) -> Result<(), WordingError> {
    let contests = definition.contests.iter();
    let options = contests.clone().flat_map(|contest| contest.options.iter().map(|option| &option.title));
    let titles = contests.clone().map(|contest| &contest.title).chain(options);
    for texts in titles.chain([&definition.title, &definition.description]) {
        texts.values().try_for_each(|text| check_readable(text))?;
    }
    for contest in contests {
        let mut seen = BTreeSet::new();
        let titles = contest.options.iter().flat_map(|option: &board::Choice| said(&option.title));
        for title in titles {
            if !seen.insert(title) {
                return Err(WordingError::Alike(contest.contest_id.clone()));
            }
        }
    }
    Ok(())
}

/// Each text with its language, as it is seen: case and spaces do not tell options apart.
fn said(texts: &Texts) -> impl Iterator<Item = (&str, String)> {
    let seen = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    texts.iter().map(move |(language, text)| (language.as_str(), seen(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(titles: [&str; 2], expected: &Result<(), WordingError>) {
        let [first, second] = titles;
        let definition = serde_json::json!({"title": {"en": "A"}, "contests": [{"contestId": "a", "title": {"en": "A"},
            "form": {"kind": "plurality"}, "count": "most", "options": [
                {"optionId": "x", "title": {"en": first}}, {"optionId": "y", "title": {"en": second}}]}]});
        let definition = serde_json::from_value(definition).expect("it reads");
        assert_eq!(check_wording(&definition), *expected);
    }

    #[test]
    fn options_that_differ_are_fine_in_any_script() {
        check(["Ada", "עדה"], &Ok(()));
    }

    #[test]
    fn options_that_look_alike_are_refused() {
        check(["Ada", "ada "], &Err(WordingError::Alike("a".to_owned())));
    }

    #[test]
    fn what_cannot_be_seen_or_turns_the_text_around_is_refused() {
        check([" ", "Bob"], &Err(WordingError::Unreadable(" ".to_owned())));
        check(["Ada\u{202e}", "Bob"], &Err(WordingError::Unreadable("Ada".to_owned())));
    }
}
