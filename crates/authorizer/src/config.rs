use std::str::FromStr;

use policy::access::AccessRules;
use runtime::{Names, Settings, table};

/// Everything about a good request that is known beforehand.
#[derive(Debug)]
pub struct AuthorizerConfig {
    /// Which tokens are ours.
    pub token: jwt::Validation,
    /// Which routes they open; without rules, all.
    pub rules: Option<AccessRules>,
    /// What an HTTP API is answered (format 2.0).
    pub http_api_response: HttpApiResponse,
    /// The WebSocket subprotocol after which a browser offers its token: a browser cannot set an
    /// `Authorization` header there. Without one, tokens are not looked for among the protocols.
    pub websocket_protocol: Option<Subprotocol>,
}

/// How an HTTP API is configured to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpApiResponse {
    /// With a policy.
    #[default]
    Iam,
    /// With a yes or a no.
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

/// The name of a WebSocket subprotocol (RFC 6455 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subprotocol(pub String);

impl FromStr for Subprotocol {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be the name of a WebSocket subprotocol, as in bearer")
        }
    }
}

impl AuthorizerConfig {
    /// Reads the settings. `None` means that a problem was noted.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let (
            Some(issuer),
            Some(audiences),
            Some(token_type),
            Some(leeway),
            Some(rules),
            Some(http_api_response),
            Some(websocket_protocol),
        ) = (
            settings.required(&table::TOKEN_ISSUER),
            settings.optional(&table::TOKEN_AUDIENCE),
            settings.get(&table::TOKEN_TYPE),
            settings.duration(&table::CLOCK_LEEWAY_SECONDS),
            settings.optional(&table::ACCESS_RULES),
            settings.get(&table::HTTP_API_RESPONSE),
            settings.optional(&table::WEBSOCKET_TOKEN_PROTOCOL),
        )
        else {
            return None;
        };
        let Names(audiences) = audiences.unwrap_or_default();
        let token = jwt::Validation {
            issuer: Some(issuer),
            audiences: Some(audiences),
            token_type,
            leeway,
        };
        Some(Self { token, rules, http_api_response, websocket_protocol })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<AuthorizerConfig, String> {
        let pairs = values.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings: Settings = pairs.collect();
        {
            let config = AuthorizerConfig::read(&mut settings);
            settings.finish(config).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn settings() {
        let plain = read(&[("TOKEN_ISSUER", "us"), ("ACCESS_RULES", "")]).unwrap();
        let token = jwt::Validation {
            issuer: Some("us".into()),
            audiences: Some(vec![]),
            token_type: "JWT".into(),
            leeway: Duration::ZERO,
        };
        assert_eq!(plain.token, token);
        assert!(plain.rules.is_none() && plain.websocket_protocol.is_none());
        assert_eq!(plain.http_api_response, HttpApiResponse::Iam);

        let said = read(&[("TOKEN_ISSUER", "us"), ("HTTP_API_RESPONSE", "iam")]).unwrap();
        assert_eq!(said.http_api_response, HttpApiResponse::Iam);

        let full = read(&[
            ("TOKEN_ISSUER", "us"),
            ("TOKEN_AUDIENCE", "a, b"),
            ("TOKEN_TYPE", "at+jwt"),
            ("CLOCK_LEEWAY_SECONDS", "300"),
            ("ACCESS_RULES", r#"[{"route": "GET /a", "any": true}]"#),
            ("HTTP_API_RESPONSE", "simple"),
            ("WEBSOCKET_TOKEN_PROTOCOL", "bearer"),
        ]);
        let full = full.unwrap();
        let token = jwt::Validation {
            audiences: Some(vec!["a".into(), "b".into()]),
            token_type: "at+jwt".into(),
            leeway: Duration::from_mins(5),
            ..token
        };
        assert_eq!(full.token, token);
        assert!(full.rules.is_some());
        assert_eq!(full.http_api_response, HttpApiResponse::Simple);
        assert_eq!(full.websocket_protocol, Some(Subprotocol("bearer".into())));

        let problems = read(&[
            ("CLOCK_LEEWAY_SECONDS", "301"),
            ("TOKEN_AUDIENCE", " , "),
            ("ACCESS_RULES", "[]"),
            ("HTTP_API_RESPONSE", "yes"),
            ("WEBSOCKET_TOKEN_PROTOCOL", "a b"),
        ]);
        assert_eq!(
            problems.unwrap_err(),
            "TOKEN_ISSUER is required; \
             TOKEN_AUDIENCE must be names separated by commas, none of them empty; \
             CLOCK_LEEWAY_SECONDS must be from 0 to 300 seconds; \
             ACCESS_RULES has no rules: add one, or remove the setting to open every route to every valid token; \
             HTTP_API_RESPONSE must be iam or simple; \
             WEBSOCKET_TOKEN_PROTOCOL must be the name of a WebSocket subprotocol, as in bearer"
        );
    }
}
