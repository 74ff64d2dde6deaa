use std::{collections::BTreeMap, str::FromStr, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Caller, IssuancePolicyError, caller::has_wildcard_below_role_path};
use crate::glob::Patterns;

/// An issuance policy: the setting `ISSUANCE_POLICY`, a JSON list of rules.
///
/// A request is granted if one rule for its caller grants all of it. A rule does not grant what it does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuancePolicy(Vec<IssuanceRule>);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuanceRule {
    caller: Patterns,
    #[serde(default)]
    subject: Patterns,
    #[serde(default)]
    audience: Patterns,
    #[serde(default)]
    scope: Patterns,
    #[serde(default)]
    claims: ClaimPatterns,
    /// In seconds.
    max_lifetime: Option<u64>,
}

/// The claims that a rule grants in addition to `sub`, `aud` and `scope`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected the names of claims, or an object with the values of each claim"
)]
enum ClaimPatterns {
    /// The names of the claims, with any value.
    Names(Patterns),
    /// The strings that each claim may have.
    Values(BTreeMap<String, Patterns>),
}

/// A request for a token.
#[derive(Debug, Clone, Copy)]
pub struct IssuanceRequest<'a> {
    /// The requested claims.
    pub claims: &'a Map<String, Value>,
    /// The requested lifetime, if the request has one.
    pub lifetime: Option<Duration>,
}

/// What applies if a request or a rule does not name an audience or a lifetime.
#[derive(Debug, Clone, Copy)]
pub struct IssuanceDefaults<'a> {
    /// The `aud` of a request without one. Every caller may request it.
    pub audience: Option<&'a str>,
    /// The lifetime of a request without one.
    pub lifetime: Duration,
    /// The longest lifetime under a rule without `max_lifetime`.
    pub lifetime_max: Duration,
}

/// The part of a request that no rule grants. The parts are in the order in which a rule is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DeniedField {
    /// No rule is for this caller.
    #[error("the caller")]
    Caller,
    /// `sub`.
    #[error("the subject")]
    Subject,
    /// `aud`.
    #[error("the audience")]
    Audience,
    /// One of the scopes.
    #[error("the scope")]
    Scope,
    /// Another claim, or its value.
    #[error("a claim")]
    Claim,
    /// `expires_in`.
    #[error("the lifetime")]
    Lifetime,
}

impl FromStr for IssuancePolicy {
    type Err = IssuancePolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let objects = jwt::json::objects(text.as_bytes())
            .map_err(|error| IssuancePolicyError::Form(error.to_string()))?;
        let numbered = objects.into_iter().zip(1..);
        let rules = numbered.map(|(members, number)| {
            serde_json::from_value(members.into())
                .map_err(|error| IssuancePolicyError::Member(number, error.to_string()))
        });
        let rules: Vec<IssuanceRule> = rules.collect::<Result<_, _>>()?;
        for (rule, number) in rules.iter().zip(1..) {
            let is_known = |caller: &String| {
                caller == "*" || caller == "invoke" || caller.splitn(6, ':').count() == 6
            };
            let callers = rule.caller.as_slice();
            if callers.is_empty() || !callers.iter().all(is_known) {
                return Err(IssuancePolicyError::Caller(number));
            }
            if callers.iter().any(|caller| has_wildcard_below_role_path(caller)) {
                return Err(IssuancePolicyError::RolePath(number));
            }
            if rule.max_lifetime == Some(0) {
                return Err(IssuancePolicyError::Lifetime(number));
            }
        }
        Ok(Self(rules))
    }
}

impl IssuancePolicy {
    /// Checks that no rule has a longer lifetime than the issuer allows.
    ///
    /// # Errors
    /// [`IssuancePolicyError::Lifetime`] with the first rule that has one.
    pub fn fits(&self, lifetime_max: Duration) -> Result<(), IssuancePolicyError> {
        let is_longer =
            |rule: &IssuanceRule| rule.max_lifetime.is_some_and(|max| max > lifetime_max.as_secs());
        match self.0.iter().position(is_longer) {
            Some(index) => Err(IssuancePolicyError::Lifetime(index + 1)),
            None => Ok(()),
        }
    }

