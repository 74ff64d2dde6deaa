//! The keys and aliases of a template.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{error::StackError, properties::property};
use crate::{
    kms::Kms,
    template::{Resolver, Template, text},
};

/// Creates the keys and aliases of the template. If an alias exists from an earlier start, its key is used. Returns
/// a message for each alias that cannot be created.
pub(super) fn create_keys(
    template: &Template,
    resolver: &mut Resolver,
    kms: &Kms,
) -> Result<Vec<String>, StackError> {
    let mut problems = Vec::new();
    let mut aliases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (id, resource) in template.active_resources("AWS::KMS::Alias", resolver)? {
        let name = resolver.resolve(property(resource, "/AliasName")?)?;
        resolver.define(id, name.clone());
        // An override of the alias can be a key id. Then no alias is created.
        let name = text(&name);
        if name.starts_with("alias/") {
            let key = text(property(resource, "/TargetKeyId/Ref")?);
            aliases.entry(key).or_default().insert(name);
        }
    }
    let describe = |alias: &String| kms.perform("DescribeKey", &json!({"KeyId": alias}));
    for (id, resource) in template.active_resources("AWS::KMS::Key", resolver)? {
        let aliases = aliases.remove(id).unwrap_or_default();
        // In this order, the ring's alias comes before `-next` and `-previous`: its key is the current one.
        let key = match aliases.iter().find_map(|alias| describe(alias).ok()) {
            Some(key) => key,
            None => create_key(&resolver.resolve(property(resource, "")?)?, kms)?,
        };
        let member = |name: &str| key.pointer(&format!("/KeyMetadata/{name}")).cloned();
        for alias in aliases.iter().filter(|alias| describe(alias).is_err()) {
            let target = json!({"AliasName": alias, "TargetKeyId": member("KeyId")});
            if let Err(problem) = kms.perform("CreateAlias", &target) {
                problems.push(format!("alias {alias} cannot be created: {problem}"));
            }
        }
        resolver.define(id, member("KeyId").unwrap_or_default());
        resolver.define_attribute(id, "Arn", member("Arn").unwrap_or_default());
    }
    Ok(problems)
}

fn create_key(properties: &Value, kms: &Kms) -> Result<Value, StackError> {
    let member = |name: &str| properties.get(name).cloned().unwrap_or_default();
    let tags = properties.get("Tags").and_then(Value::as_array).into_iter().flatten();
    let tags: Vec<_> =
        tags.map(|tag| json!({"TagKey": tag.get("Key"), "TagValue": tag.get("Value")})).collect();
    let input = json!({
        "KeySpec": member("KeySpec"),
        "KeyUsage": member("KeyUsage"),
        "Description": member("Description"),
        "Policy": properties.get("KeyPolicy").map(Value::to_string),
        "Tags": tags,
    });
    kms.perform("CreateKey", &input).map_err(StackError::Key)
}
