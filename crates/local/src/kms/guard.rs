//! Who may do what: a caller with a role is held to it, and to the policies and grants of keys.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    error::KmsError,
    grants::Granted,
    input::Input,
    permissions::{Permission, required},
    store::{ACCOUNT, Store},
};
use crate::iam::{Caller, IamDecision, PolicyDocument};

/// An IAM role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What it may do.
    pub policies: Vec<PolicyDocument>,
}

/// The roles by their access keys. Whoever has another may do everything.
#[derive(Default)]
pub(super) struct Guard {
    roles: BTreeMap<String, Role>,
    /// The Lambda function that an access key belongs to, by its ARN.
    functions: BTreeMap<String, String>,
    used: BTreeSet<(String, String)>,
}

impl Guard {
    pub(super) fn assign_role(&mut self, access_key: &str, role: Role) {
        self.roles.insert(access_key.to_owned(), role);
    }

    pub(super) fn set_source_function(&mut self, access_key: &str, function: &str) {
        self.functions.insert(access_key.to_owned(), function.to_owned());
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
        for mut permission in required(store, &role.arn, operation, input)? {
            permission.facts.set("aws:PrincipalArn", [&*role.arn]);
            // "Using source function ARN to control function access behavior" in the Lambda
            // developer guide: identity policies only.
            permission
                .identity_facts
                .set("lambda:SourceFunctionArn", self.functions.get(access_key));
            if !role.has(&permission) {
                let Permission { action, resource, .. } = permission;
                let message = format!(
                    "User: {} is not authorized to perform: {action} on resource: {resource}",
                    role.arn
                );
                return Err(KmsError::new("AccessDeniedException", message));
            }
            used.push((role.arn.clone(), permission.action));
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
    fn has(&self, permission: &Permission) -> bool {
        let Permission { action, resource, facts, identity_facts, key_policy, granted } =
            permission;
        let known = facts.and(identity_facts);
        let said = self.policies.iter();
        let own =
            all(said.map(|policy| policy.evaluate_for(Caller::Owner, action, resource, &known)));
        let Some(key_policy) = key_policy else {
            let granted = own == IamDecision::DeniedImplicitly && *granted == Granted::ToCaller;
            return own == IamDecision::Allowed || granted;
        };
        let Ok(key_policy) = serde_json::from_str::<PolicyDocument>(key_policy) else {
            return false;
        };
        let root = format!("arn:aws:iam::{ACCOUNT}:root");
        let of = |caller| key_policy.evaluate_for(Caller::Named(caller), action, resource, facts);
        match (own, of(&self.arn), of(&root)) {
            (IamDecision::DeniedExplicitly, _, _)
            | (_, IamDecision::DeniedExplicitly, _)
            | (_, _, IamDecision::DeniedExplicitly) => false,
            // A key policy or a grant that names the caller is enough. One that names the account
            // leaves the decision to IAM policies.
            (_, IamDecision::Allowed, _) => true,
            (own, IamDecision::DeniedImplicitly, account) => match granted {
                Granted::ToCaller => true,
                Granted::ToAccount => own == IamDecision::Allowed,
                Granted::No => own == IamDecision::Allowed && account == IamDecision::Allowed,
            },
        }
    }

    /// Whoever gives a key a policy must be able to give it another.
    fn keeps_key(&self, policy: &str, store: &Store) -> Result<(), KmsError> {
        let mut permission = Permission::to_put_policy(store, policy);
        permission.facts.set("aws:PrincipalArn", [&*self.arn]);
        if self.has(&permission) {
            return Ok(());
        }
        let message =
            "The new key policy will not allow you to update the key policy in the future.";
        Err(KmsError::new("MalformedPolicyDocumentException", message))
    }
}

/// Several policies say what one would with all of their statements.
fn all(verdicts: impl Iterator<Item = IamDecision>) -> IamDecision {
    verdicts.fold(IamDecision::DeniedImplicitly, |one, other| match (one, other) {
        (IamDecision::DeniedExplicitly, _) | (_, IamDecision::DeniedExplicitly) => {
            IamDecision::DeniedExplicitly
        }
        (IamDecision::Allowed, _) | (_, IamDecision::Allowed) => IamDecision::Allowed,
        _ => IamDecision::DeniedImplicitly,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{
        State,
        fixture::{assert_rows, signing, state},
    };

    const ROLE: &str = "arn:aws:iam::000000000000:role/path/caller";
    const USER: &str = "arn:aws:iam::000000000000:user/caller";
    const OTHER: &str = "arn:aws:iam::000000000000:role/caller";
    const ACCOUNT: &str = "arn:aws:iam::000000000000:root";

    fn own(effect: &str, action: &str) -> Value {
        json!({"Effect": effect, "Action": action, "Resource": "*"})
    }

    fn of_key(effect: &str, principal: &str, action: &str) -> Value {
        let mut statement = own(effect, action);
        statement["Principal"] = json!({"AWS": principal});
        statement
    }

    fn grant(state: &State, key: &str, grantee: &str, operations: &[&str]) -> Value {
        let input = json!({"KeyId": key, "GranteePrincipal": grantee, "Operations": operations});
        state.call("CreateGrant", &input).unwrap()
    }

    /// A caller with at most one statement of its own, and a key with one.
    fn prepare(caller: &str, policy: Option<&Value>, key_policy: &Value) -> (State, String) {
        let state = state();
        let key = state.create("ECC_NIST_P256", "SIGN_VERIFY");
        state.assign("caller", caller, &json!(policy.as_slice()));
        state.put_policy(&key, &json!([key_policy]));
        (state, key)
    }

    /// Each row: the caller, its policy, the key's policy, a grant, and whether Sign is allowed.
    #[test]
    fn a_grant_allows_what_no_policy_denies() {
        let nothing = || of_key("Allow", OTHER, "kms:PutKeyPolicy");
        let account = || of_key("Allow", ACCOUNT, "kms:*");
        let sign = |effect| Some(own(effect, "kms:Sign"));
        let to = |grantee| Some((grantee, "Sign"));
        let elsewhere = "arn:aws:iam::111122223333:root";
        let rows = [
            ("no grant", ROLE, None, nothing(), None, false),
            ("a grant", ROLE, None, nothing(), to(ROLE), true),
            ("a grant to a user", USER, None, nothing(), to(USER), true),
            ("of another operation", ROLE, None, nothing(), Some((ROLE, "Verify")), false),
            ("to another principal", ROLE, None, nothing(), to(USER), false),
            ("to a role of the same name", ROLE, None, nothing(), to(OTHER), false),
            ("to the account", ROLE, None, nothing(), to(ACCOUNT), false),
            ("to the account, with IAM", ROLE, sign("Allow"), nothing(), to(ACCOUNT), true),
            ("to another account", ROLE, sign("Allow"), nothing(), to(elsewhere), false),
            ("IAM alone", ROLE, sign("Allow"), nothing(), None, false),
            ("IAM and the key policy", ROLE, sign("Allow"), account(), to(OTHER), true),
            ("denied by IAM", ROLE, sign("Deny"), nothing(), to(ROLE), false),
            ("other operation", ROLE, Some(own("Deny", "kms:Verify")), nothing(), to(ROLE), true),
            ("denied by key", ROLE, None, of_key("Deny", ROLE, "kms:*"), to(ROLE), false),
            ("denied to account", ROLE, None, of_key("Deny", ACCOUNT, "kms:*"), to(ROLE), false),
            ("denied to everyone", ROLE, None, of_key("Deny", "*", "kms:Sign"), to(ROLE), false),
            ("denied to another", ROLE, None, of_key("Deny", OTHER, "kms:Sign"), to(ROLE), true),
        ];
        assert_rows(rows.map(|(name, caller, policy, key_policy, granted, expected)| {
            let (state, key) = prepare(caller, policy.as_ref(), &key_policy);
            if let Some((grantee, operation)) = granted {
                grant(&state, &key, grantee, &[operation]);
            }
            let sign = signing(&key, json!({"SigningAlgorithm": "ECDSA_SHA_256"}));
            (name, state.may("caller", "Sign", &sign), expected)
        }));
    }

    #[test]
    fn a_grant_is_for_one_key_until_it_ends() {
        let state = state();
        let keys = [(); 2].map(|()| state.create("ECC_NIST_P256", "SIGN_VERIFY"));
        state.assign("caller", ROLE, &json!([]));
        let granted = grant(&state, &keys[0], ROLE, &["GetPublicKey"]);
        let may = || {
            keys.each_ref().map(|key| state.may("caller", "GetPublicKey", &json!({"KeyId": key})))
        };
        assert_eq!(may(), [true, false]);
        state.put_policy(&keys[0], &json!([of_key("Allow", ACCOUNT, "kms:*")]));
        assert_eq!(may(), [true, false], "after another policy");
        let input = json!({"KeyId": keys[0], "GrantId": granted["GrantId"]});
        state.call("RevokeGrant", &input).unwrap();
        assert_eq!(may(), [false, false], "after it was revoked");
    }

    /// Each row: the caller's policy, the key's policy, the caller's grants, and which of four grants
    /// the caller may create.
    #[test]
    fn who_may_create_grants() {
        let create = "kms:CreateGrant";
        let nothing = || of_key("Allow", OTHER, create);
        let children: [&[&str]; 4] =
            [&["Sign"], &["Sign", "CreateGrant"], &["Verify"], &["Sign", "Verify"]];
        let (all, none) = ([true; 4], [false; 4]);
        let (by_role, by_account) =
            (of_key("Allow", ROLE, create), of_key("Allow", ACCOUNT, create));
        let (given, giving) = (vec!["Sign", "Verify"], vec!["CreateGrant", "Sign"]);
        let two = vec![giving.clone(), vec!["CreateGrant", "Verify"]];
        let (allow, deny) = (Some(own("Allow", create)), Some(own("Deny", create)));
        let rows = [
            ("nothing", None, nothing(), vec![], none),
            ("its policy alone", allow.clone(), nothing(), vec![], none),
            ("the key's policy", None, by_role.clone(), vec![], all),
            ("both policies", allow, by_account, vec![], all),
            ("a grant without CreateGrant", None, nothing(), vec![given], none),
            ("a grant", None, nothing(), vec![giving.clone()], [true, true, false, false]),
            ("two grants", None, nothing(), two, [true, true, true, false]),
            ("a grant and the key's policy", None, by_role, vec![giving.clone()], all),
            ("a grant, and denied", deny, nothing(), vec![giving], none),
        ];
        assert_rows(rows.map(|(name, policy, key_policy, grants, expected)| {
            let (state, key) = prepare(ROLE, policy.as_ref(), &key_policy);
            for operations in grants {
                grant(&state, &key, ROLE, &operations);
            }
            let may = children.map(|operations| {
                let input =
                    json!({"KeyId": key, "GranteePrincipal": OTHER, "Operations": operations});
                state.may("caller", "CreateGrant", &input)
            });
            (name, may, expected)
        }));
    }

    /// Each row: the caller's policy, the key's policy, a grant, and whether the caller may list,
    /// revoke and retire it.
    #[test]
    fn who_may_list_revoke_and_retire_grants() {
        let nothing = || of_key("Allow", OTHER, "kms:*");
        let everything = ["Sign", "Verify", "GetPublicKey", "DescribeKey", "CreateGrant"];
        let retiring = [&everything[..], &["RetireGrant"]].concat();
        let to = |grantee: &str, retiring: &str, operations: &[&str]| {
            json!({
                "GranteePrincipal": grantee, "RetiringPrincipal": retiring,
                "Operations": operations,
            })
        };
        let rows = [
            ("another's grant", None, nothing(), to(OTHER, OTHER, &retiring), [false; 3]),
            ("its own grant", None, nothing(), to(ROLE, OTHER, &everything), [false; 3]),
            (
                "its own grant with RetireGrant",
                None,
                nothing(),
                to(ROLE, OTHER, &retiring),
                [false, false, true],
            ),
            ("to retire", None, nothing(), to(OTHER, ROLE, &everything), [false, false, true]),
            (
                "to retire, and a denial",
                Some(own("Deny", "kms:RetireGrant")),
                nothing(),
                to(OTHER, ROLE, &everything),
                [false; 3],
            ),
            (
                "the key's policy",
                None,
                of_key("Allow", ROLE, "kms:*"),
                to(OTHER, OTHER, &everything),
                [true, true, false],
            ),
            (
                "the account's delegation",
                Some(own("Allow", "kms:*")),
                of_key("Allow", ACCOUNT, "kms:*"),
                to(OTHER, OTHER, &everything),
                [true, true, true],
            ),
            (
                "its policy alone",
                Some(own("Allow", "kms:*")),
                nothing(),
                to(OTHER, OTHER, &everything),
                [false, false, true],
            ),
        ];
        assert_rows(rows.map(|(name, policy, key_policy, mut granted, expected)| {
            let (state, key) = prepare(ROLE, policy.as_ref(), &key_policy);
            granted["KeyId"] = json!(key);
            let granted = state.call("CreateGrant", &granted).unwrap();
            let by_id = json!({"KeyId": key, "GrantId": granted["GrantId"]});
            let by_token = json!({"GrantToken": granted["GrantToken"]});
            let may = ["ListGrants", "RevokeGrant", "RetireGrant"]
                .map(|operation| state.may("caller", operation, &by_id));
            assert_eq!(state.may("caller", "RetireGrant", &by_token), may[2], "{name}");
            (name, may, expected)
        }));
    }
}
