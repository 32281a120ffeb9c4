//! `Signature-Input` and `Signature` (RFC 9421, section 4): read, and written.

use sfv::{BareItem, Dictionary, InnerList, ListEntry, Parser};

use crate::{
    Component, ComponentError, KeyError, Message, SigningKey, VerifyingKey, component::written,
    signature_base,
};

/// Signatures of one message that are looked at.
const SIGNATURES_MAX: usize = 8;
/// Components of one signature.
const COMPONENTS_MAX: usize = 64;
/// Letters of a key's name, a nonce, a tag.
const TEXT_LENGTH_MAX: usize = 256;

/// Fields that are not as RFC 9421 has them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("Signature-Input or Signature is no dictionary of structured fields (RFC 9651)")]
    Field,
    #[error("the signature `{0}` has no list of components, or a parameter of another kind")]
    Input(String),
    #[error("the signature `{0}` is named in one field and not in the other")]
    Unpaired(String),
    #[error(
        "there are more than {SIGNATURES_MAX} signatures, or one has more than {COMPONENTS_MAX} components"
    )]
    TooMany,
    #[error("{0}")]
    Component(#[from] ComponentError),
}

/// What a signature says of itself. Times are Unix seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    pub created: Option<u64>,
    pub expires: Option<u64>,
    pub nonce: Option<String>,
    pub key_id: Option<String>,
    pub algorithm: Option<String>,
    pub tag: Option<String>,
}

/// A signature as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    pub label: String,
    pub components: Vec<Component>,
    pub params: Params,
    /// What it covers and says, as it is signed itself.
    written: String,
    bytes: Vec<u8>,
}

/// The two fields of a signature that was made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedFields {
    pub input: String,
    pub signature: String,
}

/// The signatures of a message, from the values of its two fields.
///
/// # Errors
/// When they are not as RFC 9421 has them.
pub fn read<'a>(
    inputs: impl IntoIterator<Item = &'a [u8]>,
    signatures: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Signature>, Malformed> {
    let (inputs, mut signatures) = (dictionary(inputs)?, dictionary(signatures)?);
    if inputs.len() > SIGNATURES_MAX {
        return Err(Malformed::TooMany);
    }
    let mut found = Vec::with_capacity(inputs.len());
    for (label, input) in inputs {
        let label = label.as_str().to_owned();
        let signature =
            signatures.shift_remove(label.as_str()).ok_or_else(|| Malformed::Unpaired(label.clone()))?;
        let ListEntry::Item(signature) = signature else { return Err(Malformed::Input(label)) };
        let bytes = signature.bare_item.as_byte_sequence().ok_or_else(|| Malformed::Input(label.clone()))?;
        found.push(Signature::of(label, input, bytes.to_vec())?);
    }
    match signatures.keys().next() {
        Some(label) => Err(Malformed::Unpaired(label.as_str().to_owned())),
        None => Ok(found),
    }
}

fn dictionary<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Dictionary, Malformed> {
    let whole = values.into_iter().collect::<Vec<_>>().join(b", ".as_slice());
    Parser::new(&whole).parse().map_err(|_| Malformed::Field)
}

impl Signature {
    fn of(label: String, input: ListEntry, bytes: Vec<u8>) -> Result<Self, Malformed> {
        let written = written(&input);
        let ListEntry::InnerList(list) = input else { return Err(Malformed::Input(label)) };
        let InnerList { items, params } = list;
        if items.len() > COMPONENTS_MAX {
            return Err(Malformed::TooMany);
        }
        let unfit = || Malformed::Input(label.clone());
        let time = |name: &str| {
            let said = params.get(name).map(|value| value.as_integer().ok_or_else(unfit));
            said.transpose()?.map(|time| u64::try_from(i64::from(time)).map_err(|_| unfit())).transpose()
        };
        let text = |name: &str| {
            let said = params.get(name).map(|value| value.as_string().ok_or_else(unfit)).transpose()?;
            let short = said.is_none_or(|text| text.as_str().len() <= TEXT_LENGTH_MAX);
            short.then(|| said.map(|text| text.as_str().to_owned())).ok_or_else(unfit)
        };
        let params = Params {
            created: time("created")?,
            expires: time("expires")?,
            nonce: text("nonce")?,
            key_id: text("keyid")?,
            algorithm: text("alg")?,
            tag: text("tag")?,
        };
        let components = items.into_iter().map(Component::of).collect::<Result<_, _>>()?;
        Ok(Self { label, components, params, written, bytes })
    }

    /// Does it cover the component of this name, as a whole?
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        self.components.iter().any(|component| component.is(name))
    }

    /// Did the key's holder sign this message? What the signature says of time and of itself is for a
    /// [`crate::Policy`] to judge.
    ///
    /// # Errors
    /// When the message lacks what the signature covers.
    pub fn is_by(&self, key: &VerifyingKey, message: &Message<'_>) -> Result<bool, ComponentError> {
        if self.params.algorithm.as_ref().is_some_and(|said| said != key.algorithm().name()) {
            return Ok(false);
        }
        let base = signature_base(message, &self.components, &self.written)?;
        Ok(key.verifies(base.as_bytes(), &self.bytes))
    }
}

/// Signs these components of a message.
///
/// # Errors
/// When the message lacks one of them, or what is said cannot be written, or the key cannot sign.
pub fn sign(
    message: &Message<'_>,
    label: &str,
    components: &[Component],
    params: &Params,
    key: &SigningKey,
) -> Result<SignedFields, SignError> {
    let mut list = InnerList::new(components.iter().map(|component| component.item.clone()).collect());
    let mut put = |name: &'static str, value: Option<BareItem>| {
        if let Some(value) = value {
            list.params.insert(sfv::KeyRef::constant(name).to_owned(), value);
        }
    };
    let time = |time: Option<u64>| {
        let integer = |time: u64| i64::try_from(time).ok().and_then(|time| sfv::Integer::try_from(time).ok());
        time.map(|time| integer(time).map(BareItem::Integer).ok_or(SignError::Unwritable)).transpose()
    };
    let text = |text: &Option<String>| {
        let string = |text: &String| sfv::String::try_from(text.clone()).map_err(|_| SignError::Unwritable);
        text.as_ref().map(|text| string(text).map(BareItem::String)).transpose()
    };
    put("created", time(params.created)?);
    put("expires", time(params.expires)?);
    put("nonce", text(&params.nonce)?);
    put("alg", text(&params.algorithm)?);
    put("keyid", text(&params.key_id)?);
    put("tag", text(&params.tag)?);
    let label = sfv::Key::try_from(label.to_owned()).map_err(|_| SignError::Unwritable)?;
    let written = written(&ListEntry::InnerList(list));
    let base = signature_base(message, components, &written)?;
    let bytes = key.sign(base.as_bytes())?;
    let bytes = sfv::ItemSerializer::new().bare_item(bytes.as_slice()).finish();
    Ok(SignedFields { input: format!("{label}={written}"), signature: format!("{label}={bytes}") })
}

/// Why something was not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("{0}")]
    Component(#[from] ComponentError),
    #[error("{0}")]
    Key(#[from] KeyError),
    #[error("a label, time or text cannot be written as a structured field")]
    Unwritable,
}
