use std::{str::FromStr, time::Duration};

use jwt::{PLAIN_IDENTIFIER_RULE, is_plain_identifier};
use oidc::{Transport, TrustedIssuers, TrustedIssuersError};
use policy::{
    issuance::{IssuanceDefaults, IssuancePolicy, KnownIssuer},
    revocation::Revocations,
};
use runtime::{Names, Settings, table};

use crate::issuer_url::issuer_url;

/// The settings of the issuer.
#[derive(Debug, Clone, PartialEq)]
pub struct IssuerConfig {
    /// The `iss` of every token.
    pub issuer: String,
    /// The `aud` of a token whose request has none.
    pub audience: Option<String>,
    /// The `typ` of every token.
    pub token_type: String,
    /// The lifetime of a token whose request has no `expires_in`.
    pub lifetime: Duration,
    /// The longest lifetime that a request may ask for.
    pub lifetime_max: Duration,
    /// The tokens that each caller may request. `None`: every caller that IAM admits may request any claims.
    pub policy: Option<IssuancePolicy>,
    /// The routes that the function serves.
    pub routes: Routes,
    /// The assertions that are refused before they expire.
    pub revocations: Revocations,
    /// The issuers and clients whose assertions get a token at the token endpoint. `None`: there is no such endpoint.
    pub trusted_issuers: Option<TrustedIssuers>,
}

/// The routes of a function. Each function has only those of one kind, so that no request reaches `/token` without IAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routes {
    /// `/token`, whose callers IAM has authenticated, direct invocations, and the public documents.
    Iam,
    /// `/oauth2/token`, whose callers prove their identity in the request, and `/oauth2/authorize`.
    OAuth,
}

impl FromStr for Routes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "iam" => Ok(Self::Iam),
            "oauth2" => Ok(Self::OAuth),
            _ => Err("must be iam or oauth2"),
        }
    }
}

/// [`TrustedIssuers`] with providers on this machine.
struct LocalTrustedIssuers(TrustedIssuers);

impl FromStr for LocalTrustedIssuers {
    type Err = TrustedIssuersError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        TrustedIssuers::read(text, Transport::LoopbackHttp).map(Self)
    }
}

impl IssuerConfig {
    /// The defaults of all settings, with this `iss`.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        let hour = Duration::from_hours(1);
        Self {
            issuer: issuer.into(),
            audience: None,
            token_type: "JWT".into(),
            lifetime: hour,
            lifetime_max: hour,
            policy: None,
            routes: Routes::Iam,
            revocations: Revocations::default(),
            trusted_issuers: None,
        }
    }

    /// Reads the settings. `None` means that a problem was added to `settings`.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let lifetime = settings.duration(&table::TOKEN_LIFETIME_SECONDS);
        let lifetime_max = settings.duration(&table::TOKEN_LIFETIME_MAX_SECONDS);
        let mut lifetimes = lifetime.zip(lifetime_max);
        if lifetimes.is_some_and(|(lifetime, max)| lifetime > max) {
            let problem = "must not exceed TOKEN_LIFETIME_MAX_SECONDS";
            lifetimes = settings.problem(&table::TOKEN_LIFETIME_SECONDS, problem);
        }
        let mut policy: Option<Option<IssuancePolicy>> = settings.optional(&table::ISSUANCE_POLICY);
        if let (Some(Some(rules)), Some(max)) = (&policy, lifetime_max)
            && let Err(problem) = rules.check_lifetimes(max)
        {
            policy = settings.problem(&table::ISSUANCE_POLICY, problem);
        }
        let issuer: Option<String> = settings.required(&table::TOKEN_ISSUER);
        let routes = settings.get(&table::ISSUER_ROUTES);
        let trusted = read_trusted_issuers(settings, issuer.as_deref(), policy.as_ref(), routes);
        let (Some(issuer), Some(audiences), Some(token_type), Some(policy), Some(revocations)) = (
            issuer,
            settings.optional(&table::TOKEN_AUDIENCE),
            settings.get::<jwt::TokenType>(&table::TOKEN_TYPE),
            policy,
            settings.optional(&table::REVOCATIONS),
        ) else {
            return None;
        };
        let (routes, trusted_issuers) = (routes?, trusted?);
        let (lifetime, lifetime_max) = lifetimes?;
        let Names(audiences) = audiences.unwrap_or_default();
        let audience = audiences.into_iter().next();
        if audience.as_deref().is_some_and(|audience| !is_plain_identifier(audience)) {
            return settings.problem(&table::TOKEN_AUDIENCE, PLAIN_IDENTIFIER_RULE);
        }
        Some(Self {
            issuer,
            audience,
            token_type: token_type.into(),
            lifetime,
            lifetime_max,
            policy,
            routes,
            revocations: revocations.unwrap_or_default(),
            trusted_issuers,
        })
    }

    /// What applies to a request if it or the rule that grants it leaves it out.
    pub(crate) fn issuance_defaults(&self) -> IssuanceDefaults<'_> {
        IssuanceDefaults {
            audience: self.audience.as_deref(),
            lifetime: self.lifetime,
            lifetime_max: self.lifetime_max,
        }
    }

    /// What applies to a grant of OAuth if the request or the rule leaves it out.
    pub(crate) fn oauth_defaults(&self) -> IssuanceDefaults<'_> {
        let lifetime = OAUTH_LIFETIME.min(self.lifetime_max);
        IssuanceDefaults { lifetime, ..self.issuance_defaults() }
    }

    /// Whether the tokens are JWT access tokens (RFC 9068).
    pub(crate) fn issues_access_tokens(&self) -> bool {
        jwt::is_same_token_type(&self.token_type, "at+jwt")
    }
}

