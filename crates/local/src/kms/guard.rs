//! Who may do what: a caller with a role is held to it, and to the policies of keys.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    error::KmsError,
    input::Input,
    store::{ACCOUNT, Key, Store},
};
use crate::iam::{Caller, Facts, Policy, Verdict};

/// An IAM role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What it may do.
    pub policies: Vec<Policy>,
}

/// The roles by their access keys. Whoever has another may do everything.
#[derive(Default)]
pub(super) struct Guard {
    roles: BTreeMap<String, Role>,
    used: BTreeSet<(String, String)>,
}

/// A right that an operation asks for.
struct Right {
    action: String,
    resource: String,
    facts: Facts,
    /// The policy of the key that it is about.
    key_policy: Option<String>,
}

impl Guard {
    pub(super) fn hold(&mut self, access_key: &str, role: Role) {
        self.roles.insert(access_key.to_owned(), role);
    }

    /// Every role's ARN with every action that it was allowed so far.
    pub(super) fn used(&self) -> BTreeSet<(String, String)> {
        self.used.clone()
    }

    pub(super) fn admit(
        &mut self,
        store: &Store,
        access_key: &str,
        operation: &str,
        input: &Input,
    ) -> Result<(), KmsError> {
        let used = self.check(store, access_key, operation, input)?;
        self.used.extend(used);
        Ok(())
    }

    /// What it would take, if the caller has a role and the role allows it.
    pub(super) fn check(
        &self,
        store: &Store,
        access_key: &str,
        operation: &str,
        input: &Input,
    ) -> Result<Vec<(String, String)>, KmsError> {
        let mut used = Vec::new();
        let Some(role) = self.roles.get(access_key) else { return Ok(used) };
        // What is not there is for the operation to say.
        for mut right in rights(store, operation, input).unwrap_or_default() {
            right.facts.set("aws:PrincipalArn", [&*role.arn]);
            if !role.has(&right) {
                let Right { action, resource, .. } = right;
                let message = format!(
                    "User: {} is not authorized to perform: {action} on resource: {resource}",
                    role.arn
                );
                return Err(KmsError::new("AccessDeniedException", message));
            }
            used.push((role.arn.clone(), right.action));
        }
        if let Some(policy) = input.text("Policy")?
            && !input.flag("BypassPolicyLockoutSafetyCheck")?
        {
            role.keeps_key(policy, store)?;
        }
        Ok(used)
    }
}

impl Role {
    fn has(&self, right: &Right) -> bool {
        let Right { action, resource, facts, key_policy } = right;
        let said = self.policies.iter();
        let own =
            all(said.map(|policy| policy.evaluate_for(Caller::Owner, action, resource, facts)));
        let Some(key_policy) = key_policy else { return own == Verdict::Allowed };
        let Ok(key_policy) = serde_json::from_str::<Policy>(key_policy) else { return false };
        let root = format!("arn:aws:iam::{ACCOUNT}:root");
        let of = |caller| key_policy.evaluate_for(Caller::Named(caller), action, resource, facts);
        match (own, of(&self.arn), of(&root)) {
            (Verdict::DeniedExplicitly, _, _)
            | (_, Verdict::DeniedExplicitly, _)
            | (_, _, Verdict::DeniedExplicitly) => false,
            // A key's policy lets in whom it names; the account, it lets decide.
            (_, Verdict::Allowed, _) => true,
            (own, Verdict::DeniedImplicitly, account) => {
                own == Verdict::Allowed && account == Verdict::Allowed
            }
        }
    }

    /// Whoever gives a key a policy must be able to give it another.
    fn keeps_key(&self, policy: &str, store: &Store) -> Result<(), KmsError> {
        let mut facts = Facts::default();
        facts.set("aws:PrincipalArn", [&*self.arn]);
        let right = Right {
            action: "kms:PutKeyPolicy".into(),
            resource: store.key_arn(NEW_KEY),
            facts,
            key_policy: Some(policy.into()),
        };
        if self.has(&right) {
            return Ok(());
        }
        let message =
            "The new key policy will not allow you to update the key policy in the future.";
        Err(KmsError::new("MalformedPolicyDocumentException", message))
    }
}

