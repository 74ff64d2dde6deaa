use std::str::FromStr;

use policy::{access::AccessRules, revocation::Revocations};
use runtime::{Names, Settings, table};

use crate::{CredentialSources, EventFormat};

/// The settings of the authorizer.
#[derive(Debug)]
pub struct AuthorizerConfig {
    /// The requirements on a valid token.
    pub token: jwt::Validation,
    /// The access rules. `None`: every valid token opens every route.
    pub rules: Option<AccessRules>,
    /// The tokens that are refused although they have not expired.
    pub revocations: Revocations,
    /// The form of the response to HTTP APIs (format 2.0).
    pub http_api_response: HttpApiResponse,
    /// Where the credentials of a request are.
    pub credentials: CredentialSources,
}

/// The form of the response to HTTP APIs, as the API's authorizer is configured (`EnableSimpleResponses`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpApiResponse {
    /// An IAM policy.
    #[default]
    Iam,
    /// A simple response: `isAuthorized`.
    Simple,
}

impl FromStr for HttpApiResponse {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "iam" => Ok(Self::Iam),
            "simple" => Ok(Self::Simple),
            _ => Err("must be iam or simple"),
        }
    }
}

impl AuthorizerConfig {
    /// The defaults of all settings, for such tokens.
    #[must_use]
    pub fn new(token: jwt::Validation) -> Self {
        Self {
            token,
            rules: None,
            revocations: Revocations::default(),
            http_api_response: HttpApiResponse::default(),
            credentials: CredentialSources::default(),
        }
    }

    /// Reads the settings. `None` means that a problem was added to `settings`.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let (
            Some(issuer),
            Some(audiences),
            Some(token_type),
            Some(leeway),
            Some(rules),
            Some(revocations),
            Some(http_api_response),
            Some(credentials),
        ) = (
            settings.required(&table::TOKEN_ISSUER),
            settings.optional(&table::TOKEN_AUDIENCE),
            settings.get::<jwt::TokenType>(&table::TOKEN_TYPE),
            settings.duration(&table::CLOCK_LEEWAY_SECONDS),
            settings.optional(&table::ACCESS_RULES),
            settings.optional(&table::REVOCATIONS),
            settings.get(&table::HTTP_API_RESPONSE),
            CredentialSources::read(settings),
        )
        else {
            return None;
        };
        let Names(audiences) = audiences.unwrap_or_default();
        let token = jwt::Validation::new(Some(issuer), Some(audiences))
            .with_token_type(token_type)
            .with_leeway(leeway);
        let revocations = revocations.unwrap_or_default();
        Some(Self { token, rules, revocations, http_api_response, credentials })
    }

    /// Logs what is probably a mistake in the settings, although they are valid.
    pub(crate) fn log_warnings(&self) {
        let own = self.token.issuer.as_deref();
        for issuer in self.revocations.issuers().filter(|issuer| Some(*issuer) != own) {
            tracing::warn!(
                %issuer,
                "REVOCATIONS names an issuer other than TOKEN_ISSUER: this entry has an effect at the token endpoint only"
            );
        }
        for warning in self.rules.iter().flat_map(AccessRules::warnings) {
            tracing::warn!(%warning, "ACCESS_RULES has a problem");
        }
    }

    /// Whether the response to an event of this format is a simple one.
    pub(crate) fn has_simple_response(&self, format: EventFormat) -> bool {
        format.accepts_simple_response() && self.http_api_response == HttpApiResponse::Simple
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Subprotocol;

    fn read(values: &[(&str, &str)]) -> Result<AuthorizerConfig, String> {
        let pairs = values.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings: Settings = pairs.collect();
        let config = AuthorizerConfig::read(&mut settings);
        settings.finish(config).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_are_read_and_checked() {
        let defaults = read(&[("TOKEN_ISSUER", "us"), ("ACCESS_RULES", "")]).unwrap();
        let token = jwt::Validation::new(Some("us".into()), Some(vec![]));
        assert_eq!(defaults.token, token);
        assert!(defaults.rules.is_none() && defaults.credentials == CredentialSources::default());
        assert!(defaults.revocations.is_empty());
        assert_eq!(defaults.http_api_response, HttpApiResponse::Iam);

        let explicit = read(&[("TOKEN_ISSUER", "us"), ("HTTP_API_RESPONSE", "iam")]).unwrap();
        assert_eq!(explicit.http_api_response, HttpApiResponse::Iam);

        let full = read(&[
            ("TOKEN_ISSUER", "us"),
            ("TOKEN_AUDIENCE", "a, b"),
            ("TOKEN_TYPE", "at+jwt"),
            ("CLOCK_LEEWAY_SECONDS", "300"),
            ("ACCESS_RULES", r#"[{"route": "GET /a", "any": true}]"#),
            ("REVOCATIONS", r#"[{"iss": "us", "jti": "1"}]"#),
            ("HTTP_API_RESPONSE", "simple"),
            ("WEBSOCKET_TOKEN_PROTOCOL", "bearer"),
        ]);
        let full = full.unwrap();
        let audiences = vec!["a".into(), "b".into()];
        let token = jwt::Validation::new(Some("us".into()), Some(audiences))
            .with_token_type("at+jwt")
            .with_leeway(Duration::from_mins(5));
        assert_eq!(full.token, token);
        assert!(full.rules.is_some());
        assert_eq!(full.revocations.len(), 1);
        assert_eq!(full.http_api_response, HttpApiResponse::Simple);
        assert_eq!(full.credentials.websocket_protocol, Some(Subprotocol("bearer".into())));

        let problems = read(&[
            ("CLOCK_LEEWAY_SECONDS", "301"),
            ("TOKEN_AUDIENCE", " , "),
            ("ACCESS_RULES", "[]"),
            ("REVOCATIONS", r#"[{"iss": "us"}]"#),
            ("HTTP_API_RESPONSE", "yes"),
            ("WEBSOCKET_TOKEN_PROTOCOL", "a b"),
        ]);
        assert_eq!(
            problems.unwrap_err(),
            "TOKEN_ISSUER is required; \
             TOKEN_AUDIENCE must be names separated by commas, none of them empty; \
             CLOCK_LEEWAY_SECONDS must be from 0 to 300 seconds; \
             ACCESS_RULES has no rules: add one, or remove the setting to open every route to every valid token; \
             REVOCATIONS revocation 1 must have `iss` and `jti`, or `iss`, `sub` and `issued_before`; \
             HTTP_API_RESPONSE must be iam or simple; \
             WEBSOCKET_TOKEN_PROTOCOL must be the name of a WebSocket subprotocol, such as bearer"
        );
    }
}
