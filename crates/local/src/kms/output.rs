//! Parts of responses.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// Adds the members that are not null to an object, as KMS omits optional members without a value.
pub(crate) fn with_present<const N: usize>(
    mut object: Value,
    members: [(&str, Value); N],
) -> Value {
    if let Some(object) = object.as_object_mut() {
        let members = members.into_iter().filter(|(_, value)| !value.is_null());
        object.extend(members.map(|(name, value)| (name.to_owned(), value)));
    }
    object
}

/// A blob in base64.
pub(crate) fn blob(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}
