//! Every route that the target describes, tried by those who may not.

use http::Method;
use serde_json::{Value, json};

use report::{Area, Outcome};

use super::{answered, is_put_off, is_refused};
use crate::{
    client::{Client, expect},
    ground::{Ground, PASSWORD, citizen, device, sign_in, sign_in_device},
    routes::{self, Route, STRANGERS, body_of},
};

const NAME: &str = "attack/privileges";
const TITLE: &str = "Every route refuses those who may not";
/// Of what a stranger is refused for its form nobody knows whether they may.
const UNREAD: (&str, &str) =
    ("attack/privileges-unread", "A stranger is refused for who they are before anything else is looked at");
const TOLD_MAX: usize = 8;
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const ROLES: (&str, &str) = ("attack/privileges-roles", "No role opens what is for another");
const UNTRIED: (&str, &str) =
    ("attack/privileges-untried", "Every route that the target describes was tried");

/// A route as it is tried.
struct Tried {
    route: Route,
    /// A body that it takes, by the target's own example.
    body: Option<Value>,
}

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let described = ground.block_on(ground.client.get("/openapi.json"));
    let described = described.ok().filter(|answer| answer.status == 200).map(|answer| answer.json());
    let (routes, untried) = routes_of(&described.unwrap_or_default());
    if !untried.is_empty() {
        let why = format!("nobody knows whom these are for: {}", untried.join("; "));
        ground.skipped(Area::Attack, UNTRIED.0, UNTRIED.1, why);
    }
    // Somebody of whom nothing else is wanted: what a target lets strangers do is done to them.
    let victim = ground.block_on(citizen(&ground.client, &ground.name("victim")))?.id;
    strangers(ground, &routes, &victim)?;
    roles(ground, &routes, &victim)
}

/// Nobody, a false token, and somebody of no role.
fn strangers(ground: &mut Ground, routes: &[Tried], victim: &str) -> anyhow::Result<()> {
    let name = ground.name("stranger");
    let stranger = ground.block_on(device(&ground.client, &name))?;
    let token = ground.block_on(sign_in_device(&ground.client, &stranger))?.text("/token");
    let nobody = ground.client.without_keeper();
    let callers = [
        ("nobody", nobody.clone()),
        ("a token that is none", nobody.with_token("drill-no-such-token")),
        ("a stranger", nobody.with_token(&token)),
    ];
    let mut found = Found::default();
    for (who, caller) in &callers {
        for tried in routes {
            let (may, expected) = match *who {
                "a stranger" => (tried.route.is_for("citizen"), tried.route.anyone),
                _ => (false, tried.route.nobody),
            };
            if !may {
                let status = ground.block_on(ask(caller, tried, victim))?;
                found.take(who, &tried.route, expected, status);
            }
        }
    }
    let detail = format!(
        "{} guarded routes, whatever the target says of them, were tried by nobody, with a false token, and by a stranger",
        routes.len()
    );
    let unread = beginning(&found.unread, "a stranger got ");
    if !unread.is_empty() {
        ground.skipped(Area::Attack, UNREAD.0, UNREAD.1, format!("nobody knows of {}", unread.join("; ")));
    }
    judge(ground, (NAME, TITLE), &detail, found);
    Ok(())
}

/// Somebody of each role, for what is another's. They are erased afterwards.
fn roles(ground: &mut Ground, routes: &[Tried], victim: &str) -> anyhow::Result<()> {
    let Some(administrator) = ground.staff.administrator.clone() else {
        let why = "no administrator's token was given (--administrator-token-file), so nobody has a role";
        ground.skipped(Area::Attack, ROLES.0, ROLES.1, why);
        return Ok(());
    };
    let (mut found, mut asked, mut left) = (Found::default(), 0, Vec::new());
    for (role, kind, roles) in STRANGERS {
        let user = ground.name(&format!("role-{role}"));
        let body = json!({"userId": user, "password": PASSWORD, "kind": kind, "roles": roles});
        let registered = ground.block_on(administrator.post("/api/v1/persons", &body))?;
        let person = expect(registered, 201, "registering somebody with a role")?.text("/personId");
        let token = ground.block_on(sign_in(&ground.client, &user, PASSWORD))?;
        let caller = ground.client.with_token(&token);
        for tried in routes.iter().filter(|tried| !tried.route.is_for(role)) {
            asked += 1;
            let status = ground.block_on(ask(&caller, tried, victim))?;
            found.take(role, &tried.route, tried.route.of(role), status);
        }
        // That they were refused says something if it was they who asked.
        let status = ground.block_on(caller.get("/api/v1/session"))?.status;
        if status != 200 {
            found.untold.push(format!("the token of {role} gave {status} itself afterwards"));
        }
        let (path, proof) = (format!("/api/v1/persons/{person}"), json!({"proof": PASSWORD}));
        let erased = ground.block_on(caller.send(Method::DELETE, &path, Some(&proof)))?.status;
        if !matches!(erased, 202 | 204) {
            left.push(format!("{user} ({erased})"));
        }
    }
    let mut detail = format!(
        "{} people, of every role and kind, asked {asked} times for what is not for them",
        STRANGERS.len()
    );
    if !left.is_empty() {
        detail.push_str(&format!(
            "; these could not be erased afterwards, and are still there: {}",
            left.join(", ")
        ));
    }
    judge(ground, ROLES, &detail, found);
    Ok(())
}

