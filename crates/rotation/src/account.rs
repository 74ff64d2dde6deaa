//! What KMS says of an account's aliases and keys.

use std::collections::BTreeMap;

use aws_sdk_kms::{
    Client,
    types::{AliasListEntry, Tag},
};
use jwt::UnixTime;
use serde_json::{Value, json};

use crate::{KeyMetadata, RingName, state::round_up};
use kms::{Cause, Fault};

/// Every alias of the account and Region, with the id of its key and since when it points at that key.
/// KMS documents the date as optional.
pub(super) type Aliases = BTreeMap<String, (String, Option<UnixTime>)>;

/// All aliases, page by page.
pub(super) async fn aliases(client: &Client) -> Result<Aliases, Fault> {
    let mut pages = client.list_aliases().into_paginator().items().send();
    let mut aliases = Aliases::new();
    while let Some(alias) = pages.next().await {
        let alias = alias.map_err(|error| Fault::of("ListAliases", error))?;
        aliases.extend(entry(alias));
    }
    Ok(aliases)
}

fn entry(alias: AliasListEntry) -> Option<(String, (String, Option<UnixTime>))> {
    let since = alias.last_updated_date.as_ref().map(round_up);
    Some((alias.alias_name?, (alias.target_key_id?, since)))
}

pub(super) async fn describe(client: &Client, key: &str) -> Result<KeyMetadata, Fault> {
    let answer = client.describe_key().key_id(key).send().await;
    let answer = answer.map_err(|error| Fault::of("DescribeKey", error))?;
    let metadata = answer.key_metadata.map(KeyMetadata::read);
    metadata.ok_or_else(|| Fault::new("DescribeKey", Cause::InvalidResponse))
}

/// The keys that have the ring's tag and no alias.
pub(super) async fn unnamed(
    client: &Client,
    ring: &RingName,
    aliases: &Aliases,
) -> Result<Vec<KeyMetadata>, Fault> {
    let mut pages = client.list_keys().into_paginator().items().send();
    let mut keys = Vec::new();
    while let Some(key) = pages.next().await {
        let key = key.map_err(|error| Fault::of("ListKeys", error))?.key_id.unwrap_or_default();
        if aliases.values().any(|(named, _)| *named == key) {
            continue;
        }
        match tags(client, &key).await {
            Ok(tags) if tags.iter().any(|tag| is_of(tag, ring)) => {
                // A stranger's key may have the tag and not be readable.
                keys.extend(describe(client, &key).await.ok());
            }
            // Others have their own keys, which are nothing to us.
            Err(fault) if fault.cause.is_transient() => return Err(fault),
            _ => {}
        }
    }
    Ok(keys)
}

pub(super) fn is_of(tag: &Tag, ring: &RingName) -> bool {
    tag.tag_key == RING_TAG && tag.tag_value == ring.current()
}

/// A key's policy, as it was written.
pub(super) async fn policy(client: &Client, key: &str) -> Result<String, Fault> {
    let response = client.get_key_policy().key_id(key).send().await;
    let response = response.map_err(|error| Fault::of("GetKeyPolicy", error))?;
    response.policy.ok_or_else(|| Fault::new("GetKeyPolicy", Cause::InvalidResponse))
}

/// A key's tags that another key can have too.
pub(super) async fn tags(client: &Client, key: &str) -> Result<Vec<Tag>, Fault> {
    let mut pages = client.list_resource_tags().key_id(key).into_paginator().items().send();
    let mut tags = Vec::new();
    while let Some(tag) = pages.next().await {
        tags.push(tag.map_err(|error| Fault::of("ListResourceTags", error))?);
    }
    tags.retain(|tag| !tag.tag_key.starts_with("aws:"));
    Ok(tags)
}

/// Whether a key policy is the one that KMS gives a key that is created without one: the key's
/// account decides by IAM.
pub(super) fn is_usual(policy: &str, key: &KeyMetadata) -> bool {
    let account = key.arn.split(':').nth(4).unwrap_or_default();
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    let Some([statement]) = policy.get("Statement").and_then(Value::as_array).map(Vec::as_slice)
    else {
        return false;
    };
    let principal = statement.pointer("/Principal/AWS").and_then(Value::as_str);
    let known = ["Sid", "Effect", "Principal", "Action", "Resource"];
    statement.get("Effect") == Some(&json!("Allow"))
        && statement.get("Action") == Some(&json!("kms:*"))
        && statement.get("Resource") == Some(&json!("*"))
        && statement.get("Principal").and_then(Value::as_object).is_some_and(|who| who.len() == 1)
        && principal.is_some_and(|who| who.ends_with(&format!(":iam::{account}:root")))
        && statement.as_object().is_some_and(|all| all.keys().all(|name| known.contains(&&**name)))
}

/// Every key that is made for a ring has this tag, with the ring's name.
pub(super) const RING_TAG: &str = "countersign:ring";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyState, state::EPOCH};

    #[test]
    fn the_usual_key_policy() {
        let key = KeyMetadata {
            id: "a".into(),
            arn: "arn:aws:kms:us-east-1:111122223333:key/a".into(),
            spec: "RSA_2048".into(),
            state: KeyState::Enabled,
            created: EPOCH,
            signs: true,
            plain: true,
        };
        let usual = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "Enable IAM User Permissions", "Effect": "Allow", "Action": "kms:*",
                "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Resource": "*",
            }],
        });
        assert!(is_usual(&usual.to_string(), &key));
        let rows = [
            ("/Statement/0/Effect", json!("Deny")),
            ("/Statement/0/Action", json!("kms:Sign")),
            ("/Statement/0/Resource", json!("a")),
            ("/Statement/0/Principal/AWS", json!("arn:aws:iam::999999999999:root")),
            ("/Statement/0/Principal/AWS", json!("arn:aws:iam::111122223333:user/mallory")),
            ("/Statement/0/Principal", json!("*")),
            ("/Statement/0/Sid", json!({})),
            ("/Statement", json!([])),
        ];
        for (place, value) in rows {
            let mut policy = usual.clone();
            *policy.pointer_mut(place).unwrap() = value.clone();
            let said = is_usual(&policy.to_string(), &key);
            assert_eq!(said, place.ends_with("Sid"), "{place} {value}");
        }
        let mut more = usual;
        more["Statement"][0]["Condition"] = json!({});
        assert!(!is_usual(&more.to_string(), &key));
    }
}
