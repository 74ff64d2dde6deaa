//! Policy documents ("IAM JSON policy reference" in the IAM user guide).

use serde::{Deserialize, Deserializer};

use super::{
    condition::{ConditionBlock, ConditionContext},
    pattern::{matches, matches_arn},
};

/// A policy document. Elements that neither the template nor the authorizer uses are rejected.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct PolicyDocument {
    version: String,
    #[serde(default)]
    id: Option<String>,
    statement: OneOrMany<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(default)]
    sid: Option<String>,
    effect: Effect,
    #[serde(default, deserialize_with = "present")]
    principal: Option<PrincipalElement>,
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
    #[serde(default, deserialize_with = "present")]
    condition: Option<ConditionBlock>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

/// The `Principal` of a statement in a resource-based policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum PrincipalElement {
    Everyone(Everyone),
    Named(AwsPrincipals),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Everyone {
    #[serde(rename = "*")]
    Everyone,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct AwsPrincipals {
    #[serde(rename = "AWS")]
    aws: OneOrMany<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// The principal for which a policy is evaluated.
#[derive(Debug, Clone, Copy)]
pub enum Principal<'a> {
    /// The owner of an identity-based policy, whose statements have no `Principal`.
    Implied,
    /// The principal with this ARN, for a resource-based policy.
    Arn(&'a str),
}

/// The decision of a policy on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IamDecision {
    /// An Allow statement matches, and no Deny statement does.
    Allowed,
    /// A Deny statement matches.
    DeniedExplicitly,
    /// No statement matches.
    DeniedImplicitly,
}

impl PolicyDocument {
    /// Whether an authorizer can return this policy: it has the current version of the language and neither
    /// principals nor conditions.
    #[must_use]
    pub fn is_authorizer_policy(&self) -> bool {
        let is_plain =
            |statement: &Statement| statement.principal.is_none() && statement.condition.is_none();
        self.version == VERSION && self.statement.as_slice().iter().all(is_plain)
    }

    /// The policy that allows every action on every resource, as the managed policy `AdministratorAccess`.
    #[must_use]
    pub fn allowing_everything() -> Self {
        let everything = || OneOrMany::One("*".to_owned());
        let statement = Statement {
            sid: None,
            effect: Effect::Allow,
            principal: None,
            action: everything(),
            resource: everything(),
            condition: None,
        };
        Self { version: VERSION.into(), id: None, statement: OneOrMany::One(statement) }
    }

    /// Evaluates an identity-based policy for an action on a resource (an ARN), without condition keys.
    #[must_use]
    pub fn evaluate(&self, action: &str, resource: &str) -> IamDecision {
        self.evaluate_for(Principal::Implied, action, resource, &ConditionContext::default())
    }

    /// Evaluates the policy for a principal, an action, a resource (an ARN) and condition keys.
    #[must_use]
    pub fn evaluate_for(
        &self,
        principal: Principal<'_>,
        action: &str,
        resource: &str,
        context: &ConditionContext,
    ) -> IamDecision {
        let matching = self.statement.as_slice().iter().filter(|statement| {
            statement.applies_to(principal)
                && statement.covers(action, resource)
                && statement.condition.as_ref().is_none_or(|condition| condition.is_met(context))
        });
        matching.fold(IamDecision::DeniedImplicitly, |decision, statement| {
            match (decision, statement.effect) {
                (IamDecision::DeniedExplicitly, _) | (_, Effect::Deny) => {
                    IamDecision::DeniedExplicitly
                }
                (_, Effect::Allow) => IamDecision::Allowed,
            }
        })
    }
}

impl Statement {
    fn applies_to(&self, principal: Principal<'_>) -> bool {
        match (principal, &self.principal) {
            (Principal::Implied, None)
            | (Principal::Arn(_), Some(PrincipalElement::Everyone(_))) => true,
            (Principal::Arn(arn), Some(PrincipalElement::Named(AwsPrincipals { aws }))) => {
                // An account id is equivalent to the ARN of the account, which ends with `root`.
                let is_account = |id: &str| {
                    arn.strip_suffix(":root").is_some_and(|it| it.ends_with(&format!("::{id}")))
                };
                let is_match = |it: &String| it == "*" || it == arn || is_account(it);
                aws.as_slice().iter().any(is_match)
            }
            _ => false,
        }
    }

    fn covers(&self, action: &str, resource: &str) -> bool {
        let action = action.to_ascii_lowercase();
        let mut actions = self.action.as_slice().iter();
        actions.any(|pattern| matches(&pattern.to_ascii_lowercase(), &action))
            && self.resource.as_slice().iter().any(|pattern| matches_arn(pattern, resource))
    }
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Reads a member that can be absent but not null, as in IAM.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(input).map(Some)
}

/// The current version of the policy language.
const VERSION: &str = "2012-10-17";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GET: &str = "arn:aws:execute-api:us-east-1:000000000000:local/v1/GET/orders/7";

    #[test]
    fn deny_overrides_allow_and_the_default_is_deny() {
        let statement = |effect: &str, resource: &str| json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource});
        let (allow, deny) = (statement("Allow", "*"), statement("Deny", GET));
        let other = statement("Allow", "arn:aws:execute-api:us-east-1:000000000000:other/*");
        let rows = [
            ("allowed", json!(allow), IamDecision::Allowed),
            ("denied after", json!([allow, deny]), IamDecision::DeniedExplicitly),
            ("denied before", json!([deny, allow]), IamDecision::DeniedExplicitly),
            ("another resource", json!([other]), IamDecision::DeniedImplicitly),
            ("no statement", json!([]), IamDecision::DeniedImplicitly),
        ];
        for (name, statement, expected) in rows {
            let policy = json!({"Version": "2012-10-17", "Statement": statement});
            let policy: PolicyDocument = serde_json::from_value(policy).unwrap();
            assert_eq!(policy.evaluate("execute-api:Invoke", GET), expected, "{name}");
        }
    }

    #[test]
    fn principals_match_by_arn_and_account() {
        let arn = "arn:aws:iam::000000000000:role/path/r";
        let rows = [
            (json!("*"), Some(true)),
            (json!({"AWS": "*"}), Some(true)),
            (json!({"AWS": arn}), Some(true)),
            (json!({"AWS": ["arn:aws:iam::000000000000:root", arn]}), Some(true)),
            // Principals have no wildcards, and the path of a role is part of its ARN.
            (json!({"AWS": "arn:aws:iam::000000000000:role/*"}), Some(false)),
            (json!({"AWS": "arn:aws:iam::000000000000:role/r"}), Some(false)),
            (json!(arn), None),
            (json!({"Service": "lambda.amazonaws.com"}), None),
        ];
        for (principal, expected) in rows {
            let statement =
                json!({"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*"});
            let policy = json!({"Version": "2012-10-17", "Statement": statement});
            let policy = serde_json::from_value(policy).ok();
            let evaluate = |policy: PolicyDocument| is_allowed(&policy, arn);
            assert_eq!(policy.map(evaluate), expected, "{principal}");
        }
        let (account, other) = ("000000000000", "111122223333");
        for (principal, expected) in [(account, true), (other, false), ("", false), ("0", false)] {
            let policy: PolicyDocument = serde_json::from_value(json!({
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow", "Principal": {"AWS": principal}, "Action": "*",
                    "Resource": "*",
                },
            }))
            .unwrap();
            let root = format!("arn:aws:iam::{account}:root");
            assert_eq!(is_allowed(&policy, &root), expected, "{principal:?}");
            assert!(!is_allowed(&policy, arn), "{principal:?}");
        }
    }

    fn is_allowed(policy: &PolicyDocument, caller: &str) -> bool {
        let decision = policy.evaluate_for(
            Principal::Arn(caller),
            "kms:Sign",
            GET,
            &ConditionContext::default(),
        );
        decision == IamDecision::Allowed
    }

    #[test]
    fn malformed_statements_are_rejected() {
        let rows = [
            ("no effect", json!({"Action": "*", "Resource": "*"})),
            ("another effect", json!({"Effect": "allow", "Action": "*", "Resource": "*"})),
            (
                "a null condition",
                json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": null}),
            ),
            ("no resource", json!({"Effect": "Allow", "Action": "*"})),
        ];
        for (name, statement) in rows {
            let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
            assert!(serde_json::from_value::<PolicyDocument>(policy).is_err(), "{name}");
        }
    }
}
