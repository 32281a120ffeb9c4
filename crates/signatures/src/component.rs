//! One part of a message that a signature covers: a field, or something derived from the rest (RFC 9421, section 2).

use sfv::{BareItem, DictSerializer, Dictionary, Item, ItemSerializer, ListEntry, Parser};

use crate::{
    Message,
    message::{escaped, unescaped},
};

/// A component as it is named in a signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    pub(crate) item: Item,
    name: String,
}

/// A component that cannot be had of this message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    #[error("`{0}` is no name of a component")]
    Name(String),
    #[error("the message has no `{0}`")]
    Absent(String),
    #[error("`{0}` is there more than once")]
    Ambiguous(String),
    #[error("the parameter `{0}` of a component is not known here")]
    Parameter(String),
    #[error("the field `{0}` holds what is no text, or no dictionary")]
    Value(String),
}

impl Component {
    /// A component of this name without parameters: `@method`, `content-digest`.
    ///
    /// # Errors
    /// When nothing is called so.
    pub fn named(name: &str) -> Result<Self, ComponentError> {
        let text =
            sfv::String::try_from(name.to_owned()).map_err(|_| ComponentError::Name(name.to_owned()))?;
        Self::of(Item::new(BareItem::String(text)))
    }

    /// Whatever a signature names.
    pub(crate) fn of(item: Item) -> Result<Self, ComponentError> {
        let name = item.bare_item.as_string().map(|name| name.as_str().to_owned()).unwrap_or_default();
        let plain = name.strip_prefix('@').unwrap_or(&name);
        let fit = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
        };
        if plain.is_empty() || !plain.bytes().all(fit) || name == "@signature-params" {
            return Err(ComponentError::Name(name));
        }
        Ok(Self { item, name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Is it the component of this name, as a whole?
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name && self.item.params.is_empty()
    }

    /// Its name and parameters, as they are signed.
    pub(crate) fn identifier(&self) -> String {
        ItemSerializer::new().bare_item(&self.item.bare_item).parameters(&self.item.params).finish()
    }

    /// What it is in this message.
    pub(crate) fn value(&self, message: &Message<'_>) -> Result<String, ComponentError> {
        let parameter = |known: &[&str]| {
            let other = self.item.params.keys().find(|key| !known.contains(&key.as_str()));
            other.map_or(Ok(()), |key| Err(ComponentError::Parameter(key.as_str().to_owned())))
        };
        let absent = || ComponentError::Absent(self.name.clone());
        if !self.name.starts_with('@') {
            parameter(&["key", "bs"])?;
            return self.field(message);
        }
        parameter(if self.name == "@query-param" { &["name"] } else { &[] })?;
        let asked = message.status.is_none();
        match self.name.as_str() {
            "@status" => message.status.map(|status| status.to_string()).ok_or_else(absent),
            "@method" if asked => Ok(message.method.to_owned()),
            "@scheme" if asked => Ok(message.scheme.to_ascii_lowercase()),
            "@authority" if asked => Ok(message.authority()),
            "@path" if asked => Ok(message.path().to_owned()),
            "@query" if asked => Ok(format!("?{}", message.query.unwrap_or_default())),
            "@request-target" if asked => Ok(message.target()),
            "@target-uri" if asked => {
                Ok(format!("{}://{}{}", message.scheme, message.authority(), message.target()))
            }
            "@query-param" if asked => self.query_param(message),
            _ => Err(absent()),
        }
    }

    fn query_param(&self, message: &Message<'_>) -> Result<String, ComponentError> {
        let named = self.item.params.get("name").and_then(BareItem::as_string);
        let name = named.ok_or_else(|| ComponentError::Parameter("name".to_owned()))?.as_str();
        let values = message.query_params(&unescaped(name));
        match values.as_slice() {
            [value] => Ok(escaped(value)),
            [] => Err(ComponentError::Absent(format!("@query-param {name}"))),
            _ => Err(ComponentError::Ambiguous(format!("@query-param {name}"))),
        }
    }

    /// A field, all of its lines as one (RFC 9421, section 2.1).
    fn field(&self, message: &Message<'_>) -> Result<String, ComponentError> {
        let values = (message.fields)(&self.name);
        if values.is_empty() {
            return Err(ComponentError::Absent(self.name.clone()));
        }
        let unfit = || ComponentError::Value(self.name.clone());
        let as_bytes = self.item.params.get("bs").is_some_and(|flag| flag.as_boolean() == Some(true));
        let member = self.item.params.get("key").map(|key| key.as_string().ok_or_else(unfit)).transpose()?;
        let trimmed = values.iter().map(|value| value.trim_ascii());
        if as_bytes {
            let sequences = trimmed.map(|value| ItemSerializer::new().bare_item(value).finish());
            return if member.is_some() {
                Err(unfit())
            } else {
                Ok(sequences.collect::<Vec<_>>().join(", "))
            };
        }
        let texts = trimmed.map(|value| std::str::from_utf8(value).ok().filter(|text| is_one_line(text)));
        let whole = texts.collect::<Option<Vec<_>>>().ok_or_else(unfit)?.join(", ");
        let Some(member) = member else { return Ok(whole) };
        let dictionary: Dictionary = Parser::new(&whole).parse().map_err(|_| unfit())?;
        let entry =
            dictionary.get(member.as_str()).ok_or_else(|| ComponentError::Absent(self.name.clone()))?;
        Ok(written(entry))
    }
}

/// Can it stand in one line of what is signed?
fn is_one_line(text: &str) -> bool {
    text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t')
}

/// A member of a dictionary, as it stands there behind its name.
pub(crate) fn written(entry: &ListEntry) -> String {
    match entry {
        ListEntry::Item(item) => {
            ItemSerializer::new().bare_item(&item.bare_item).parameters(&item.params).finish()
        }
        ListEntry::InnerList(list) => {
            let mut dictionary = DictSerializer::new();
            let mut inner = dictionary.inner_list(NAME);
            inner.items(&list.items);
            inner.finish().parameters(&list.params);
            let whole = dictionary.finish().unwrap_or_default();
            whole.split_once('=').map(|(_, list)| list.to_owned()).unwrap_or_default()
        }
    }
}

const NAME: &sfv::KeyRef = sfv::KeyRef::constant("a");
