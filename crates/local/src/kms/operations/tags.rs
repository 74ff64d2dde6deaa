//! Operations on the tags of keys.

use serde_json::{Value, json};

use super::{
    named_key::find_mutable,
    operation::{Operation, Perform, Resource},
};
use crate::{
    iam::ConditionContext,
    kms::{
        error::KmsError,
        input::Input,
        store::{Store, StoredKey},
    },
};

pub(super) const TAG_RESOURCE: Operation = Operation {
    name: "TagResource",
    perform: Perform::Locked(tag),
    resource: Resource::Key,
    condition_keys: Some(condition_keys),
};

pub(super) const LIST_RESOURCE_TAGS: Operation = Operation {
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

fn tag(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let (tags, time) = (input.tags()?, store.tag_time());
    set_tags(find_mutable(store, input)?, tags, time);
    Ok(Value::Null)
}

pub(super) fn set_tags(key: &mut StoredKey, tags: Vec<(String, String)>, time: Option<f64>) {
    for (name, value) in tags {
        key.tags.change(&name, Some(value), time);
    }
}

fn list(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let tags = store.find_key(input.required("KeyId")?)?.tags.current();
    let row = |(name, value)| json!({"TagKey": name, "TagValue": value});
    Ok(json!({"Tags": tags.iter().map(row).collect::<Vec<_>>(), "Truncated": false}))
}