    /// Grants a request, and returns the lifetime of its token.
    ///
    /// # Errors
    /// If no rule grants all of the request: the part that is not granted, for the rule that grants the most parts.
    pub fn grant(
        &self,
        request: &IssuanceRequest<'_>,
        caller: &Caller,
        defaults: &IssuanceDefaults<'_>,
    ) -> Result<Duration, DeniedField> {
        let mut denied = DeniedField::Caller;
        let is_for_caller = |rule: &&IssuanceRule| {
            rule.caller.as_slice().iter().any(|pattern| caller.matches(pattern))
        };
        for rule in self.0.iter().filter(is_for_caller) {
            match rule.grant(request, defaults) {
                Ok(lifetime) => return Ok(lifetime),
                Err(field) => denied = denied.max(field),
            }
        }
        Err(denied)
    }
}

impl IssuanceRule {
    fn grant(
        &self,
        request: &IssuanceRequest<'_>,
        defaults: &IssuanceDefaults<'_>,
    ) -> Result<Duration, DeniedField> {
        let texts = |name: &str| match request.claims.get(name) {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text.as_str()],
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            Some(_) => vec![""],
        };
        let match_all = |texts: &[&str], patterns: &Patterns| {
            texts.iter().all(|text| patterns.match_text(text))
        };
        // If the rule names values, a missing value counts as an empty one: only `*` matches it.
        let match_present = |texts: Vec<&'_ str>, patterns: &Patterns| {
            let is_missing = texts.is_empty() && !patterns.as_slice().is_empty();
            match_all(if is_missing { &[""] } else { &texts }, patterns)
        };
        if !match_present(texts("sub"), &self.subject) {
            return Err(DeniedField::Subject);
        }
        // The default audience needs no rule.
        let default = defaults.audience;
        let audiences = texts("aud").into_iter();
        let others: Vec<&str> = audiences.filter(|audience| Some(*audience) != default).collect();
        let is_default = default.is_some() && others.is_empty();
        if !is_default && !match_present(others, &self.audience) {
            return Err(DeniedField::Audience);
        }
        let scopes: Vec<&str> = texts("scope").iter().flat_map(|scope| scope.split(' ')).collect();
        if !match_all(&scopes, &self.scope) {
            return Err(DeniedField::Scope);
        }
        let other_claims =
            request.claims.iter().filter(|(name, _)| !CLAIMS_WITH_MEMBER.contains(&&***name));
        for (name, value) in other_claims {
            if !self.claims.grant(name, value) {
                return Err(DeniedField::Claim);
            }
        }
        let max = self.max_lifetime.map_or(defaults.lifetime_max, Duration::from_secs);
        match request.lifetime {
            Some(lifetime) if lifetime > max => Err(DeniedField::Lifetime),
            Some(lifetime) => Ok(lifetime),
            None => Ok(defaults.lifetime.min(max)),
        }
    }
}

impl ClaimPatterns {
    fn grant(&self, name: &str, value: &Value) -> bool {
        match self {
            Self::Names(names) => names.match_text(name),
            Self::Values(values) => {
                let text = value.as_str();
                values.get(name).zip(text).is_some_and(|(patterns, text)| patterns.match_text(text))
            }
        }
    }
}

impl Default for ClaimPatterns {
    fn default() -> Self {
        Self::Names(Patterns::default())
    }
}

