//! Reads the aliases and keys of an account and Region.

use std::collections::BTreeMap;

use aws_sdk_kms::{
    Client,
    types::{AliasListEntry, Tag},
};
use jwt::UnixTime;

use crate::{KeyMetadata, RingName, key_metadata::round_up, tags::has_ring_tag};
use kms::{Cause, Fault};

/// The aliases of the account and Region, each with its key id and the date since which it points at that key. The
/// date is optional (AWS KMS API Reference, `AliasListEntry`).
pub(super) type Aliases = BTreeMap<String, (String, Option<UnixTime>)>;

/// Reads all aliases.
pub(super) async fn list_aliases(client: &Client) -> Result<Aliases, Fault> {
    let mut pages = client.list_aliases().into_paginator().items().send();
    let mut aliases = Aliases::new();
    while let Some(alias) = pages.next().await {
        let alias = alias.map_err(|error| Fault::from_sdk_error("ListAliases", error))?;
        aliases.extend(alias_entry(alias));
    }
    Ok(aliases)
}

fn alias_entry(alias: AliasListEntry) -> Option<(String, (String, Option<UnixTime>))> {
    let since = alias.last_updated_date.as_ref().map(round_up);
    Some((alias.alias_name?, (alias.target_key_id?, since)))
}

/// Reads the metadata of a key by its id, ARN or alias.
pub(super) async fn describe_key(client: &Client, key: &str) -> Result<KeyMetadata, Fault> {
    let output = client.describe_key().key_id(key).send().await;
    let output = output.map_err(|error| Fault::from_sdk_error("DescribeKey", error))?;
    let metadata = output.key_metadata.map(KeyMetadata::from_response);
    metadata.ok_or_else(|| Fault::new("DescribeKey", Cause::InvalidResponse))
}

/// Reads the keys that have the ring's tag and no alias.
pub(super) async fn keys_without_alias(
    client: &Client,
    ring: &RingName,
    aliases: &Aliases,
) -> Result<Vec<KeyMetadata>, Fault> {
    let mut pages = client.list_keys().into_paginator().items().send();
    let mut keys = Vec::new();
    while let Some(key) = pages.next().await {
        let key = key
            .map_err(|error| Fault::from_sdk_error("ListKeys", error))?
            .key_id
            .unwrap_or_default();
        if aliases.values().any(|(target, _)| *target == key) {
            continue;
        }
        match read_key_tags(client, &key).await {
            Ok(tags) if tags.iter().any(|tag| has_ring_tag(tag, ring)) => {
                // Skips a foreign key that has the tag and cannot be read.
                keys.extend(describe_key(client, &key).await.ok());
            }
            Err(fault) if fault.cause.is_transient() => return Err(fault),
            // Skips the other keys of the account, whose tags may not be readable.
            _ => {}
        }
    }
    Ok(keys)
}

/// Reads the key policy, as the text that was set.
pub(super) async fn read_key_policy(client: &Client, key: &str) -> Result<String, Fault> {
    // The name is optional in the KMS API, but emulators such as moto require it. It is the only one.
    let output = client.get_key_policy().key_id(key).policy_name("default").send().await;
    let output = output.map_err(|error| Fault::from_sdk_error("GetKeyPolicy", error))?;
    output.policy.ok_or_else(|| Fault::new("GetKeyPolicy", Cause::InvalidResponse))
}

/// Reads the tags of a key, without the reserved `aws:` tags, which cannot be copied to another key.
pub(super) async fn read_key_tags(client: &Client, key: &str) -> Result<Vec<Tag>, Fault> {
    let mut pages = client.list_resource_tags().key_id(key).into_paginator().items().send();
    let mut tags = Vec::new();
    while let Some(tag) = pages.next().await {
        tags.push(tag.map_err(|error| Fault::from_sdk_error("ListResourceTags", error))?);
    }
    tags.retain(|tag| !tag.tag_key.starts_with("aws:"));
    Ok(tags)
}
