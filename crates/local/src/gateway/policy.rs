//! IAM's evaluation of the policy that an authorizer returns.

use serde::Deserialize;

/// A policy document, as far as an authorizer may use the language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Policy {
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
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// What a policy says of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement allows it, and none denies it.
    Allowed,
    /// A Deny statement matches.
    DeniedExplicitly,
    /// No statement matches.
    DeniedImplicitly,
}

impl Policy {
    /// The document must be of the language's current version.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.version == "2012-10-17"
    }

    /// What it says of an action on a resource.
    #[must_use]
    pub fn evaluate(&self, action: &str, resource: &str) -> Verdict {
        let matching = self.statement.as_slice().iter().filter(|statement| {
            let actions = statement.action.as_slice();
            actions
                .iter()
                .any(|pattern| matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase()))
                && statement
                    .resource
                    .as_slice()
                    .iter()
                    .any(|pattern| matches_arn(pattern, resource))
        });
        matching.fold(Verdict::DeniedImplicitly, |verdict, statement| {
            match (verdict, statement.effect) {
                (Verdict::DeniedExplicitly, _) | (_, Effect::Deny) => Verdict::DeniedExplicitly,
                (_, Effect::Allow) => Verdict::Allowed,
            }
        })
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

/// Wildcards do not reach over the first five colons of an ARN, each of which ends a part of it.
fn matches_arn(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (patterns, parts): (Vec<_>, Vec<_>) =
        (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    patterns.len() == parts.len()
        && patterns.iter().zip(parts).all(|(pattern, part)| matches(pattern, part))
}

/// `*` stands for any run of characters, `/` among them, and `?` for any one.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut pattern, mut text) = (&*pattern, &*text);
    // Where to go on when the last `*` has to take one character more.
    let mut retry: Option<(&[char], &[char])> = None;
    loop {
        match (pattern, text) {
            (['*', rest @ ..], _) => {
                retry = Some((rest, text));
                pattern = rest;
            }
            ([], []) => return true,
            ([p, patterns @ ..], [t, texts @ ..]) if *p == '?' || p == t => {
                (pattern, text) = (patterns, texts);
            }
            _ => match retry {
                Some((rest, [_, texts @ ..])) => {
                    retry = Some((rest, texts));
                    (pattern, text) = (rest, texts);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GET: &str = "arn:aws:execute-api:us-east-1:000000000000:local/v1/GET/orders/7";

    #[test]
    fn wildcards() {
        let rows = [
            ("", "", true),
            ("*", "", true),
            ("*", "a/b", true),
            ("a*c", "abbc", true),
            ("a*c", "abcb", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("abc", "ab", false),
            ("ab", "abc", false),
            ("**", "x", true),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn arns() {
        let rows = [
            ("*", true),
            ("arn:aws:execute-api:us-east-1:000000000000:local/v1/*/*", true),
            ("arn:aws:execute-api:us-east-1:000000000000:local/v1/GET/*", true),
            ("arn:aws:execute-api:*:*:*", true),
            ("arn:aws:execute-api:us-east-1:000000000000:local/v1/POST/*", false),
            ("arn:aws:execute-api:us-east-1:000000000000:local/v2/*/*", false),
            ("arn:aws:execute-api:*/GET/orders/7", false),
            ("arn:*", false),
        ];
        for (pattern, expected) in rows {
            assert_eq!(matches_arn(pattern, GET), expected, "{pattern}");
        }
    }

    #[test]
    fn deny_wins_and_silence_denies() {
        let statement = |effect: &str, resource: &str| json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource});
        let (allow, deny) = (statement("Allow", "*"), statement("Deny", GET));
        let other = statement("Allow", "arn:aws:execute-api:us-east-1:000000000000:other/*");
        let rows = [
            ("allowed", json!(allow), Verdict::Allowed),
            ("denied after", json!([allow, deny]), Verdict::DeniedExplicitly),
            ("denied before", json!([deny, allow]), Verdict::DeniedExplicitly),
            ("not named", json!([other]), Verdict::DeniedImplicitly),
            ("nothing", json!([]), Verdict::DeniedImplicitly),
        ];
        for (name, statement, expected) in rows {
            let policy = json!({"Version": "2012-10-17", "Statement": statement});
            let policy: Policy = serde_json::from_value(policy).unwrap();
            assert_eq!(policy.evaluate("execute-api:Invoke", GET), expected, "{name}");
        }
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
            assert!(serde_json::from_value::<Policy>(policy).is_err(), "{name}");
        }
    }
}