/// The claims for which a rule has a member.
const CLAIMS_WITH_MEMBER: [&str; 3] = ["sub", "aud", "scope"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DEFAULTS: IssuanceDefaults<'static> = IssuanceDefaults {
        audience: Some("own"),
        lifetime: Duration::from_mins(10),
        lifetime_max: Duration::from_hours(1),
    };

    const ROLE: &str = "arn:aws:iam::123456789012:role/orders";
    const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/orders/i-1";

    #[test]
    fn request_is_granted_if_one_rule_grants_all_of_it() {
        let policy = json!([
            {
                "caller": ROLE,
                "subject": ["orders-*", "test"],
                "audience": "https://api.example/*",
                "scope": ["orders:*", "read"],
                "claims": ["tenant", "x-*"],
                "max_lifetime": 300,
            },
            {"caller": ROLE, "subject": "admin", "scope": "admin", "claims": {"role": ["a", "b*"]}},
            {"caller": "invoke", "subject": "*", "claims": "*", "audience": "*", "scope": "*"},
            {"caller": "arn:aws:iam::123456789012:user/*"},
        ]);
        let policy: IssuancePolicy = policy.to_string().parse().unwrap();
        let user = "arn:aws:iam::123456789012:user/a";
        let rows = [
            ("a subject", SESSION, json!({"sub": "orders-1"}), None, Ok(300)),
            (
                "scopes",
                ROLE,
                json!({"sub": "test", "scope": "orders:read read"}),
                Some(300),
                Ok(300),
            ),
            ("claims", SESSION, json!({"sub": "test", "tenant": 7, "x-a": {}}), Some(1), Ok(1)),
            (
                "an audience",
                SESSION,
                json!({"sub": "test", "aud": "https://api.example/a"}),
                None,
                Ok(300),
            ),
            ("the default audience", SESSION, json!({"sub": "test", "aud": "own"}), None, Ok(300)),
            (
                "the default audience and another",
                SESSION,
                json!({"sub": "test", "aud": ["own", "other"]}),
                None,
                Err(DeniedField::Audience),
            ),
            (
                "a list with another audience",
                SESSION,
                json!({"sub": "test", "aud": ["https://api.example/", "b"]}),
                None,
                Err(DeniedField::Audience),
            ),
            ("no subject", SESSION, json!({}), None, Err(DeniedField::Subject)),
            ("another subject", SESSION, json!({"sub": "other"}), None, Err(DeniedField::Subject)),
            (
                "another scope",
                SESSION,
                json!({"sub": "test", "scope": "orders:read write"}),
                None,
                Err(DeniedField::Scope),
            ),
            (
                "a scope in a list",
                SESSION,
                json!({"sub": "test", "scope": ["read"]}),
                None,
                Ok(300),
            ),
            (
                "an object as the scope",
                SESSION,
                json!({"sub": "test", "scope": {"a": 1}}),
                None,
                Err(DeniedField::Scope),
            ),
            (
                "two spaces in the scope",
                SESSION,
                json!({"sub": "test", "scope": "read  read"}),
                None,
                Err(DeniedField::Scope),
            ),
            (
                "a claim of another rule",
                SESSION,
                json!({"sub": "test", "role": "a"}),
                None,
                Err(DeniedField::Claim),
            ),
            (
                "a longer lifetime",
                SESSION,
                json!({"sub": "test"}),
                Some(301),
                Err(DeniedField::Lifetime),
            ),
            (
                "the second rule for the caller",
                SESSION,
                json!({"sub": "admin", "scope": "admin", "role": "bb"}),
                Some(3600),
                Ok(3600),
            ),
            (
                "another value of a claim",
                SESSION,
                json!({"sub": "admin", "role": "c"}),
                None,
                Err(DeniedField::Claim),
            ),
            (
                "a list as the value of a claim",
                SESSION,
                json!({"sub": "admin", "role": ["a"]}),
                None,
                Err(DeniedField::Claim),
            ),
            (
                "an audience under a rule without one",
                SESSION,
                json!({"sub": "admin", "aud": "b"}),
                None,
                Err(DeniedField::Audience),
            ),
            (
                "a direct invocation",
                "invoke",
                json!({"sub": "x", "aud": ["a"], "scope": "a b", "c": null}),
                None,
                Ok(600),
            ),
            ("no claims under a rule without any", user, json!({}), None, Ok(600)),
            (
                "a subject under a rule without one",
                user,
                json!({"sub": "a"}),
                None,
                Err(DeniedField::Subject),
            ),
            (
                "a caller without a rule",
                "arn:aws:iam::999999999999:user/a",
                json!({}),
                None,
                Err(DeniedField::Caller),
            ),
        ];
        for (name, caller, claims, seconds, expected) in rows {
            let caller = match caller {
                "invoke" => Caller::Invoke,
                arn => Caller::Iam(arn.to_owned()),
            };
            let request = IssuanceRequest {
                claims: claims.as_object().unwrap(),
                lifetime: seconds.map(Duration::from_secs),
            };
            let grant = policy.grant(&request, &caller, &DEFAULTS);
            assert_eq!(grant.map(|lifetime| lifetime.as_secs()), expected, "{name}");
        }
        // Without a default audience, the request must have one that the rule grants.
        let defaults = IssuanceDefaults { audience: None, ..DEFAULTS };
        let caller = Caller::Iam(ROLE.into());
        for (name, claims, expected) in [
            ("no audience", json!({"sub": "test"}), Err(DeniedField::Audience)),
            (
                "an empty list as the audience",
                json!({"sub": "test", "aud": []}),
                Err(DeniedField::Audience),
            ),
            ("an audience", json!({"sub": "test", "aud": "https://api.example/"}), Ok(300)),
            ("no subject", json!({"aud": "https://api.example/"}), Err(DeniedField::Subject)),
        ] {
            let claims = claims.as_object().unwrap();
            let request = IssuanceRequest { claims, lifetime: None };
            let grant = policy.grant(&request, &caller, &defaults);
            assert_eq!(grant.map(|lifetime| lifetime.as_secs()), expected, "{name}");
        }
        let empty: IssuancePolicy = "[]".parse().unwrap();
        let claims = Map::new();
        let request = IssuanceRequest { claims: &claims, lifetime: None };
        assert_eq!(empty.grant(&request, &Caller::Invoke, &defaults), Err(DeniedField::Caller));
    }

    #[test]
    fn invalid_policies_are_rejected() {
        let rows = [
            ("the longest lifetime", json!([{"caller": "*", "max_lifetime": 3600}]), Ok(())),
            ("no caller in a list", json!([{"caller": []}]), Err(IssuancePolicyError::Caller(1))),
            (
                "a name as the caller",
                json!([{"caller": "invoke"}, {"caller": "ann"}]),
                Err(IssuancePolicyError::Caller(2)),
            ),
            ("part of an ARN", json!([{"caller": "arn:*"}]), Err(IssuancePolicyError::Caller(1))),
            (
                "no lifetime",
                json!([{"caller": "*", "max_lifetime": 0}]),
                Err(IssuancePolicyError::Lifetime(1)),
            ),
            (
                "a lifetime longer than the maximum",
                json!([{"caller": "*", "max_lifetime": 3601}]),
                Err(IssuancePolicyError::Lifetime(1)),
            ),
            ("a wildcard in the name of a role", json!([{"caller": format!("{ROLE}-*")}]), Ok(())),
            (
                "a wildcard below the path of a role",
                json!([{"caller": "arn:aws:iam::1:role/service/*"}]),
                Err(IssuancePolicyError::RolePath(1)),
            ),
        ];
        for (name, policy, expected) in rows {
            let parsed = policy.to_string().parse::<IssuancePolicy>();
            let checked = parsed.and_then(|policy| policy.fits(Duration::from_hours(1)));
            assert_eq!(checked, expected, "{name}");
        }
        let rows = [
            ("empty text", "", "is not a JSON list of rules: "),
            ("an object", "{}", "is not a JSON list of rules: "),
            ("a list as a rule", r#"[["*"]]"#, "is not a JSON list of rules: "),
            (
                "a repeated claim",
                r#"[{"caller":"*","claims":{"a":"b","a":"c"}}]"#,
                "is not a JSON list of rules: ",
            ),
            ("no caller", r#"[{"subject":"a"}]"#, "rule 1: missing field `caller`"),
            (
                "an unknown member",
                r#"[{"caller":"*"},{"caller":"*","scopes":"a"}]"#,
                "rule 2: unknown field `scopes`, expected one of ",
            ),
            (
                "a number as the subject",
                r#"[{"caller":"*","subject":1}]"#,
                "rule 1: expected a string or a list of strings",
            ),
            (
                "a number as the claims",
                r#"[{"caller":"*","claims":1}]"#,
                "rule 1: expected the names of claims, or an object with the values of each claim",
            ),
        ];
        for (name, text, expected) in rows {
            let message = text.parse::<IssuancePolicy>().unwrap_err().to_string();
            assert!(message.starts_with(expected), "{name}: {message}");
        }
    }
}
