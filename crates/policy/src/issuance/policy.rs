use std::{collections::BTreeMap, str::FromStr, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Caller, caller::is_vague};
use crate::glob::Patterns;

/// Who may ask for what: `ISSUANCE_POLICY`.
///
/// A request is granted when one rule for its caller grants all of it. What a rule does not name, it
/// does not grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuancePolicy(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    caller: Patterns,
    #[serde(default)]
    subject: Patterns,
    #[serde(default)]
    audience: Patterns,
    #[serde(default)]
    scope: Patterns,
    #[serde(default)]
    claims: Claims,
    max_lifetime: Option<u64>,
}

/// The names of further claims, with any value; or with the values that each may have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Claims {
    Names(Patterns),
    Values(BTreeMap<String, Patterns>),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct IssuanceRequest<'a> {
    /// The claims.
    pub claims: &'a Map<String, Value>,
    /// The lifetime, if the request has one.
    pub lifetime: Option<Duration>,
}

/// What the issuer gives where a request or a rule does not say.
#[derive(Debug, Clone, Copy)]
pub struct IssuanceDefaults<'a> {
    /// `aud` where the request has none. Every caller may have it.
    pub audience: Option<&'a str>,
    /// The lifetime where the request has none.
    pub lifetime: Duration,
    /// The longest lifetime where the rule has none.
    pub lifetime_max: Duration,
}

/// What of a request no rule grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DeniedField {
    /// There is no rule for this caller.
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
    /// A further claim, or its value.
    #[error("a claim")]
    Claim,
    /// `expires_in`.
    #[error("the lifetime")]
    Lifetime,
}

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuancePolicyError {
    /// Not JSON, or of another form.
    #[error("is not a JSON list of rules: {0}")]
    Form(String),
    /// A caller is neither an ARN nor `invoke`.
    #[error("rule {0}: caller is *, invoke, or the ARN of an IAM user, role or session")]
    Caller(usize),
    /// A session does not tell its role's path.
    #[error(
        "rule {0}: a session does not tell its role's path; name the role, or leave out the path"
    )]
    RolePath(usize),
    /// A lifetime is none, or longer than a token's can be.
    #[error("rule {0}: max_lifetime is from 1 second to TOKEN_LIFETIME_MAX_SECONDS")]
    Lifetime(usize),
}

impl FromStr for IssuancePolicy {
    type Err = IssuancePolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = |error: &dyn std::error::Error| IssuancePolicyError::Form(error.to_string());
        let objects = jwt::json::objects(text.as_bytes()).map_err(|error| form(&error))?;
        let rule = |members: Map<_, _>| serde_json::from_value(members.into());
        let rules: Vec<Rule> = objects
            .into_iter()
            .map(rule)
            .collect::<Result<_, _>>()
            .map_err(|error| form(&error))?;
        for (at, rule) in rules.iter().enumerate() {
            let known = |caller: &String| {
                caller == "*" || caller == "invoke" || caller.splitn(6, ':').count() == 6
            };
            let callers = rule.caller.as_slice();
            if callers.is_empty() || !callers.iter().all(known) {
                return Err(IssuancePolicyError::Caller(at + 1));
            }
            if callers.iter().any(|caller| is_vague(caller)) {
                return Err(IssuancePolicyError::RolePath(at + 1));
            }
            if rule.max_lifetime == Some(0) {
                return Err(IssuancePolicyError::Lifetime(at + 1));
            }
        }
        Ok(Self(rules))
    }
}

impl IssuancePolicy {
    /// Checks that every rule's lifetime is one that a token can have.
    ///
    /// # Errors
    /// When one is longer.
    pub fn fits(&self, lifetime_max: Duration) -> Result<(), IssuancePolicyError> {
        let longer =
            |rule: &Rule| rule.max_lifetime.is_some_and(|max| max > lifetime_max.as_secs());
        match self.0.iter().position(longer) {
            Some(at) => Err(IssuancePolicyError::Lifetime(at + 1)),
            None => Ok(()),
        }
    }

