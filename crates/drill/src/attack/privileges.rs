//! Every route that the target describes, tried by those who may not.

use http::Method;
use serde_json::Value;

use report::{Area, Outcome};

use super::{answered, is_put_off, is_refused};
use crate::{
    client::Client,
    ground::{Ground, device, sign_in_device},
};

const NAME: &str = "attack/privileges";
const TITLE: &str = "Every route refuses those who may not";
/// Of what a stranger is refused for its form nobody knows whether they may.
const UNREAD: (&str, &str) =
    ("attack/privileges-unread", "A stranger is refused for who they are before anything else is looked at");
const TOLD_MAX: usize = 8;
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// What a caller may do to themselves and nobody else, so that asking for it with one's own token is well.
const OWN: [&str; 3] = ["/api/v1/session", "/api/v1/sessions", "/api/v1/sessions/{session_id}"];

/// A route of the description.
struct Route {
    method: String,
    path: String,
    /// It says that it wants a token.
    guarded: bool,
    /// A body that it takes, by its own example.
    body: Option<Value>,
}

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let described = ground.block_on(ground.client.get("/openapi.json"));
    let described = described.ok().filter(|answer| answer.status == 200).map(|answer| answer.json());
    let Some(described) = described else {
        ground.skipped(Area::Attack, NAME, TITLE, "the target does not describe its routes at /openapi.json");
        return Ok(());
    };
    let routes = routes(&described);
    let victim = ground.people.citizens.first().map(|person| person.id.clone()).unwrap_or_default();
    let name = ground.name("stranger");
    let stranger = ground.block_on(device(&ground.client, &name))?;
    let nobody = ground.client.without_keeper();
    let (mut found, mut tried) = (Found::default(), 0);
    for route in &routes {
        if !route.guarded {
            continue;
        }
        let path = filled(&route.path, &victim);
        tried += 1;
        for (who, caller) in
            [("nobody", nobody.clone()), ("a token that is none", nobody.with_token("drill-no-such-token"))]
        {
            let status = ground.block_on(ask(&caller, route, &path))?;
            found.take(who, route, status);
        }
        if OWN.contains(&route.path.as_str()) {
            continue;
        }
        // A token of somebody, for what is somebody else's or the operators'.
        let token = ground.block_on(sign_in_device(&ground.client, &stranger))?.text("/token");
        let status = ground.block_on(ask(&nobody.with_token(&token), route, &path))?;
        found.take("a stranger", route, status);
    }
    let Found { mut against, untold, unread, known } = found;
    against.truncate(TOLD_MAX);
    let examples = unread.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join("; ");
    let detail = format!(
        "{tried} guarded routes of {} were tried by nobody, with a false token, and by a stranger; {known} times they were refused for \
         who they are, and {} times for something else before anybody was asked for: {examples}",
        routes.len(),
        unread.len()
    );
    let strangers = strangers(&unread);
    if !strangers.is_empty() {
        ground.skipped(Area::Attack, UNREAD.0, UNREAD.1, format!("nobody knows of {}", strangers.join("; ")));
    }
    if tried == 0 || known == 0 {
        ground.found(Area::Attack, NAME, TITLE, Outcome::Invalid, detail, against);
    } else {
        ground.judged_if_told((Area::Attack, NAME), TITLE, detail, against, &untold);
    }
    Ok(())
}

/// Those of them in which somebody with a token asked.
fn strangers(unread: &[String]) -> Vec<&str> {
    unread.iter().filter_map(|text| text.strip_prefix("a stranger got ")).collect()
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
    fn take(&mut self, who: &str, route: &Route, status: u16) {
        let text = || format!("{who} got {status} from {} {}", route.method, route.path);
        if is_put_off(status) {
            self.untold.push(text());
        } else if !is_refused(status) {
            self.against.push(text());
        } else if matches!(status, 401 | 403) {
            self.known += 1;
        } else {
            self.unread.push(text());
        }
    }
}

fn routes(described: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, operations) in described["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            if METHODS.contains(&method.as_str()) {
                let guarded = operation["security"].as_array().is_some_and(|security| !security.is_empty());
                let body = example(described, operation);
                routes.push(Route { method: method.to_uppercase(), path: path.clone(), guarded, body });
            }
        }
    }
    routes
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
            "room" => "room",
            _ => victim,
        });
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

async fn ask(client: &Client, route: &Route, path: &str) -> anyhow::Result<u16> {
    let method: Method = route.method.parse()?;
    let (kind, body) = match &route.body {
        Some(body) => ("application/json", serde_json::to_vec(body)?),
        None => ("", Vec::new()),
    };
    answered(async || Ok(client.send_bytes(method.clone(), path, kind, body.clone()).await?.status)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_for_its_form_was_not_refused_for_who_asks() {
        let route = Route { method: "GET".to_owned(), path: "/a".to_owned(), guarded: true, body: None };
        let mut found = Found::default();
        for status in [401, 403, 400, 404, 422, 429, 200] {
            found.take("a stranger", &route, status);
        }
        let counts = (found.known, found.unread.len(), found.untold.len(), found.against.len());
        assert_eq!(counts, (2, 3, 1, 1));
        assert_eq!(strangers(&found.unread), ["400 from GET /a", "404 from GET /a", "422 from GET /a"]);
    }
}
