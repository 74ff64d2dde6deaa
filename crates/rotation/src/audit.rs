//! Whether the keys under a ring's aliases are the ring's own, and who else may sign with them.

use std::collections::BTreeSet;

use aws_sdk_kms::{
    Client,
    types::{GrantListEntry, GrantOperation},
};
use serde_json::Value;

use crate::{
    KeyMetadata, RingName, RingState, Step,
    account::{is_of, is_usual, policy, tags},
};
use kms::{Cause, Fault};

/// Why a key of the ring may have made, or may yet make, tokens that the issuer has not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A grant allows more than to read or to verify.
    #[error(
        "a grant on {key} under {alias} allows {operations} to {grantee}: see who made it, then \
         `aws kms revoke-grant --key-id {key} --grant-id {grant}`"
    )]
    ForeignGrant {
        /// The alias that points at the key.
        alias: String,
        /// The key id.
        key: String,
        /// The grant id.
        grant: String,
        /// The grantee principal.
        grantee: String,
        /// What it allows, separated by commas.
        operations: String,
    },
    /// A key that this project has not made for the ring.
    #[error(
        "{alias} points at {key}, which is not a key of this ring as far as is seen ({reason}): if it is, \
         mend that; else see who moved the alias, and move it back"
    )]
    ForeignKey {
        /// The alias that points at the key.
        alias: String,
        /// The key id.
        key: String,
        /// What shows it.
        reason: &'static str,
    },
    /// The grants of a key cannot be read.
    #[error(
        "the grants of {key} under {alias} cannot be read: who rotates needs kms:ListGrants for {arn}, and if \
         the key policy does not leave that to IAM, add the statement {{\"Effect\": \"Allow\", \
         \"Principal\": {{\"AWS\": \"{account}\"}}, \"Action\": \"kms:ListGrants\", \"Resource\": \"*\"}} to it"
    )]
    UnreadableGrants {
        /// The alias that points at the key.
        alias: String,
        /// The key id.
        key: String,
        /// The key ARN.
        arn: String,
        /// The key's account.
        account: String,
    },
}

impl Finding {
    /// Whether it blocks this step: a key that may not be the ring's alone must not sign, and a key that is
    /// not the ring's must not be disabled.
    #[must_use]
    pub fn blocks(&self, step: &Step) -> bool {
        match (step, self) {
            (Step::Promote(_), _) => true,
            (Step::Retire(retired), Self::ForeignKey { key, .. }) => retired.id == *key,
            _ => false,
        }
    }

    /// The `Cause` in logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ForeignGrant { .. } => "ForeignGrant",
            Self::ForeignKey { .. } => "ForeignKey",
            Self::UnreadableGrants { .. } => "UnreadableGrants",
        }
    }
}

/// Everything that is wrong with the keys under the ring's aliases. `retained_key` is the key that a
/// deployment has made without the ring's tag.
pub(super) async fn audit(
    client: &Client,
    name: &RingName,
    state: &RingState,
    retained_key: Option<&str>,
) -> Result<Vec<Finding>, Fault> {
    let current = &state.current.key;
    let mut findings = Vec::new();
    let mut known = BTreeSet::new();
    let neighbors = [(name.next(), &state.next), (name.previous(), &state.previous)];
    let neighbors = neighbors
        .iter()
        .filter_map(|(alias, place)| place.as_ref().map(|place| (alias.as_str(), &place.key)));
    for (alias, key) in [(name.current(), current)].into_iter().chain(neighbors) {
        if !known.insert(key.id.clone()) {
            continue;
        }
        findings.extend(foreign_grants(client, alias, key).await?);
        if let Some(reason) = foreign(client, name, alias, key, current, retained_key).await? {
            findings.push(Finding::ForeignKey { alias: alias.into(), key: key.id.clone(), reason });
        }
    }
    Ok(findings)
}

async fn foreign_grants(
    client: &Client,
    alias: &str,
    key: &KeyMetadata,
) -> Result<Vec<Finding>, Fault> {
    let mut pages = client.list_grants().key_id(&key.arn).into_paginator().items().send();
    let mut findings = Vec::new();
    while let Some(grant) = pages.next().await {
        let grant = match grant.map_err(|error| Fault::of("ListGrants", error)) {
            Ok(grant) => grant,
            Err(fault) if fault.cause == Cause::AccessDenied => {
                let account = key.arn.split(':').nth(4).unwrap_or_default().to_owned();
                let (alias, key, arn) = (alias.into(), key.id.clone(), key.arn.clone());
                findings.push(Finding::UnreadableGrants { alias, key, arn, account });
                return Ok(findings);
            }
            Err(fault) => return Err(fault),
        };
        findings.extend(foreign_grant(alias, key, grant));
    }
    Ok(findings)
}

fn foreign_grant(alias: &str, key: &KeyMetadata, grant: GrantListEntry) -> Option<Finding> {
    let harmless =
        [GrantOperation::Verify, GrantOperation::GetPublicKey, GrantOperation::DescribeKey];
    let operations = grant.operations.unwrap_or_default();
    if operations.iter().all(|operation| harmless.contains(operation)) {
        return None;
    }
    let names: Vec<_> = operations.iter().map(GrantOperation::as_str).collect();
    Some(Finding::ForeignGrant {
        alias: alias.into(),
        key: key.id.clone(),
        grant: grant.grant_id.unwrap_or_default(),
        grantee: grant.grantee_principal.unwrap_or_else(|| "an unnamed principal".into()),
        operations: names.join(", "),
    })
}

/// What shows that a key is not the ring's. A previous key may have the policy of an earlier deployment;
/// the next key's policy was copied when it was made.
async fn foreign(
    client: &Client,
    name: &RingName,
    alias: &str,
    key: &KeyMetadata,
    current: &KeyMetadata,
    retained_key: Option<&str>,
) -> Result<Option<&'static str>, Fault> {
    if retained_key == Some(key.id.as_str()) {
        return Ok(None);
    }
    if !key.plain && current.plain {
        return Ok(Some("its material is not KMS's own, or it is a multi-Region key"));
    }
    match tags(client, &key.id).await {
        Ok(tags) if tags.iter().any(|tag| is_of(tag, name)) => {}
        Ok(_) => {
            return Ok(Some("it does not have the tag countersign:ring with the ring's alias"));
        }
        Err(fault) if fault.cause == Cause::AccessDenied => {
            return Ok(Some("its tags cannot be read"));
        }
        Err(fault) => return Err(fault),
    }
    if alias == name.next() {
        let own = policy(client, &key.id).await?;
        for model in [Some(current.id.as_str()), retained_key].into_iter().flatten() {
            if is_same(&own, &policy(client, model).await?, key) {
                return Ok(None);
            }
        }
        return Ok(Some("its key policy is not that of the key that signs or of the stack's key"));
    }
    Ok(None)
}

/// Whether two policies of one account are the same as JSON values, or both leave everything to IAM: then
/// the next key was created without one.
fn is_same(own: &str, model: &str, key: &KeyMetadata) -> bool {
    let json = |policy| serde_json::from_str::<Value>(policy).ok();
    let (own_json, model_json) = (json(own), json(model));
    let is_equal = own_json.is_some() && own_json == model_json;
    is_equal || (is_usual(own, key) && is_usual(model, key))
}
