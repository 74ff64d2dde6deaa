//! Properties of resources.

use serde_json::Value;

use crate::template::TemplateError;

/// The value at a JSON pointer in the properties of a resource. The empty pointer selects all properties.
pub(super) fn property<'a>(resource: &'a Value, pointer: &str) -> Result<&'a Value, TemplateError> {
    let pointer = format!("/Properties{pointer}");
    let missing = || TemplateError(format!("a resource lacks {pointer}"));
    resource.pointer(&pointer).ok_or_else(missing)
}
