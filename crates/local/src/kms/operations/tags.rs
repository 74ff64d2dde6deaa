//! The list of the tags of a key.

use serde_json::{Value, json};

use crate::kms::{error::KmsError, input::Input, pages::PageSize, store::Store};

pub(crate) fn list(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let tags = store.find_key(input.required("KeyId")?)?.tags.current();
    let rows =
        tags.iter().map(|(name, value)| (&**name, json!({"TagKey": name, "TagValue": value})));
    input.page("Tags", &PageSize::TAGS, rows)
}