    /// Grants a request, with the lifetime that it gets; or says what of it is not granted, by the rule
    /// that grants the most.
    ///
    /// # Errors
    /// When no rule grants all of it.
    pub fn grant(
        &self,
        request: &IssuanceRequest<'_>,
        caller: &Caller,
        defaults: &IssuanceDefaults<'_>,
    ) -> Result<Duration, DeniedField> {
        let mut refused = DeniedField::Caller;
        for rule in
            self.0.iter().filter(|rule| rule.caller.as_slice().iter().any(|it| caller.is(it)))
        {
            match rule.grant(request, defaults) {
                Ok(lifetime) => return Ok(lifetime),
                Err(part) => refused = refused.max(part),
            }
        }
        Err(refused)
    }
}

impl Rule {
    fn grant(
        &self,
        request: &IssuanceRequest<'_>,
        defaults: &IssuanceDefaults<'_>,
    ) -> Result<Duration, DeniedField> {
        let texts = |name: &str| match request.claims.get(name) {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            Some(_) => vec![""],
        };
        let all = |texts: &[&str], patterns: &Patterns| texts.iter().all(|text| patterns.fit(text));
        // To ask for none is to ask for one that is empty, where the rule says which there may be.
        let or_none = |texts: Vec<&'_ str>, patterns: &Patterns| {
            let demanded = texts.is_empty() && !patterns.as_slice().is_empty();
            all(if demanded { &[""] } else { &texts }, patterns)
        };
        if !or_none(texts("sub"), &self.subject) {
            return Err(DeniedField::Subject);
        }
        // The issuer's own is everybody's.
        let own = defaults.audience;
        let asked: Vec<&str> = texts("aud").into_iter().filter(|aud| Some(*aud) != own).collect();
        let given = own.is_some() && asked.is_empty();
        if !given && !or_none(asked, &self.audience) {
            return Err(DeniedField::Audience);
        }
        let scopes: Vec<&str> = texts("scope").iter().flat_map(|scope| scope.split(' ')).collect();
        if !all(&scopes, &self.scope) {
            return Err(DeniedField::Scope);
        }
        let others = request.claims.iter().filter(|(name, _)| !OWN.contains(&&***name));
        for (name, value) in others {
            if !self.claims.fit(name, value) {
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

impl Claims {
    fn fit(&self, name: &str, value: &Value) -> bool {
        match self {
            Self::Names(names) => names.fit(name),
            Self::Values(values) => {
                let text = value.as_str();
                values.get(name).zip(text).is_some_and(|(patterns, text)| patterns.fit(text))
            }
        }
    }
}

impl Default for Claims {
    fn default() -> Self {
        Self::Names(Patterns::default())
    }
}

/// The claims that have a member of their own in a rule.
const OWN: [&str; 3] = ["sub", "aud", "scope"];

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

    /// Caller, request, answer.
    #[test]
    fn what_is_granted() {
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
        let granted = |seconds| Ok(seconds);
        let rows = [
            (SESSION, json!({"sub": "orders-1"}), None, granted(300)),
            (ROLE, json!({"sub": "test", "scope": "orders:read read"}), Some(300), granted(300)),
            (SESSION, json!({"sub": "test", "tenant": 7, "x-a": {}}), Some(1), granted(1)),
            (SESSION, json!({"sub": "test", "aud": "https://api.example/a"}), None, granted(300)),
            (SESSION, json!({"sub": "test", "aud": "own"}), None, granted(300)),
            (
                SESSION,
                json!({"sub": "test", "aud": ["own", "other"]}),
                None,
                Err(DeniedField::Audience),
            ),
            (
                SESSION,
                json!({"sub": "test", "aud": ["https://api.example/", "b"]}),
                None,
                Err(DeniedField::Audience),
            ),
            (SESSION, json!({}), None, Err(DeniedField::Subject)),
            (SESSION, json!({"sub": "other"}), None, Err(DeniedField::Subject)),
            (
                SESSION,
                json!({"sub": "test", "scope": "orders:read write"}),
                None,
                Err(DeniedField::Scope),
            ),
            (SESSION, json!({"sub": "test", "scope": ["read"]}), None, granted(300)),
            (SESSION, json!({"sub": "test", "scope": {"a": 1}}), None, Err(DeniedField::Scope)),
            (SESSION, json!({"sub": "test", "scope": "read  read"}), None, Err(DeniedField::Scope)),
            (SESSION, json!({"sub": "test", "role": "a"}), None, Err(DeniedField::Claim)),
            (SESSION, json!({"sub": "test"}), Some(301), Err(DeniedField::Lifetime)),
            (
                SESSION,
                json!({"sub": "admin", "scope": "admin", "role": "bb"}),
                Some(3600),
                granted(3600),
            ),
            (SESSION, json!({"sub": "admin", "role": "c"}), None, Err(DeniedField::Claim)),
            (SESSION, json!({"sub": "admin", "role": ["a"]}), None, Err(DeniedField::Claim)),
            (SESSION, json!({"sub": "admin", "aud": "b"}), None, Err(DeniedField::Audience)),
            (
                "invoke",
                json!({"sub": "x", "aud": ["a"], "scope": "a b", "c": null}),
                None,
                granted(600),
            ),
            ("arn:aws:iam::123456789012:user/a", json!({}), None, granted(600)),
            (
                "arn:aws:iam::123456789012:user/a",
                json!({"sub": "a"}),
                None,
                Err(DeniedField::Subject),
            ),
            ("arn:aws:iam::999999999999:user/a", json!({}), None, Err(DeniedField::Caller)),
        ];
        for (caller, claims, seconds, expected) in rows {
            let named = caller.to_owned();
            let who = if caller == "invoke" { Caller::Invoke } else { Caller::Iam(named) };
            let request = IssuanceRequest {
                claims: claims.as_object().unwrap(),
                lifetime: seconds.map(Duration::from_secs),
            };
            let grant = policy.grant(&request, &who, &DEFAULTS);
            assert_eq!(grant.map(|lifetime| lifetime.as_secs()), expected, "{caller} {claims}");
        }
        // Without an audience of the issuer's own, one that fits must be asked for.
        let defaults = IssuanceDefaults { audience: None, ..DEFAULTS };
        let caller = Caller::Iam(ROLE.into());
        for (claims, expected) in [
            (json!({"sub": "test"}), Err(DeniedField::Audience)),
            (json!({"sub": "test", "aud": []}), Err(DeniedField::Audience)),
            (json!({"sub": "test", "aud": "https://api.example/"}), Ok(300)),
            (json!({"aud": "https://api.example/"}), Err(DeniedField::Subject)),
        ] {
            let claims = claims.as_object().unwrap();
            let request = IssuanceRequest { claims, lifetime: None };
            let grant = policy.grant(&request, &caller, &defaults);
            assert_eq!(grant.map(|lifetime| lifetime.as_secs()), expected);
        }
        let nobody: IssuancePolicy = "[]".parse().unwrap();
        let claims = Map::new();
        let request = IssuanceRequest { claims: &claims, lifetime: None };
        assert_eq!(nobody.grant(&request, &Caller::Invoke, &defaults), Err(DeniedField::Caller));
    }

    #[test]
    fn policies_that_are_none() {
        let rows = [
            (json!([{"caller": "*", "max_lifetime": 3600}]), Ok(())),
            (json!([{"caller": []}]), Err(IssuancePolicyError::Caller(1))),
            (json!([{"caller": "invoke"}, {"caller": "ann"}]), Err(IssuancePolicyError::Caller(2))),
            (json!([{"caller": "arn:*"}]), Err(IssuancePolicyError::Caller(1))),
            (json!([{"caller": "*", "max_lifetime": 0}]), Err(IssuancePolicyError::Lifetime(1))),
            (json!([{"caller": "*", "max_lifetime": 3601}]), Err(IssuancePolicyError::Lifetime(1))),
            (json!([{"caller": format!("{ROLE}-*")}]), Ok(())),
            (
                json!([{"caller": "arn:aws:iam::1:role/service/*"}]),
                Err(IssuancePolicyError::RolePath(1)),
            ),
        ];
        for (policy, expected) in rows {
            let read = policy.to_string().parse::<IssuancePolicy>();
            let read = read.and_then(|policy| policy.fits(Duration::from_hours(1)));
            assert_eq!(read, expected, "{policy}");
        }
        for text in [
            "",
            "{}",
            r#"[{"subject":"a"}]"#,
            r#"[{"caller":"*","scopes":"a"}]"#,
            r#"[["*"]]"#,
            r#"[{"caller":"*","claims":{"a":"b","a":"c"}}]"#,
        ] {
            assert!(
                matches!(text.parse::<IssuancePolicy>(), Err(IssuancePolicyError::Form(_))),
                "{text}"
            );
        }
    }
}