/// Several policies say what one would with all of their statements.
fn all(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts.fold(Verdict::DeniedImplicitly, |one, other| match (one, other) {
        (Verdict::DeniedExplicitly, _) | (_, Verdict::DeniedExplicitly) => {
            Verdict::DeniedExplicitly
        }
        (Verdict::Allowed, _) | (_, Verdict::Allowed) => Verdict::Allowed,
        _ => Verdict::DeniedImplicitly,
    })
}

/// The rights that KMS asks for, each of which the caller must have.
fn rights(store: &Store, operation: &str, input: &Input) -> Result<Vec<Right>, KmsError> {
    let action = format!("kms:{operation}");
    let right = |action: &str, resource: &str, facts| Right {
        action: action.into(),
        resource: resource.into(),
        facts,
        key_policy: None,
    };
    let of_key = |key: &Key| {
        let mut facts = facts_of(store, key);
        facts_of_request(&mut facts, operation, input)?;
        let key_policy = Some(key.policy.clone());
        Ok(Right { key_policy, ..right(&action, &store.key_arn(&key.id), facts) })
    };
    Ok(match operation {
        "ListKeys" | "ListAliases" => vec![right(&action, "*", Facts::default())],
        "CreateKey" => {
            let mut facts = Facts::default();
            facts_of_request(&mut facts, operation, input)?;
            let mut rights = vec![right(&action, "*", facts.clone())];
            if !input.tags()?.is_empty() {
                rights.push(right("kms:TagResource", &store.key_arn(NEW_KEY), facts));
            }
            rights
        }
        "CreateAlias" | "UpdateAlias" | "DeleteAlias" => {
            let name = input.required("AliasName")?;
            let mut keys = Vec::new();
            if let Some(alias) = store.aliases.actual(name) {
                keys.push(store.find_key(&alias.key)?);
            }
            if let Some(target) = input.text("TargetKeyId")? {
                keys.push(store.find_key(target)?);
            }
            let mut rights = vec![right(&action, &store.arn(name), Facts::default())];
            for key in keys {
                rights.push(of_key(key)?);
            }
            rights
        }
        _ => vec![of_key(store.find(input.required("KeyId")?)?)?],
    })
}

fn facts_of(store: &Store, key: &Key) -> Facts {
    let mut facts = Facts::default();
    facts.set("kms:CallerAccount", [ACCOUNT]);
    facts.set("kms:KeySpec", [key.spec.name()]);
    facts.set("kms:KeyUsage", [key.usage.name()]);
    let aliases = store.aliases.all_seen(store.now());
    let own = aliases.into_iter().filter(|(_, alias)| alias.key == key.id);
    facts.set("kms:ResourceAliases", own.map(|(name, _)| name));
    for (name, value) in &key.tags {
        facts.set(&format!("aws:ResourceTag/{name}"), [&**value]);
    }
    facts
}

fn facts_of_request(facts: &mut Facts, operation: &str, input: &Input) -> Result<(), KmsError> {
    let members: &[(&str, &str)] = match operation {
        "CreateKey" => &[("kms:KeySpec", "KeySpec"), ("kms:KeyUsage", "KeyUsage")],
        "Sign" | "Verify" => &[("kms:SigningAlgorithm", "SigningAlgorithm")],
        _ => &[],
    };
    for (fact, member) in members {
        facts.set(fact, input.text(member)?);
    }
    match operation {
        "Sign" | "Verify" => {
            facts.set("kms:MessageType", [input.text("MessageType")?.unwrap_or("RAW")]);
        }
        "CreateKey" | "PutKeyPolicy" => {
            let bypass = input.flag("BypassPolicyLockoutSafetyCheck")?;
            facts.set("kms:BypassPolicyLockoutSafetyCheck", [bypass.to_string()]);
        }
        "ScheduleKeyDeletion" => {
            let days = input.number("PendingWindowInDays", 7..=30)?.unwrap_or(30);
            facts.set("kms:ScheduleKeyDeletionPendingWindowInDays", [days.to_string()]);
        }
        _ => {}
    }
    if ["CreateKey", "TagResource"].contains(&operation) {
        let tags = input.tags()?;
        facts.set("aws:TagKeys", tags.iter().map(|(name, _)| &**name));
        for (name, value) in tags {
            facts.set(&format!("aws:RequestTag/{name}"), [value]);
        }
    }
    Ok(())
}

/// The id of a key that there is not yet.
const NEW_KEY: &str = "00000000-0000-0000-0000-000000000000";
