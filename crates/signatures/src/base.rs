//! What is signed, as text (RFC 9421, section 2.5).

use crate::{Component, ComponentError, Message};

/// The components of a message one a line, and last what the signature says of itself (`params`).
///
/// # Errors
/// When the message lacks a component, or one is named twice.
pub fn signature_base(
    message: &Message<'_>,
    components: &[Component],
    params: &str,
) -> Result<String, ComponentError> {
    let mut base = String::new();
    let mut identifiers: Vec<String> = Vec::with_capacity(components.len());
    for component in components {
        let identifier = component.identifier();
        if identifiers.contains(&identifier) {
            return Err(ComponentError::Ambiguous(component.name().to_owned()));
        }
        base.extend([&identifier, ": ", &component.value(message)?, "\n"]);
        identifiers.push(identifier);
    }
    base.extend(["\"@signature-params\": ", params]);
    Ok(base)
}
