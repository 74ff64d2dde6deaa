use std::time::Duration;

use jwt::is_plain_identifier;
use policy::issuance::IssuancePolicy;
use runtime::{Names, Settings, table};

/// What every token of this issuer has in common, and how long one may live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerConfig {
    /// `iss`.
    pub issuer: String,
    /// `aud` where the request names none.
    pub audience: Option<String>,
    /// `typ`.
    pub token_type: String,
    /// The life of a token where the request names none.
    pub lifetime: Duration,
    /// The longest life that a request may name.
    pub lifetime_max: Duration,
    /// Who may ask for what; without a policy, whoever IAM lets in, for anything.
    pub policy: Option<IssuancePolicy>,
}

impl IssuerConfig {
    /// `None` means that a problem was noted.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let lifetime = settings.duration(&table::TOKEN_LIFETIME_SECONDS);
        let lifetime_max = settings.duration(&table::TOKEN_LIFETIME_MAX_SECONDS);
        let mut lifetimes = lifetime.zip(lifetime_max);
        if lifetimes.is_some_and(|(lifetime, max)| lifetime > max) {
            let problem = "must not exceed TOKEN_LIFETIME_MAX_SECONDS";
            lifetimes = settings.problem(&table::TOKEN_LIFETIME_SECONDS, problem);
        }
        let policy: Option<Option<IssuancePolicy>> = settings.optional(&table::ISSUANCE_POLICY);
        if let (Some(Some(policy)), Some(max)) = (&policy, lifetime_max)
            && let Err(problem) = policy.fits(max)
        {
            return settings.problem(&table::ISSUANCE_POLICY, problem);
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
            let problem = "must not contain white space, control characters or bidirectional formatting \
                           characters";
            return settings.problem(&table::TOKEN_AUDIENCE, problem);
        }
        Some(Self { issuer, audience, token_type, lifetime, lifetime_max, policy })
    }

    /// Whether tokens are access tokens as RFC 9068 has them.
    pub(crate) fn are_access_tokens(&self) -> bool {
        jwt::is_same_token_type(&self.token_type, "at+jwt")
    }

    /// Where the issuer's public half is found, if its name is a URL that can be: https, or http on
    /// this machine, with no query, no fragment and no slash at the end (RFC 8414 section 2, `OpenID` Connect
    /// Discovery 1.0 section 4).
    pub(crate) fn issuer_url(&self) -> Option<&str> {
        let plain = self.issuer.strip_prefix("http://").filter(|host| {
            let name = host.split(['/', ':']).next();
            matches!(name, Some("localhost" | "127.0.0.1"))
        });
        let host = self.issuer.strip_prefix("https://").or(plain)?;
        let fits = |c: char| c.is_ascii_graphic() && c != '?' && c != '#';
        let valid = host.starts_with(|c: char| c.is_ascii_alphanumeric())
            && host.chars().all(fits)
            && !host.ends_with('/');
        valid.then_some(&*self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl IssuerConfig {
        /// An issuer of this name, with the defaults.
        pub(crate) fn of(issuer: &str) -> Self {
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

    #[test]
    fn issuers_that_can_be_found() {
        let rows = [
            ("https://issuer.example", true),
            ("https://issuer.example/v1", true),
            ("https://localhost:8443", true),
            ("https://issuer.example/", false),
            ("https://issuer.example/v1/", false),
            ("https://issuer.example?a", false),
            ("https://issuer.example#a", false),
            ("https://", false),
            ("https:///a", false),
            ("https://issuer example", false),
            ("http://127.0.0.1:3000", true),
            ("http://localhost/a", true),
            ("http://127.0.0.1.example", false),
            ("http://127.0.0.1@issuer.example", false),
            ("http://issuer.example", false),
            ("HTTPS://issuer.example", false),
            ("countersign", false),
        ];
        for (issuer, expected) in rows {
            assert_eq!(IssuerConfig::of(issuer).issuer_url().is_some(), expected, "{issuer}");
        }
    }

    fn read(values: &[(&str, &str)]) -> Result<IssuerConfig, String> {
        let pairs = values.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings: Settings = pairs.collect();
        {
            let config = IssuerConfig::read(&mut settings);
            settings.finish(config).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn settings() {
        let plain = IssuerConfig::of("us");
        let first = IssuerConfig { audience: Some("a".into()), ..plain.clone() };
        let short = IssuerConfig { lifetime: Duration::from_mins(1), ..plain.clone() };
        let rows = [
            ("defaults", vec![("TOKEN_ISSUER", "us")], Ok(plain)),
            (
                "an audience with white space",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_AUDIENCE", "a b")],
                Err(
                    "TOKEN_AUDIENCE must not contain white space, control characters or bidirectional \
                     formatting characters".into(),
                ),
            ),
            (
                "the first audience",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_AUDIENCE", " a, b")],
                Ok(first),
            ),
            (
                "a lifetime",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_LIFETIME_SECONDS", "60")],
                Ok(short),
            ),
            (
                "longer than allowed",
                vec![("TOKEN_ISSUER", "us"), ("TOKEN_LIFETIME_SECONDS", "3601")],
                Err("TOKEN_LIFETIME_SECONDS must not exceed TOKEN_LIFETIME_MAX_SECONDS".into()),
            ),
            (
                "a policy for longer than allowed",
                vec![
                    ("TOKEN_ISSUER", "us"),
                    ("ISSUANCE_POLICY", r#"[{"caller":"*","max_lifetime":3601}]"#),
                ],
                Err("ISSUANCE_POLICY rule 1: `max_lifetime` must be from 1 second to \
                     TOKEN_LIFETIME_MAX_SECONDS"
                    .into()),
            ),
            (
                "several problems",
                vec![("TOKEN_LIFETIME_SECONDS", "0"), ("TOKEN_LIFETIME_MAX_SECONDS", "1h")],
                Err("TOKEN_LIFETIME_SECONDS must be from 1 to 31536000 seconds; \
                     TOKEN_LIFETIME_MAX_SECONDS must be a whole number of seconds; \
                     TOKEN_ISSUER is required"
                    .into()),
            ),
            (
                "problems of two kinds",
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
