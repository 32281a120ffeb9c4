//! Credentials as they stand in a body: to sign in with, or as proof of who asks.

use std::fmt;

use ids::Id;
use serde::{Deserialize, Deserializer, de};
use utoipa::ToSchema;

use crate::{Credentials, DeviceKey, Password, authenticate::signature_bytes};

/// The password as a string, or an object that says what it is.
#[derive(ToSchema)]
#[schema(example = json!("kelp holds fast in winter storms"))]
#[expect(dead_code, reason = "only its schema is used: values are read as `Credentials`")]
#[serde(untagged)]
enum CredentialsSchema {
    Password(String),
    Object(CredentialsObject),
}

/// Credentials that name their type.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
enum CredentialsObject {
    Password {
        #[schema(value_type = String)]
        password: Password,
    },
    /// A signature by an enrolled key over `holdfast sign-in v1`, the userId in lower case and the
    /// challenge, with line feeds between. As a proof of who asks it is over `holdfast confirm v1` instead.
    DeviceKey {
        /// The key's identifier, from its enrolment.
        // Named here, because the description does not know of a rule for all fields.
        #[serde(rename = "keyId")]
        #[schema(value_type = String, format = "uuid")]
        key_id: Id<DeviceKey>,
        /// From `POST /api/v1/challenges`, at most a minute ago.
        challenge: String,
        /// 64 bytes in base64url.
        signature: String,
    },
}

/// Credentials in either form.
pub(super) struct CredentialsBody(pub(super) Credentials);

impl utoipa::PartialSchema for CredentialsBody {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        CredentialsSchema::schema()
    }
}

impl ToSchema for CredentialsBody {
    fn name() -> std::borrow::Cow<'static, str> {
        "Credentials".into()
    }

    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
        CredentialsSchema::schemas(schemas);
    }
}

impl<'de> Deserialize<'de> for CredentialsBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherForm).map(Self)
    }
}

struct EitherForm;

impl<'de> de::Visitor<'de> for EitherForm {
    type Value = Credentials;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password as a string, or an object with a `type`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Credentials, E> {
        Ok(Credentials::Password(Password::from(text.to_owned())))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Credentials, A::Error> {
        match CredentialsObject::deserialize(de::value::MapAccessDeserializer::new(map))? {
            CredentialsObject::Password { password } => Ok(Credentials::Password(password)),
            CredentialsObject::DeviceKey { key_id: key, challenge, signature } => {
                let signature = signature_bytes(&signature)
                    .ok_or_else(|| de::Error::custom("a signature is 64 bytes in base64url"))?;
                Ok(Credentials::DeviceKey { key, challenge, signature })
            }
        }
    }
}
