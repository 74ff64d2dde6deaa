//! The policy language.

use serde::{Deserialize, Deserializer};

use super::{
    condition::{Condition, Facts},
    pattern::{matches, matches_arn},
};

/// A policy document, as far as the template and an authorizer may use the language.
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
    principal: Option<Principal>,
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
    #[serde(default, deserialize_with = "present")]
    condition: Option<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

/// Whom a statement in a resource's own policy is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Principal {
    Everyone(Everyone),
    Named(Principals),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Everyone {
    #[serde(rename = "*")]
    Everyone,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Principals {
    #[serde(rename = "AWS")]
    aws: OneOrMany<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// Of whom a statement must be.
#[derive(Debug, Clone, Copy)]
pub enum Caller<'a> {
    /// Of nobody: the policy belongs to the caller.
    Owner,
    /// Of this principal by its ARN.
    Named(&'a str),
}

/// What a policy says of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IamDecision {
    /// A statement allows it, and none denies it.
    Allowed,
    /// A Deny statement matches.
    DeniedExplicitly,
    /// No statement matches.
    DeniedImplicitly,
}

impl PolicyDocument {
    /// Whether it is what an authorizer may answer: of the language's current version, and of what
    /// is known before the request has a caller.
    #[must_use]
    pub fn is_authorizers(&self) -> bool {
        let plain =
            |statement: &Statement| statement.principal.is_none() && statement.condition.is_none();
        self.version == VERSION && self.statement.as_slice().iter().all(plain)
    }

    /// What it says of an action on a resource, to the one it belongs to, of whom nothing is known.
    #[must_use]
    pub fn evaluate(&self, action: &str, resource: &str) -> IamDecision {
        self.evaluate_for(Caller::Owner, action, resource, &Facts::default())
    }

    /// What it says to the caller of an action on a resource.
    #[must_use]
    pub fn evaluate_for(
        &self,
        caller: Caller<'_>,
        action: &str,
        resource: &str,
        facts: &Facts,
    ) -> IamDecision {
        let matching = self.statement.as_slice().iter().filter(|statement| {
            statement.is_about(caller)
                && statement.names(action, resource)
                && statement.condition.as_ref().is_none_or(|condition| condition.holds(facts))
        });
        matching.fold(IamDecision::DeniedImplicitly, |verdict, statement| {
            match (verdict, statement.effect) {
                (IamDecision::DeniedExplicitly, _) | (_, Effect::Deny) => {
                    IamDecision::DeniedExplicitly
                }
                (_, Effect::Allow) => IamDecision::Allowed,
            }
        })
    }
}

impl Statement {
    fn is_about(&self, caller: Caller<'_>) -> bool {
        match (caller, &self.principal) {
            (Caller::Owner, None) | (Caller::Named(_), Some(Principal::Everyone(_))) => true,
            (Caller::Named(arn), Some(Principal::Named(Principals { aws }))) => {
                // An account's id stands for the ARN that ends with `root`.
                let root = |id: &str| {
                    arn.strip_suffix(":root").is_some_and(|it| it.ends_with(&format!("::{id}")))
                };
                let fits = |it: &String| it == "*" || it == arn || root(it);
                aws.as_slice().iter().any(fits)
            }
            _ => false,
        }
    }

    fn names(&self, action: &str, resource: &str) -> bool {
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

/// A member that may be missing, but not null: IAM takes no null.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(input).map(Some)
}

const VERSION: &str = "2012-10-17";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GET: &str = "arn:aws:execute-api:us-east-1:000000000000:local/v1/GET/orders/7";

    #[test]
    fn deny_wins_and_silence_denies() {
        let statement = |effect: &str, resource: &str| json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource});
        let (allow, deny) = (statement("Allow", "*"), statement("Deny", GET));
        let other = statement("Allow", "arn:aws:execute-api:us-east-1:000000000000:other/*");
        let rows = [
            ("allowed", json!(allow), IamDecision::Allowed),
            ("denied after", json!([allow, deny]), IamDecision::DeniedExplicitly),
            ("denied before", json!([deny, allow]), IamDecision::DeniedExplicitly),
            ("not named", json!([other]), IamDecision::DeniedImplicitly),
            ("nothing", json!([]), IamDecision::DeniedImplicitly),
        ];
        for (name, statement, expected) in rows {
            let policy = json!({"Version": "2012-10-17", "Statement": statement});
            let policy: PolicyDocument = serde_json::from_value(policy).unwrap();
            assert_eq!(policy.evaluate("execute-api:Invoke", GET), expected, "{name}");
        }
    }

    #[test]
    fn principals() {
        let arn = "arn:aws:iam::000000000000:role/path/r";
        let rows = [
            (json!("*"), Some(true)),
            (json!({"AWS": "*"}), Some(true)),
            (json!({"AWS": arn}), Some(true)),
            (json!({"AWS": ["arn:aws:iam::000000000000:root", arn]}), Some(true)),
            // A principal has no wildcards, and a role's path is part of its ARN.
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
        let verdict =
            policy.evaluate_for(Caller::Named(caller), "kms:Sign", GET, &Facts::default());
        verdict == IamDecision::Allowed
    }

    #[test]
    fn what_an_authorizer_may_not_write() {
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
