//! Who may what: every route of Holdfast, with what it answers to those who are not concerned. It stands here once: the drill goes by it
//! whatever a target says of itself, and the system tests hold the server to it.

const LIST: &str = include_str!("../lists/routes.txt");

/// A route, and what strangers get from it.
#[derive(Debug, Clone)]
pub struct Route {
    pub method: String,
    pub path: String,
    /// The status for whoever is not signed in.
    pub nobody: u16,
    /// For whoever is signed in, and not concerned.
    pub anyone: u16,
    /// For those with a role, where it is another.
    roles: Vec<(&'static str, u16)>,
}

/// Everybody who is not an administrator: a name, which is also that of their role, their kind and roles.
pub const STRANGERS: &[(&str, &str, &[&str])] = &[
    ("citizen", "citizen", &[]),
    ("staff", "staff", &[]),
    ("government", "government", &[]),
    ("service", "service", &[]),
    ("support", "staff", &["support"]),
    ("auditor", "government", &["auditor"]),
    ("operator", "staff", &["operator"]),
    ("introspector", "service", &["introspector"]),
    ("officer", "staff", &["officer"]),
];

/// An election that needs nobody else.
const POLL: &str = r#"{"title":{"en":"Tea"},"secret":false,"contests":[{"contestId":"a","title":{"en":"A"},"form":{"kind":"plurality"},"count":"most","options":[{"optionId":"a","title":{"en":"A"}}]}]}"#;

/// Bodies that each route reads before it can know whether the caller may.
const BODIES: &[(&str, &str)] = &[
    ("POST /api/v1/elections", POLL),
    ("PUT /api/v1/elections/{id}", POLL),
    ("POST /api/v1/elections/{id}/roll", r#"{"voters":[{"userId":"ada"}]}"#),
    ("POST /api/v1/elections/{id}/ceremony/{step}", r#"{"attempt":1,"bytes":""}"#),
    ("POST /api/v1/elections/{id}/decryption", r#"{"partials":[]}"#),
    ("POST /api/v1/voting/token", r#"{"electionId":"0198f1de-8b70-7c4e-9f3a-6a2b1c3d4e5f"}"#),
    (
        "POST /api/v1/voting/submit",
        r#"{"electionId":"0198f1de-8b70-7c4e-9f3a-6a2b1c3d4e5f","token":"a","selections":[]}"#,
    ),
    ("POST /api/v1/waiting-rooms/{room}/close", r#"{"reason":"sold-out"}"#),
    (
        "PUT /api/v1/persons/{person_id}/standing",
        r#"{"kind":"staff","roles":["administrator"],"disabled":false}"#,
    ),
    (
        "PUT /api/v1/persons/{person_id}/password",
        r#"{"userId":"ada","new":"a lighthouse keeper counts the waves"}"#,
    ),
    (
        "POST /api/v1/persons/{person_id}/device-keys",
        r#"{"algorithm":"Ed25519","publicKey":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    ),
];

/// A body that a route reads before it can know whether the caller may, by its method and path.
#[must_use]
pub fn body_of(route: &str) -> Option<&'static str> {
    BODIES.iter().find(|(of, _)| *of == route).map(|(_, body)| *body)
}

impl Route {
    /// One that is for nobody who is tried here.
    pub(crate) const fn guarded(method: String, path: String) -> Self {
        Self { method, path, nobody: 401, anyone: 403, roles: Vec::new() }
    }

    /// The status for somebody of this name among the strangers.
    #[must_use]
    pub fn of(&self, stranger: &str) -> u16 {
        let role = self.roles.iter().find(|(role, _)| *role == stranger);
        role.map_or(self.anyone, |(_, status)| *status)
    }

    /// May they, as far as their role goes? What is not there then is another matter.
    #[must_use]
    pub fn is_for(&self, stranger: &str) -> bool {
        self.of(stranger) < 400 || self.roles.iter().any(|(role, _)| *role == stranger)
    }

    /// Whoever is not signed in is told to sign in.
    #[must_use]
    pub const fn is_guarded(&self) -> bool {
        self.nobody == 401
    }
}

/// All of them. A line that is none is left out, which the system tests notice.
#[must_use]
pub fn routes() -> Vec<Route> {
    LIST.lines().filter(|line| !line.starts_with('#')).filter_map(read).collect()
}

fn read(line: &'static str) -> Option<Route> {
    let mut words = line.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let (nobody, anyone) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let role = |word: &'static str| {
        let (role, status) = word.split_once('=')?;
        Some((role, status.parse().ok()?))
    };
    let roles = words.map(role).collect::<Option<_>>()?;
    let (method, path) = (method.to_owned(), path.to_owned());
    Some(Route { method, path, nobody, anyone, roles })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_what_is_for_it_and_else_what_anybody_has() {
        let route = read("PUT /a/{b} 401 403 officer=404 support=200").expect("a route");
        assert_eq!([route.of("officer"), route.of("support"), route.of("citizen")], [404, 200, 403]);
        assert!(route.is_guarded() && route.is_for("officer") && !route.is_for("citizen"));
        let routes = routes();
        assert!(routes.len() > 70 && routes.iter().any(|route| !route.is_guarded()));
        let known = |role: &str| STRANGERS.iter().any(|(name, ..)| *name == role);
        assert!(routes.iter().flat_map(|route| &route.roles).all(|(role, _)| known(role)));
    }
}
