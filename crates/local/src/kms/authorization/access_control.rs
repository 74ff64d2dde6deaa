//! The access decision: the policies of the caller's role, the key policy and the grants on the key.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    grants::GrantedTo,
    permissions::{Permission, required_permissions},
};
use crate::{
    account::ACCOUNT,
    iam::{ConditionContext, IamDecision, PolicyDocument, Principal},
    kms::{error::KmsError, input::Input, store::Store},
};

/// An IAM role.
#[derive(Debug, Clone)]
pub struct Role {
    /// The ARN of the role.
    pub arn: String,
    /// The identity-based policies of the role.
    pub policies: Vec<PolicyDocument>,
}

/// The decision on one of the permissions that a request needs, with all that it depends on except the policies of
/// the role and the grants on the key.
#[derive(Debug, Clone)]
pub struct AccessDecision {
    /// The ARN of the role.
    pub principal: String,
    /// The action, such as `kms:Sign`.
    pub action: String,
    /// The ARN of the key or alias, or `*`.
    pub resource: String,
    /// The condition keys.
    pub context: ConditionContext,
    /// The policy of the key. An alias and a key that does not exist yet have none.
    pub key_policy: Option<String>,
    /// Whether the role has the permission.
    pub is_allowed: bool,
}

/// The roles by access key. Callers with any other access key are allowed every operation.
#[derive(Default)]
pub(crate) struct AccessControl {
    roles: BTreeMap<String, Role>,
    /// The ARN of the Lambda function that uses an access key.
    functions: BTreeMap<String, String>,
    used_permissions: BTreeSet<(String, String)>,
}

impl AccessControl {
    pub(crate) fn assign_role(&mut self, access_key: &str, role: Role) {
        self.roles.insert(access_key.to_owned(), role);
    }

    pub(crate) fn set_source_function(&mut self, access_key: &str, function: &str) {
        self.functions.insert(access_key.to_owned(), function.to_owned());
    }

    /// The permissions used so far: the ARN of a role and an action.
    pub(crate) fn used_permissions(&self) -> BTreeSet<(String, String)> {
        self.used_permissions.clone()
    }

    /// Authorizes a request and records the permissions that it uses.
    pub(crate) fn authorize(
        &mut self,
        store: &Store,
        access_key: &str,
        operation: &str,
        input: &Input,
    ) -> Result<(), KmsError> {
        let used = self.check(store, access_key, operation, input)?;
        self.used_permissions.extend(used);
        Ok(())
    }

    /// Checks a request and returns the permissions that it uses. Callers without a role need none.
    pub(crate) fn check(
        &self,
        store: &Store,
        access_key: &str,
        operation: &str,
        input: &Input,
    ) -> Result<Vec<(String, String)>, KmsError> {
        let mut used = Vec::new();
        let Some(role) = self.roles.get(access_key) else {
            check_unrestricted(store, &format!("user/{access_key}"), input)?;
            return Ok(used);
        };
        for decision in self.decisions(store, access_key, operation, input)? {
            let AccessDecision { principal, action, resource, is_allowed, .. } = decision;
            if !is_allowed {
                let message = format!(
                    "User: {principal} is not authorized to perform: {action} on resource: {resource}"
                );
                return Err(KmsError::new("AccessDeniedException", message));
            }
            used.push((principal, action));
        }
        if let Some(policy) = checked_policy(input)? {
            role.check_lockout(policy, store)?;
        }
        Ok(used)
    }

    /// The decision on each permission that a request needs. Callers without a role need none.
    pub(crate) fn decisions(
        &self,
        store: &Store,
        access_key: &str,
        operation: &str,
        input: &Input,
    ) -> Result<Vec<AccessDecision>, KmsError> {
        let Some(role) = self.roles.get(access_key) else { return Ok(Vec::new()) };
        let permissions = required_permissions(store, &role.arn, operation, input)?;
        let decide = |mut permission: Permission| {
            permission.context.set("aws:PrincipalArn", [&*role.arn]);
            // Only identity-based policies can use it ("Using source function ARN to control function
            // access behavior" in the Lambda developer guide).
            permission
                .identity_context
                .set("lambda:SourceFunctionArn", self.functions.get(access_key));
            let is_allowed = role.is_allowed(&permission);
            let Permission { action, resource, context, identity_context, key_policy, .. } =
                permission;
            AccessDecision {
                principal: role.arn.clone(),
                action,
                resource,
                context: context.merged(&identity_context),
                key_policy,
                is_allowed,
            }
        };
        Ok(permissions.into_iter().map(decide).collect())
    }
}

