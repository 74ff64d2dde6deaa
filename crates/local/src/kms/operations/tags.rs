//! Operations on the tags of keys.

use serde_json::{Value, json};

use super::{
    named_key::find_mutable,
    operation::{KmsOperation, Perform, Resource},
};
use crate::{
    iam::ConditionContext,
    kms::{
        error::KmsError,
        input::{Input, TAGS_MAX},
        pages::PageSize,
        store::{Store, StoredKey},
    },
};

const PAGE_SIZE: PageSize = PageSize { default: 50, max: 50 };

/// The operations of this file.
pub(super) const ALL: &[&KmsOperation] = &[&TAG_RESOURCE, &LIST_RESOURCE_TAGS];

const TAG_RESOURCE: KmsOperation = KmsOperation {
    name: "TagResource",
    perform: Perform::Locked(tag),
    resource: Resource::Key,
    condition_keys: Some(condition_keys),
};

const LIST_RESOURCE_TAGS: KmsOperation = KmsOperation {
    name: "ListResourceTags",
    perform: Perform::Locked(|store, input| list(store, input)),
    resource: Resource::Key,
    condition_keys: None,
};

/// The condition keys of the tags in a request.
pub(super) fn condition_keys(
    context: &mut ConditionContext,
    input: &Input,
) -> Result<(), KmsError> {
    let tags = input.tags()?;
    context.set("aws:TagKeys", tags.iter().map(|(name, _)| &**name));
    for (name, value) in tags {
        context.set(&format!("aws:RequestTag/{name}"), [value]);
    }
    Ok(())
}

pub(super) fn set_tags(key: &mut StoredKey, tags: Vec<(String, String)>, time: Option<f64>) {
    for (name, value) in tags {
        key.tags.change(&name, Some(value), time);
    }
}

fn tag(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let (tags, time) = (input.tags()?, store.tag_time());
    if !input.has("Tags") {
        return Err(KmsError::constraint("tags", "not be null"));
    }
    let key = find_mutable(store, input)?;
    let own = key.tags.current();
    if own.len() + tags.iter().filter(|(name, _)| !own.contains_key(name)).count() > TAGS_MAX {
        let message = format!("A key can have at most {TAGS_MAX} tags.");
        return Err(KmsError::new("LimitExceededException", message));
    }
    set_tags(key, tags, time);
    Ok(Value::Null)
}

fn list(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let tags = store.find_key(input.required("KeyId")?)?.tags.current();
    let rows =
        tags.iter().map(|(name, value)| (&**name, json!({"TagKey": name, "TagValue": value})));
    input.page("Tags", &PAGE_SIZE, rows)
}