/// The lifetime of a token that a grant of OAuth gives for a request without `expires_in`.
const OAUTH_LIFETIME: Duration = Duration::from_mins(15);

/// The trusted issuers, as [`IssuancePolicy::issuer_problems`] needs them.
#[must_use]
pub fn known_issuers(trusted: &TrustedIssuers) -> Vec<KnownIssuer<'_>> {
    let known = trusted.entries().iter().map(|entry| KnownIssuer {
        name: &entry.issuer,
        is_client: entry.is_client,
        has_required_claims: !entry.required_claims.is_empty(),
    });
    known.collect()
}

/// Reads the trusted issuers, and checks them with the other settings. `None` means that a problem was noted.
#[expect(clippy::option_option, reason = "outer None: a problem was noted; inner None: not set")]
fn read_trusted_issuers(
    settings: &mut Settings,
    issuer: Option<&str>,
    policy: Option<&Option<IssuancePolicy>>,
    routes: Option<Routes>,
) -> Option<Option<TrustedIssuers>> {
    let setting = &table::TRUSTED_ISSUERS;
    // A provider on this machine is for tests, in which the issuer is on this machine too.
    let is_local = issuer.is_some_and(|issuer| issuer.starts_with("http://"));
    let trusted = if is_local {
        settings.optional(setting)?.map(|LocalTrustedIssuers(trusted)| trusted)
    } else {
        settings.optional(setting)?
    };
    let Some(trusted) = trusted else {
        if routes == Some(Routes::OAuth) {
            return settings.problem(setting, "is required with ISSUER_ROUTES=oauth2");
        }
        return Some(None);
    };
    let trusted: TrustedIssuers = trusted;
    if trusted.is_empty() {
        return settings.problem(setting, "must have at least one issuer");
    }
    if let Some(issuer) = issuer {
        if issuer_url(issuer).is_none() {
            let problem = "requires that TOKEN_ISSUER is the https URL of the API, without a slash at its end";
            return settings.problem(setting, problem);
        }
        if let Err(problem) = trusted.check_own_issuer(issuer) {
            return settings.problem(setting, problem);
        }
    }
    match policy {
        Some(Some(policy)) => {
            if let Err(problem) = policy.check_issuers(&known_issuers(&trusted)) {
                return settings.problem(&table::ISSUANCE_POLICY, problem);
            }
        }
        Some(None) => {
            return settings.problem(&table::ISSUANCE_POLICY, "is required with TRUSTED_ISSUERS");
        }
        // A problem was noted.
        None => return None,
    }
    Some(Some(trusted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<IssuerConfig, String> {
        let pairs = values.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings: Settings = pairs.collect();
        let config = IssuerConfig::read(&mut settings);
        settings.finish(config).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_are_read_and_checked() {
        let defaults = IssuerConfig::new("us");
        let with_audience = IssuerConfig { audience: Some("a".into()), ..defaults.clone() };
        let with_lifetime = IssuerConfig { lifetime: Duration::from_mins(1), ..defaults.clone() };
        let rows = [
            ("defaults", vec![("TOKEN_ISSUER", "us")], Ok(defaults)),
            (
                "audience with white space",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_AUDIENCE", "a b")],
                Err(
                    "TOKEN_AUDIENCE must not contain white space, control characters or invisible \
                     formatting characters"
                        .into(),
                ),
            ),
            (
                "first of several audiences",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_AUDIENCE", " a, b")],
                Ok(with_audience),
            ),
            (
                "lifetime",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_LIFETIME_SECONDS", "60")],
                Ok(with_lifetime),
            ),
            (
                "lifetime above the maximum",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_LIFETIME_SECONDS", "3601")],
                Err("TOKEN_LIFETIME_SECONDS must not exceed TOKEN_LIFETIME_MAX_SECONDS".into()),
            ),
            (
                "policy with a lifetime above the maximum",
                vec![
                    ("TOKEN_ISSUER", "us"),
                    ("ISSUANCE_POLICY", r#"[{"caller":"*","max_lifetime":3601}]"#),
                ],
                Err("ISSUANCE_POLICY rule 1: `max_lifetime` must be from 1 second to \
                     TOKEN_LIFETIME_MAX_SECONDS"
                    .into()),
            ),
            (
                "policy with a lifetime above the maximum, and no issuer",
                vec![("ISSUANCE_POLICY", r#"[{"caller":"*","max_lifetime":3601}]"#)],
                Err("ISSUANCE_POLICY rule 1: `max_lifetime` must be from 1 second to \
                     TOKEN_LIFETIME_MAX_SECONDS; TOKEN_ISSUER is required"
                    .into()),
            ),
            (
                "several invalid values",
                vec![("TOKEN_LIFETIME_SECONDS", "0"), ("TOKEN_LIFETIME_MAX_SECONDS", "1h")],
                Err("TOKEN_LIFETIME_SECONDS must be from 1 to 31536000 seconds; \
                     TOKEN_LIFETIME_MAX_SECONDS must be a whole number of seconds; \
                     TOKEN_ISSUER is required"
                    .into()),
            ),
            (
                "invalid combination and invalid value",
                vec![("TOKEN_LIFETIME_SECONDS", "3601"), ("TOKEN_AUDIENCE", "a,,b")],
                Err("TOKEN_LIFETIME_SECONDS must not exceed TOKEN_LIFETIME_MAX_SECONDS; \
                     TOKEN_ISSUER is required; \
                     TOKEN_AUDIENCE must be names separated by commas, none of them empty"
                    .into()),
            ),
        ];
        for (name, values, expected) in rows {
            assert_eq!(read(&values), expected, "{name}");
        }
    }

    #[test]
    fn trusted_issuers_are_checked_with_the_other_settings() {
        let (ci, other) = (r#"[{"issuer":"https://ci.example"}]"#, "https://other.example");
        let two = format!(r#"[{{"issuer":"https://ci.example"}},{{"issuer":"{other}"}}]"#);
        let local = r#"[{"issuer":"http://127.0.0.1:9"}]"#;
        let rule = r#"[{"caller":{"issuer":"https://ci.example","when":"true"}}]"#;
        let both = format!(
            r#"[{{"caller":{{"issuer":"https://ci.example","when":"true"}}}},{{"caller":{{"issuer":"{other}","when":"true"}}}}]"#
        );
        let (issuer, on_this_machine) = ("https://issuer.example", "http://127.0.0.1:1");
        let rows = [
            ("none", issuer, "iam", "", rule, ""),
            ("none for the open routes", issuer, "oauth2", "", rule, "TRUSTED_ISSUERS is required"),
            ("one", issuer, "oauth2", ci, rule, ""),
            ("one for the metadata", issuer, "iam", ci, rule, ""),
            ("no policy", issuer, "iam", ci, "", "ISSUANCE_POLICY is required with"),
            ("an empty list", issuer, "iam", "[]", rule, "TRUSTED_ISSUERS must have at least one"),
            (
                "a name as our issuer",
                "us",
                "iam",
                ci,
                rule,
                "TRUSTED_ISSUERS requires that TOKEN_ISSUER",
            ),
            (
                "our own issuer",
                "https://CI.example",
                "iam",
                ci,
                rule,
                "TRUSTED_ISSUERS trusted issuer 1",
            ),
            (
                "an issuer on this machine",
                issuer,
                "iam",
                local,
                "[]",
                "TRUSTED_ISSUERS trusted issuer 1",
            ),
            ("all on this machine", on_this_machine, "iam", local, "[]", ""),
            ("an unknown issuer", issuer, "iam", ci, &both, "ISSUANCE_POLICY rule 2"),
            (
                "no restriction",
                issuer,
                "oauth2",
                ci,
                r#"[{"caller":{"issuer":"https://ci.example"}}]"#,
                "ISSUANCE_POLICY rule 1: `caller` must have `when`",
            ),
            ("the same subjects", issuer, "iam", &two, &both, "ISSUANCE_POLICY rules 1 and 2"),
            ("other routes", issuer, "oauth", ci, rule, "ISSUER_ROUTES must be iam or oauth2"),
        ];
        for (name, issuer, routes, trusted, policy, expected) in rows {
            let read = read(&[
                ("TOKEN_ISSUER", issuer),
                ("ISSUER_ROUTES", routes),
                ("TRUSTED_ISSUERS", trusted),
                ("ISSUANCE_POLICY", policy),
            ]);
            let problem = read.err().unwrap_or_default();
            let fits = if expected.is_empty() {
                problem.is_empty()
            } else {
                problem.starts_with(expected)
            };
            assert!(fits, "{name}: {problem}");
        }
    }
}
