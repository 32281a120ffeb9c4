//! What a request line asks for (RFC 9112, section 3.2), and which forms of it are taken.

use super::{Fault, check_authority};

/// A request target, by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A path of ours, as almost every request has it.
    Origin { path: &'a str, query: Option<&'a str> },
    /// A whole URI, as it is sent to proxies: we must take it, and its host is then the true one.
    Absolute,
    /// `*`: the server itself, which only `OPTIONS` may ask about.
    Asterisk,
}

impl<'a> Target<'a> {
    /// Tells the form of `target`.
    ///
    /// # Errors
    /// When it is none that this method may have. `CONNECT`, whose target is a host, is for proxies.
    pub fn of(method: &str, target: &'a str) -> Result<Self, Fault> {
        // A fragment never travels; whoever sends one may be understood differently by each reader.
        if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(Fault::Malformed("the request's target has letters that no URI has"));
        }
        if method == "CONNECT" {
            return Err(Fault::Malformed("this server is no proxy: it opens no tunnels"));
        }
        if target.starts_with('/') {
            let (path, query) =
                target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
            return Ok(Self::Origin { path, query });
        }
        if target == "*" && method == "OPTIONS" {
            return Ok(Self::Asterisk);
        }
        let of_scheme = |scheme: &str| {
            let (begin, rest) = target.as_bytes().split_at_checked(scheme.len())?;
            begin.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
        };
        let rest = of_scheme("http://").or_else(|| of_scheme("https://"));
        let rest = rest.ok_or(Fault::Malformed("the request's target is neither a path nor a URI"))?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        check_authority(&rest[..end])?;
        Ok(Self::Absolute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, target: &str, expected: Option<Target<'_>>) {
        assert_eq!(Target::of(method, target).ok(), expected, "{method} {target}");
    }

    #[test]
    fn a_path_may_have_a_query() {
        check("GET", "/a", Some(Target::Origin { path: "/a", query: None }));
        check("GET", "/a?b?c", Some(Target::Origin { path: "/a", query: Some("b?c") }));
        check("GET", "//a", Some(Target::Origin { path: "//a", query: None }));
    }

    #[test]
    fn a_whole_uri_is_taken_as_proxies_send_it() {
        check("GET", "http://edge/a", Some(Target::Absolute));
        check("GET", "HTTPS://edge", Some(Target::Absolute));
        check("GET", "ftp://edge/a", None);
        check("GET", "http://edge?a", Some(Target::Absolute));
        for authority in ["", "ada@edge", "edge:x", "edge:1,other.example", "edge;other", "edge%20"] {
            check("GET", &format!("http://{authority}/a"), None);
        }
    }

    #[test]
    fn only_options_may_ask_about_the_server_itself() {
        check("OPTIONS", "*", Some(Target::Asterisk));
        check("GET", "*", None);
        check("OPTIONS", "**", None);
    }

    #[test]
    fn what_is_for_proxies_or_never_travels_is_refused() {
        check("CONNECT", "edge:443", None);
        check("CONNECT", "/a", None);
        check("GET", "edge:443", None);
        check("GET", "/a#b", None);
        check("GET", "/ä", None);
        check("GET", "a", None);
    }
}
