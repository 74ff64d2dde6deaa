//! The keys and aliases of a template.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{error::StackError, properties::property};
use crate::{
    kms::Kms,
    template::{Resolver, Template, text},
};

/// The problems and notices about the keys and aliases of a template.
#[derive(Debug, Default)]
pub(super) struct KeyReport {
    /// A message for each alias that cannot be created.
    pub(super) problems: Vec<String>,
    /// A message for each existing key that differs from the template.
    pub(super) notices: Vec<String>,
}

/// Creates the keys and aliases of the template. If an alias exists from an earlier start, its key is used.
pub(super) fn create_keys(
    template: &Template,
    resolver: &mut Resolver,
    kms: &Kms,
) -> Result<KeyReport, StackError> {
    let mut report = KeyReport::default();
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
        let properties = resolver.resolve(property(resource, "")?)?;
        let existing = aliases.iter().find_map(|alias| Some((alias, describe(alias).ok()?)));
        let key = match existing {
            Some((alias, key)) => {
                report.notices.extend(spec_notice(alias, &key, &properties));
                key
            }
            None => create_key(&properties, kms)?,
        };
        let member = |name: &str| key.pointer(&format!("/KeyMetadata/{name}")).cloned();
        for alias in aliases.iter().filter(|alias| describe(alias).is_err()) {
            let target = json!({"AliasName": alias, "TargetKeyId": member("KeyId")});
            if let Err(problem) = kms.perform("CreateAlias", &target) {
                report.problems.push(format!("alias {alias} cannot be created: {problem}"));
            }
        }
        resolver.define(id, member("KeyId").unwrap_or_default());
        resolver.define_attribute(id, "Arn", member("Arn").unwrap_or_default());
    }
    Ok(report)
}

/// A message if the key of an alias has another `KeySpec` than the template: a change of the parameter does not
/// change an existing key. A rotation to another `KeySpec` leads to the same state.
fn spec_notice(alias: &str, key: &Value, properties: &Value) -> Option<String> {
    let existing = key.pointer("/KeyMetadata/KeySpec")?.as_str()?;
    let of_template = properties.get("KeySpec").map_or("SYMMETRIC_DEFAULT".into(), text);
    (existing != of_template).then(|| {
        format!(
            "{alias} exists and its key has the KeySpec {existing}, not {of_template} as in the template; to get a \
             key of {of_template}, rotate the ring or start with another --state folder"
        )
    })
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
