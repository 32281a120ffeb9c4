//! What was sent once, sent again; and what was signed for something else. Each is wrong in one way alone: it is about a person who
//! signed in a moment before, and over a challenge that nobody has used.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use load::people::Person;
use report::Area;
use serde_json::{Value, json};

use super::{is_put_off, is_refused};
use crate::{
    client::{Client, expect},
    ground::{Ground, device, signed},
};

const NAME: &str = "attack/replay";
const TITLE: &str = "What was signed once signs nobody in twice, nor anything else";
const SIGN_IN: &str = "/api/v1/authenticate";

/// What a forger has in their hands.
struct Seen<'s> {
    /// Whom they want to be, and who they are.
    person: &'s Person,
    forger: &'s Person,
    /// What the person signed in with a moment ago.
    used: &'s Value,
    /// A challenge that nobody has used.
    fresh: &'s str,
}

type Forgery = (&'static str, fn(&Seen<'_>) -> Value);

const FORGERIES: [Forgery; 6] = [
    ("what somebody signed in with, sent again,", |seen| seen.used.clone()),
    ("a signature that was used, beside a new challenge,", |seen| {
        with(seen.used.clone(), "challenge", seen.fresh.into())
    }),
    ("the signature of another's device", |seen| {
        let mut body = signed(seen.forger, seen.fresh);
        body["userId"] = json!(seen.person.user);
        with(body, "signature", seen.forger.sign_as(&seen.person.user, "sign-in", seen.fresh).into())
    }),
    ("the signature of another's device, under the name of one's own,", |seen| {
        let signature = seen.forger.sign_as(&seen.person.user, "sign-in", seen.fresh);
        with(signed(seen.person, seen.fresh), "signature", signature.into())
    }),
    ("a challenge of nobody's", |seen| signed(seen.person, &one_bit_off(seen.fresh))),
    ("a signature for another purpose", |seen| {
        let signature = seen.person.sign("confirm", seen.fresh);
        with(signed(seen.person, seen.fresh), "signature", signature.into())
    }),
];

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let name = ground.name("replayed");
    let mut told = Told::default();
    ground.block_on(forged(&ground.client, &name, &mut told))?;
    ground.block_on(at_once(&ground.client, &name, &mut told))?;
    let detail = format!(
        "of people who signed in before and afterwards: {}, and one signature twice at once",
        FORGERIES.map(|(what, _)| what.trim_end_matches(',')).join("; ")
    );
    ground.judged_if_told((Area::Attack, NAME), TITLE, detail, told.against, &told.untold);
    Ok(())
}

#[derive(Default)]
struct Told {
    against: Vec<String>,
    untold: Vec<String>,
}

/// Tries each forgery, at a person of its own.
async fn forged(client: &Client, name: &str, told: &mut Told) -> anyhow::Result<()> {
    let forger = device(client, &format!("{name}-forger")).await?;
    for (number, (what, forge)) in FORGERIES.into_iter().enumerate() {
        let person = device(client, &format!("{name}-{number}")).await?;
        let used = signed(&person, &challenge(client).await?);
        expect(client.post(SIGN_IN, &used).await?, 200, "an honest sign-in")?;
        let fresh = challenge(client).await?;
        let seen = Seen { person: &person, forger: &forger, used: &used, fresh: &fresh };
        let status = client.post(SIGN_IN, &forge(&seen)).await?.status;
        if is_put_off(status) {
            told.untold.push(format!("{what} gave {status}"));
        } else if !is_refused(status) {
            told.against.push(format!("{what} gave {status}"));
        }
        // It was not everybody who was refused.
        let honest = signed(&person, &challenge(client).await?);
        let status = client.post(SIGN_IN, &honest).await?.status;
        if is_put_off(status) {
            told.untold.push(format!("an honest sign-in afterwards gave {status}"));
        } else if status != 200 {
            told.against.push(format!("after {what} an honest sign-in gave {status}"));
        }
    }
    Ok(())
}

/// Sends one signature on two connections at the same time: it is good for one of them.
async fn at_once(client: &Client, name: &str, told: &mut Told) -> anyhow::Result<()> {
    let person = device(client, &format!("{name}-at-once")).await?;
    let body = signed(&person, &challenge(client).await?);
    let (one, other) = (client.at(&client.target), client.at(&client.target));
    let (one, other) = tokio::join!(one.post(SIGN_IN, &body), other.post(SIGN_IN, &body));
    let statuses = [one?.status, other?.status];
    match statuses.iter().filter(|status| **status == 200).count() {
        1 => {}
        0 => told.untold.push(format!("one signature twice at once gave {statuses:?}")),
        _ => told.against.push("one signature signed somebody in twice at once".to_owned()),
    }
    Ok(())
}

async fn challenge(client: &Client) -> anyhow::Result<String> {
    let answer = client.send(Method::POST, "/api/v1/challenges", None).await?;
    Ok(expect(answer, 201, "a challenge")?.text("/challenge"))
}

fn with(mut body: Value, member: &str, value: Value) -> Value {
    body["credentials"][member] = value;
    body
}

/// Another text of the same form, which the target did not make.
fn one_bit_off(challenge: &str) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(challenge).unwrap_or_default();
    match bytes.last_mut() {
        Some(last) => *last ^= 1,
        None => bytes = b"drill".to_vec(),
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
    use load::people::Device;

    use super::*;

    fn person(user: &str) -> Person {
        let key = Ed25519KeyPair::generate().expect("a key");
        let device = Device { key, key_id: format!("key of {user}") };
        Person { user: user.to_owned(), device: Some(device), ..Person::default() }
    }

    /// The ways in which a body is no honest sign-in of this person over this challenge.
    fn wrongs(body: &Value, person: &Person, fresh: &str) -> Vec<&'static str> {
        let text =
            |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let challenge = text("/credentials/challenge");
        let signature = URL_SAFE_NO_PAD.decode(text("/credentials/signature")).expect("base64url");
        let holds = |purpose: &str, challenge: &str, of: &Person| {
            let message = format!("holdfast {purpose} v1\n{}\n{challenge}", person.user);
            let key = of.device.as_ref().expect("a device").key.public_key().as_ref().to_vec();
            UnparsedPublicKey::new(&ED25519, key).verify(message.as_bytes(), &signature).is_ok()
        };
        let mut wrongs = Vec::new();
        for (what, wrong) in [
            ("the person", text("/userId") != person.user),
            ("the challenge", challenge != fresh),
            ("the key", text("/credentials/keyId") != person.key_id()),
            ("the signature", !holds("sign-in", &challenge, person)),
        ] {
            wrongs.extend(wrong.then_some(what));
        }
        wrongs
    }

    #[test]
    fn each_forgery_is_wrong_in_one_way_alone() {
        let (ada, eve) = (person("ada"), person("eve"));
        let [old, fresh] = [b"old one", b"fresh 1"].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let used = signed(&ada, &old);
        let seen = Seen { person: &ada, forger: &eve, used: &used, fresh: &fresh };
        let found: Vec<_> = FORGERIES.iter().map(|(_, forge)| wrongs(&forge(&seen), &ada, &fresh)).collect();
        let expected = [
            &["the challenge"][..],
            &["the signature"],
            // Whose key it is and who signed with it go together.
            &["the key", "the signature"],
            &["the signature"],
            &["the challenge"],
            &["the signature"],
        ];
        assert_eq!(found, expected);
        assert!(wrongs(&signed(&ada, &fresh), &ada, &fresh).is_empty());
    }
}
