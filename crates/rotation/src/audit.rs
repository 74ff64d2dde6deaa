//! The audit: whether the keys under a ring's aliases were created for the ring, and whether grants let others
//! sign with them.

use std::collections::BTreeSet;

use aws_sdk_kms::{
    Client,
    types::{GrantListEntry, GrantOperation},
};
use serde_json::Value;

use crate::{
    KeyMetadata, RingName, RingState, Step,
    account::{read_key_policy, read_key_tags},
    key_policy::is_default_key_policy,
    tags::has_ring_tag,
};
use kms::{Cause, Fault};

/// Why a key of the ring may have signed, or may sign, tokens that the issuer did not issue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A grant allows an operation other than `Verify`, `GetPublicKey` and `DescribeKey`.
    #[error(
        "a grant on {key} under {alias} allows {operations} to {grantee}: find out who created it, then run \
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
        /// The allowed operations, separated by commas.
        operations: String,
    },
    /// The key was not created for this ring.
    #[error(
        "{alias} points at {key}, which does not look like a key of this ring ({reason}): if the key belongs \
         to the ring, correct this, otherwise find out who moved the alias and move it back"
    )]
    ForeignKey {
        /// The alias that points at the key.
        alias: String,
        /// The key id.
        key: String,
        /// The difference from a key of the ring.
        reason: &'static str,
    },
    /// The grants of a key cannot be read.
    #[error(
        "the grants of {key} under {alias} cannot be read: the role that rotates needs kms:ListGrants for \
         {arn}, and if the key policy does not leave that to IAM, add the statement {{\"Effect\": \"Allow\", \
         \"Principal\": {{\"AWS\": \"{account}\"}}, \"Action\": \"kms:ListGrants\", \"Resource\": \"*\"}} to it"
    )]
    UnreadableGrants {
        /// The alias that points at the key.
        alias: String,
        /// The key id.
        key: String,
        /// The key ARN.
        arn: String,
        /// The id of the key's account.
        account: String,
    },
}

impl Finding {
    /// Whether the finding blocks this step. A key with a finding must not be promoted. A foreign key must not be
    /// disabled, because it may be in use elsewhere.
    #[must_use]
    pub fn blocks(&self, step: &Step) -> bool {
        match self {
            Self::ForeignKey { key, .. } => match step {
                Step::Promote(_) => true,
                Step::Retire(retired) => retired.id == *key,
                Step::Complete(_) | Step::Prepare(_) => false,
            },
            Self::ForeignGrant { .. } | Self::UnreadableGrants { .. } => match step {
                Step::Promote(_) => true,
                Step::Retire(_) | Step::Complete(_) | Step::Prepare(_) => false,
            },
        }
    }

    /// The stable `Cause` in logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ForeignGrant { .. } => "ForeignGrant",
            Self::ForeignKey { .. } => "ForeignKey",
            Self::UnreadableGrants { .. } => "UnreadableGrants",
        }
    }
}

/// The findings for the keys under the ring's aliases. `retained_key` is the id of the key that a deployment owns,
/// which does not have the ring's tag.
pub(super) async fn audit(
    client: &Client,
    name: &RingName,
    state: &RingState,
    retained_key: Option<&str>,
) -> Result<Vec<Finding>, Fault> {
    let current = &state.current.key;
    let mut findings = Vec::new();
    let mut audited = BTreeSet::new();
    let neighbors = [(name.next(), &state.next), (name.previous(), &state.previous)];
    let neighbors = neighbors
        .iter()
        .filter_map(|(alias, target)| target.as_ref().map(|target| (alias.as_str(), &target.key)));
    for (alias, key) in [(name.current(), current)].into_iter().chain(neighbors) {
        if !audited.insert(key.id.clone()) {
            continue;
        }
        findings.extend(foreign_grants(client, alias, key).await?);
        if let Some(reason) = foreign_key(client, name, alias, key, current, retained_key).await? {
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
        let grant = match grant.map_err(|error| Fault::from_sdk_error("ListGrants", error)) {
            Ok(grant) => grant,
            Err(fault) if fault.cause == Cause::AccessDenied => {
                let account = key.account().to_owned();
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
    let allowed =
        [GrantOperation::Verify, GrantOperation::GetPublicKey, GrantOperation::DescribeKey];
    let operations = grant.operations.unwrap_or_default();
    if operations.iter().all(|operation| allowed.contains(operation)) {
        return None;
    }
    let names: Vec<_> = operations.iter().map(GrantOperation::as_str).collect();
    Some(Finding::ForeignGrant {
        alias: alias.into(),
        key: key.id.clone(),
        grant: grant.grant_id.unwrap_or_default(),
        grantee: grant.grantee_principal.unwrap_or_else(|| "an unknown principal".into()),
        operations: names.join(", "),
    })
}

/// The reason why a key does not belong to the ring. `None`: it belongs to the ring. Only the policy of the next key is
/// compared: it was copied when the key was created. A previous key may have the policy of an earlier deployment.
async fn foreign_key(
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
    if !key.is_reproducible && current.is_reproducible {
        return Ok(Some("it is a multi-Region key, or KMS did not generate its key material"));
    }
    match read_key_tags(client, &key.id).await {
        Ok(tags) if tags.iter().any(|tag| has_ring_tag(tag, name)) => {}
        Ok(_) => {
            return Ok(Some("it does not have the tag countersign:ring with the ring's alias"));
        }
        Err(fault) if fault.cause == Cause::AccessDenied => {
            return Ok(Some("its tags cannot be read"));
        }
        Err(fault) => return Err(fault),
    }
    if alias == name.next() {
        let policy = read_key_policy(client, &key.id).await?;
        for original in [Some(current.id.as_str()), retained_key].into_iter().flatten() {
            if is_same_policy(&policy, &read_key_policy(client, original).await?, key) {
                return Ok(None);
            }
        }
        return Ok(Some("its key policy is not that of the current key or of the stack's key"));
    }
    Ok(None)
}

/// Whether two key policies are equal as JSON values, or both the default key policy: the next key of a ring with the
/// default key policy is created without a policy.
fn is_same_policy(policy: &str, original: &str, key: &KeyMetadata) -> bool {
    let json = |policy| serde_json::from_str::<Value>(policy).ok();
    let (parsed, parsed_original) = (json(policy), json(original));
    let is_equal = parsed.is_some() && parsed == parsed_original;
    is_equal || (is_default_key_policy(policy, key) && is_default_key_policy(original, key))
}
