//! Settings as they may be shown: URLs without what lets whoever has them in.

use toml::Value;

/// What stands for what is not shown.
const HIDDEN: &str = "…";
/// What ends a URL in a text.
const ENDS: [char; 8] = [' ', '\n', '\t', '"', '\'', '`', '<', '>'];

/// Text in which no URL has a user, a password or a query.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        // A password may hold anything, also what would end it in a URL that is written well.
        let line = after.split('\n').next().and_then(|line| line.split("://").next()).unwrap_or_default();
        let host = line.rfind('@').unwrap_or(0);
        let (url, behind) = after.split_at(after[host..].find(ENDS).map_or(after.len(), |end| host + end));
        shown.extend([before, "://"]);
        let url = match url.rsplit_once('@') {
            Some((user, _)) if user.contains('?') => HIDDEN,
            Some((_, url)) => {
                shown.extend([HIDDEN, "@"]);
                url
            }
            None => url,
        };
        match url.split_once('?') {
            Some((url, _)) => shown.extend([url, "?", HIDDEN]),
            None => shown.push_str(url),
        }
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

/// The same of a URL whose path lets in too, as those of chats do.
#[must_use]
pub fn origin(url: &str) -> String {
    let shown = shown(url);
    let path = shown.find("://").and_then(|scheme| Some(scheme + 3 + shown[scheme + 3..].find('/')?));
    path.map_or(shown.clone(), |path| format!("{}/{HIDDEN}", &shown[..path]))
}

/// The same of all texts in a setting.
pub fn show(value: &mut Value, text: fn(&str) -> String) {
    match value {
        Value::String(said) => *said = text(said),
        Value::Array(values) => values.iter_mut().for_each(|value| show(value, text)),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| show(value, text)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// Why a text is no settings: where and what, without the value, which may be a password.
#[must_use]
pub fn refused(text: &str, error: &toml::de::Error) -> String {
    let said = shown(error.message());
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return said;
    };
    let number = before.matches('\n').count();
    let is_key = |key: &&str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let key = text.lines().nth(number).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
    let key = key.filter(is_key).map_or_else(String::new, |key| format!(" (`{key}`)"));
    format!("line {}{key}: {said}", number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_lets_in_is_shown() {
        for (url, expected) in [
            ("redis://user:s3cret@cache:6379/3", "redis://…@cache:6379/3"),
            ("https://a:b@c@host/v1/traces?api-key=s3cret#x", "https://…@host/v1/traces?…"),
            ("postgres://one,two/db", "postgres://one,two/db"),
            (
                "invalid type: string \"redis://:s3cret@a\", expected `b://c:d@e`",
                "invalid type: string \"redis://…@a\", expected `b://…@e`",
            ),
            ("redis://user:s3/cr#et@cache/3", "redis://…@cache/3"),
            ("redis://user:s3?cret@cache/3", "redis://…"),
            ("redis://:s3'cr et@cache/3", "redis://…@cache/3"),
            ("`redis://:s3\"cret@cache/3` of redis://a", "`redis://…@cache/3` of redis://a"),
            ("https://host/v1?to=a@b&key=s3cret", "https://…"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(shown(url), expected);
        }
        assert_eq!(origin("https://hooks.example/services/T/B/s3cret"), "https://hooks.example/…");
        assert_eq!(origin("https://hooks.example?token=s3cret"), "https://hooks.example?…");
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[serde(rename = "redis")]
        _redis: Redis,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Redis {
        #[serde(rename = "urls")]
        _urls: Vec<String>,
    }

    #[test]
    fn what_is_wrong_is_told_without_its_line() {
        let text = "[redis]\nurlz = [\"redis://user:s3cret@a\"]\n";
        let error = toml::from_str::<Settings>(text).expect_err("it is called urls");
        let told = refused(text, &error);
        assert!(told.starts_with("line 2 (`urlz`): unknown field") && !told.contains("s3cret"), "{told}");
    }
}