impl Role {
    fn is_allowed(&self, permission: &Permission) -> bool {
        let Permission { action, resource, context, identity_context, key_policy, granted } =
            permission;
        let own_context = context.merged(identity_context);
        let own =
            combine(self.policies.iter().map(|policy| {
                policy.evaluate_for(Principal::Implied, action, resource, &own_context)
            }));
        let Some(key_policy) = key_policy else {
            let is_granted = own == IamDecision::DeniedImplicitly && *granted == GrantedTo::Caller;
            return own == IamDecision::Allowed || is_granted;
        };
        let Ok(key_policy) = serde_json::from_str::<PolicyDocument>(key_policy) else {
            return false;
        };
        let partition = self.arn.split(':').nth(1).unwrap_or("aws");
        let root = format!("arn:{partition}:iam::{ACCOUNT}:root");
        let of_key = |arn| key_policy.evaluate_for(Principal::Arn(arn), action, resource, context);
        match (own, of_key(&self.arn), of_key(&root)) {
            (IamDecision::DeniedExplicitly, _, _)
            | (_, IamDecision::DeniedExplicitly, _)
            | (_, _, IamDecision::DeniedExplicitly) => false,
            // A key policy or a grant that names the caller is sufficient. If it names the account, the IAM
            // policies decide.
            (_, IamDecision::Allowed, _) => true,
            (own, IamDecision::DeniedImplicitly, account) => match granted {
                GrantedTo::Caller => true,
                GrantedTo::Account => own == IamDecision::Allowed,
                GrantedTo::None => own == IamDecision::Allowed && account == IamDecision::Allowed,
            },
        }
    }

    /// The lockout safety check: the caller that sets a key policy must be allowed to replace it later
    /// (`BypassPolicyLockoutSafetyCheck` in the API reference).
    fn check_lockout(&self, policy: &str, store: &Store) -> Result<(), KmsError> {
        let mut permission = Permission::to_replace_policy(store, policy);
        permission.context.set("aws:PrincipalArn", [&*self.arn]);
        if self.is_allowed(&permission) {
            return Ok(());
        }
        let message =
            "The new key policy will not allow you to update the key policy in the future.";
        Err(KmsError::new("MalformedPolicyDocumentException", message))
    }
}

/// Checks a request of a caller without a role, which has all permissions: an IAM user (`user/NAME`), or the account
/// itself (`root`) without a signature.
pub(crate) fn check_unrestricted(
    store: &Store,
    caller: &str,
    input: &Input,
) -> Result<(), KmsError> {
    let Some(policy) = checked_policy(input)?.and_then(evaluable) else { return Ok(()) };
    let role = Role {
        arn: store.partition().arn("iam", "", ACCOUNT, caller),
        policies: vec![PolicyDocument::allowing_everything()],
    };
    role.check_lockout(&policy, store)
}

/// The new key policy of a request, unless the request bypasses the lockout safety check.
fn checked_policy(input: &Input) -> Result<Option<&str>, KmsError> {
    let bypasses_check = input.flag("BypassPolicyLockoutSafetyCheck")?;
    Ok(input.text("Policy")?.filter(|_| !bypasses_check))
}

/// The statements of a key policy that the local IAM can evaluate. A caller without a role needs no others, as only
/// callers with roles are restricted. `None` if the policy is malformed, which the operation reports.
fn evaluable(policy: &str) -> Option<String> {
    let policy: Map<String, Value> = serde_json::from_str(policy).ok()?;
    let statements = match policy.get("Statement")? {
        Value::Array(statements) => statements.clone(),
        statement => vec![statement.clone()],
    };
    let document = |statements: Value| json!({"Version": "2012-10-17", "Statement": statements});
    let is_evaluable = |statement: &Value| {
        serde_json::from_value::<PolicyDocument>(document(json!([statement]))).is_ok()
    };
    let statements: Vec<_> = statements.into_iter().filter(is_evaluable).collect();
    Some(document(statements.into()).to_string())
}

/// The decision of several policies: the one of a policy with all their statements.
fn combine(decisions: impl Iterator<Item = IamDecision>) -> IamDecision {
    decisions.fold(IamDecision::DeniedImplicitly, |one, other| match (one, other) {
        (IamDecision::DeniedExplicitly, _) | (_, IamDecision::DeniedExplicitly) => {
            IamDecision::DeniedExplicitly
        }
        (IamDecision::Allowed, _) | (_, IamDecision::Allowed) => IamDecision::Allowed,
        _ => IamDecision::DeniedImplicitly,
    })
}

#[cfg(test)]
mod tests;
