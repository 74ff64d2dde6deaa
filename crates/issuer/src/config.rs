use std::time::Duration;

use jwt::{PLAIN_IDENTIFIER_RULE, is_plain_identifier};
use policy::issuance::IssuancePolicy;
use runtime::{Names, Settings, table};

/// The settings of the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Which caller may ask for which token. `None`: every caller that IAM admits, for any claims.
    pub policy: Option<IssuancePolicy>,
}

impl IssuerConfig {
    /// Reads the settings. `None` means that a problem was noted in `settings`.
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
        let (Some(issuer), Some(audiences), Some(token_type), Some(policy)) = (
            settings.required(&table::TOKEN_ISSUER),
            settings.optional(&table::TOKEN_AUDIENCE),
            settings.get(&table::TOKEN_TYPE),
            policy,
        ) else {
            return None;
        };
        let (lifetime, lifetime_max) = lifetimes?;
        let Names(audiences) = audiences.unwrap_or_default();
        let audience = audiences.into_iter().next();
        if audience.as_deref().is_some_and(|audience| !is_plain_identifier(audience)) {
            return settings.problem(&table::TOKEN_AUDIENCE, PLAIN_IDENTIFIER_RULE);
        }
        Some(Self { issuer, audience, token_type, lifetime, lifetime_max, policy })
    }

    /// Whether the tokens are JWT access tokens (RFC 9068).
    pub(crate) fn issues_access_tokens(&self) -> bool {
        jwt::is_same_token_type(&self.token_type, "at+jwt")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl IssuerConfig {
        /// The defaults, with this `iss`.
        pub(crate) fn with_issuer(issuer: &str) -> Self {
            let hour = Duration::from_hours(1);
            Self {
                issuer: issuer.into(),
                audience: None,
                token_type: "JWT".into(),
                lifetime: hour,
                lifetime_max: hour,
                policy: None,
            }
        }
    }

    fn read(values: &[(&str, &str)]) -> Result<IssuerConfig, String> {
        let pairs = values.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings: Settings = pairs.collect();
        let config = IssuerConfig::read(&mut settings);
        settings.finish(config).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_are_read_and_checked() {
        let defaults = IssuerConfig::with_issuer("us");
        let with_audience = IssuerConfig { audience: Some("a".into()), ..defaults.clone() };
        let with_lifetime = IssuerConfig { lifetime: Duration::from_mins(1), ..defaults.clone() };
        let rows = [
            ("defaults", vec![("TOKEN_ISSUER", "us")], Ok(defaults)),
            (
                "audience with white space",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_AUDIENCE", "a b")],
                Err(
                    "TOKEN_AUDIENCE must not contain white space, control characters or bidirectional \
                     formatting characters".into(),
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
}
