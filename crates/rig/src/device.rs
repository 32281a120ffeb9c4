//! A device with a key of its own, as a phone has one.

use anyhow::ensure;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{Answer, Client};

/// An Ed25519 key, and the identifier under which it was enrolled.
#[derive(Debug)]
pub struct Device {
    key: Ed25519KeyPair,
    key_id: String,
    user_id: String,
}

impl Device {
    /// Makes a key and enrols it for a caller who is signed in.
    ///
    /// # Errors
    /// When it is not enrolled.
    pub async fn enrol(client: &Client, user_id: &str, password: &str) -> anyhow::Result<Self> {
        let key = Ed25519KeyPair::generate()?;
        let person = client.person.as_deref().unwrap_or_default();
        let mut body = told(&key);
        body["proof"] = password.into();
        let answer = client.post(&format!("/api/v1/persons/{person}/device-keys"), &body).await?;
        ensure!(answer.status == 201, "the key was not enrolled: {}", answer.json());
        Ok(Self { key, key_id: answer.text("keyId"), user_id: user_id.to_owned() })
    }

    /// Makes a key and registers somebody who has nothing but it.
    ///
    /// # Errors
    /// When they are not registered.
    pub async fn register(client: &Client, user_id: &str) -> anyhow::Result<Self> {
        let key = Ed25519KeyPair::generate()?;
        let body = json!({"userId": user_id, "deviceKey": told(&key)});
        let answer = client.post("/api/v1/persons", &body).await?;
        ensure!(answer.status == 201, "{user_id} was not registered: {}", answer.json());
        Ok(Self { key, key_id: answer.text("keyId"), user_id: user_id.to_owned() })
    }

    /// The identifier under which the key was enrolled.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The credentials that answer a challenge.
    #[must_use]
    pub fn credentials(&self, challenge: &str) -> Value {
        self.signed("sign-in", challenge)
    }

    /// The proof, over a new challenge, that whoever is signed in is the holder of this device.
    ///
    /// # Errors
    /// When there is no challenge to be had.
    pub async fn proof(&self, client: &Client) -> anyhow::Result<Value> {
        let challenge = client.post("/api/v1/challenges", &Value::Null).await?.text("challenge");
        Ok(self.signed("confirm", &challenge))
    }

    fn signed(&self, purpose: &str, challenge: &str) -> Value {
        let text = format!("holdfast {purpose} v1\n{}\n{challenge}", self.user_id);
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(text.as_bytes()));
        json!({"type": "device-key", "keyId": self.key_id, "challenge": challenge, "signature": signature})
    }

    /// The whole request that answers a challenge.
    #[must_use]
    pub fn answer(&self, challenge: &str) -> Value {
        json!({"userId": self.user_id, "credentials": self.credentials(challenge)})
    }

    /// The whole request that answers a new challenge.
    ///
    /// # Errors
    /// When there is no challenge to be had.
    pub async fn request(&self, client: &Client) -> anyhow::Result<Value> {
        let challenge = client.post("/api/v1/challenges", &Value::Null).await?.text("challenge");
        Ok(self.answer(&challenge))
    }

    /// Signs in with a new challenge.
    ///
    /// # Errors
    /// When no answer comes back.
    pub async fn sign_in(&self, client: &Client) -> anyhow::Result<Answer> {
        client.post("/api/v1/authenticate", &self.request(client).await?).await
    }
}

/// The public half of a key, as it is enrolled.
fn told(key: &Ed25519KeyPair) -> Value {
    let public_key = URL_SAFE_NO_PAD.encode(key.public_key());
    json!({"algorithm": "Ed25519", "publicKey": public_key, "label": "a test's phone"})
}