fn judge(ground: &mut Ground, (name, title): (&str, &str), detail: &str, found: Found) {
    let Found { mut against, untold, unread, known } = found;
    against.truncate(TOLD_MAX);
    let examples = unread.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join("; ");
    let detail = format!(
        "{detail}; {known} times they were refused for who they are, and {} times for something else before anybody was asked for: {examples}",
        unread.len()
    );
    if known == 0 {
        ground.found(Area::Attack, name, title, Outcome::Invalid, detail, against);
    } else {
        ground.judged_if_told((Area::Attack, name), title, detail, against, &untold);
    }
}

/// Those of them that begin so, without that.
fn beginning<'t>(unread: &'t [String], with: &str) -> Vec<&'t str> {
    unread.iter().filter_map(|text| text.strip_prefix(with)).collect()
}

/// What came of it.
#[derive(Default)]
struct Found {
    against: Vec<String>,
    /// What the target had no time for.
    untold: Vec<String>,
    /// What was refused for another reason than who asks: of whether they may it says nothing.
    unread: Vec<String>,
    /// How often it was refused because of who asks.
    known: usize,
}

impl Found {
    fn take(&mut self, who: &str, route: &Route, expected: u16, status: u16) {
        let text = || format!("{who} got {status} from {} {}", route.method, route.path);
        if is_put_off(status) {
            self.untold.push(text());
        } else if !is_refused(status) {
            self.against.push(text());
        } else if matches!(status, 401 | 403) || status == expected {
            self.known += 1;
        } else {
            self.unread.push(text());
        }
    }
}

/// Every guarded route of Holdfast, whether the target describes it or not, with those that it describes besides as guarded; and those
/// of which nobody knows whom they are for.
fn routes_of(described: &Value) -> (Vec<Tried>, Vec<String>) {
    let (mut tried, mut untried) = (Vec::new(), Vec::new());
    let known = routes::routes();
    for route in known.iter().filter(|route| route.is_guarded()) {
        let operation = &described["paths"][&route.path][route.method.to_lowercase()];
        let own = || serde_json::from_str(body_of(&format!("{} {}", route.method, route.path))?).ok();
        tried.push(Tried { body: example(described, operation).or_else(own), route: route.clone() });
    }
    for (path, operations) in described["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let method = method.to_uppercase();
            let is_known = known.iter().any(|route| route.method == method && route.path == *path);
            if is_known || !METHODS.contains(&method.as_str()) {
                continue;
            }
            if operation["security"].as_array().is_some_and(|security| !security.is_empty()) {
                let route = Route::guarded(method, path.clone());
                tried.push(Tried { body: example(described, operation), route });
            } else {
                untried.push(format!("{method} {path}"));
            }
        }
    }
    (tried, untried)
}

/// The example of a route's body, where the description has one.
fn example(described: &Value, operation: &Value) -> Option<Value> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema")?;
    let named = schema["$ref"].as_str().and_then(|path| described.pointer(path.strip_prefix('#')?));
    let example = &named.unwrap_or(schema)["example"];
    (!example.is_null()).then(|| example.clone())
}

/// A path with somebody's identifier in its places.
fn filled(path: &str, victim: &str) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(before);
        filled.push_str(match name {
            "service" => "identity",
            "index" => "0",
            "queue" => "erasures",
            "step" => "approval",
            "part" => "0",
            "room" => "room",
            _ => victim,
        });
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

async fn ask(client: &Client, Tried { route, body }: &Tried, victim: &str) -> anyhow::Result<u16> {
    let (method, path): (Method, _) = (route.method.parse()?, filled(&route.path, victim));
    let (kind, body) = match body {
        Some(body) => ("application/json", serde_json::to_vec(body)?),
        None => ("", Vec::new()),
    };
    answered(async || Ok(client.send_bytes(method.clone(), &path, kind, body.clone()).await?.status)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_for_its_form_was_not_refused_for_who_asks() {
        let route = Route::guarded("GET".to_owned(), "/a".to_owned());
        let mut found = Found::default();
        for status in [401, 403, 400, 404, 422, 429, 200] {
            found.take("a stranger", &route, 403, status);
        }
        let counts = (found.known, found.unread.len(), found.untold.len(), found.against.len());
        assert_eq!(counts, (2, 3, 1, 1));
        let unread = beginning(&found.unread, "a stranger got ");
        assert_eq!(unread, ["400 from GET /a", "404 from GET /a", "422 from GET /a"]);
        found.take("a stranger", &route, 404, 404);
        assert_eq!(found.known, 3, "it was the answer for whoever is not concerned");
    }

    #[test]
    fn a_target_that_calls_nothing_guarded_is_tried_all_the_same() {
        let silent =
            json!({"paths": {"/api/v1/persons": {"get": {}}, "/new": {"post": {}, "parameters": []}}});
        let (tried, untried) = routes_of(&silent);
        let has = |tried: &[Tried], path: &str| tried.iter().any(|tried| tried.route.path == path);
        assert!(has(&tried, "/api/v1/persons") && has(&tried, "/api/v1/queues"), "{}", tried.len());
        assert_eq!(untried, ["POST /new"]);
        let guarded = json!({"paths": {"/new": {"post": {"security": [{"bearer": []}]}}}});
        assert!(has(&routes_of(&guarded).0, "/new"));
    }
}
