use std::time::Duration;

use jwt::{Signed, Signer, UnixTime, UnsignedToken};
use policy::issuance::{Caller, Granted, IssuanceDefaults, IssuanceRequest};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{IssuanceError, IssuerConfig, TokenRequest};

/// A granted request. Only [`TokenRequest::grant`] creates one.
#[derive(Clone, PartialEq, Eq)]
pub struct GrantedRequest {
    pub(crate) claims: Map<String, Value>,
    pub(crate) lifetime: Duration,
    /// The number of the rule that grants the request, from 1. `None`: there is no policy.
    pub(crate) rule: Option<usize>,
}

impl TokenRequest {
    /// Asks the issuance policy. It grants the whole request or nothing. Without a policy, every request is
    /// granted.
    ///
    /// # Errors
    /// [`IssuanceError::Denied`] with the part of the request that no rule grants.
    pub fn grant(
        self,
        caller: &Caller,
        config: &IssuerConfig,
    ) -> Result<GrantedRequest, IssuanceError> {
        let (rule, lifetime) = match &config.policy {
            Some(policy) => {
                let request = IssuanceRequest {
                    claims: &self.claims,
                    lifetime: self.lifetime,
                    has_clients: config.trusted_issuers.is_some(),
                };
                let defaults = IssuanceDefaults {
                    audience: config.audience.as_deref(),
                    lifetime: config.lifetime,
                    lifetime_max: config.lifetime_max,
                };
                let granted = policy.grant(&request, caller, &defaults);
                let Granted { rule, lifetime } = granted.map_err(IssuanceError::Denied)?;
                (Some(rule), lifetime)
            }
            None => (None, self.lifetime.unwrap_or(config.lifetime)),
        };
        Ok(GrantedRequest { claims: self.claims, lifetime, rule })
    }
}

/// An issued token, with the facts that the log line records.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token, the id of its key and the request id of the signature.
    pub signed: Signed,
    /// The token's lifetime, in seconds.
    pub expires_in: u64,
    /// All claims of the token.
    pub claims: Map<String, Value>,
    /// The number of the rule that grants the token, from 1. `None`: there is no policy.
    pub rule: Option<usize>,
}

impl IssuedToken {
    /// A claim as the log line shows it: a string as it is, any other value as JSON.
    #[must_use]
    pub fn claim_text(&self, name: &str) -> Option<String> {
        self.claims.get(name).map(|value| value.as_str().map_or(value.to_string(), str::to_owned))
    }
}

/// Adds `iss`, `iat`, `exp`, `jti` and the defaults to the granted claims, and signs them. `id` becomes `jti`.
///
/// # Errors
/// The signer's error if it cannot sign.
pub async fn issue<S: Signer>(
    granted: GrantedRequest,
    config: &IssuerConfig,
    id: Uuid,
    now: UnixTime,
    signer: &S,
) -> Result<IssuedToken, S::Error> {
    let (expires_in, rule) = (granted.lifetime.as_secs(), granted.rule);
    let claims = complete_claims(granted, config, id, now);
    let signed = signer.sign(&UnsignedToken::new(&config.token_type, &claims)).await?;
    Ok(IssuedToken { signed, expires_in, claims, rule })
}

fn complete_claims(
    granted: GrantedRequest,
    config: &IssuerConfig,
    id: Uuid,
    now: UnixTime,
) -> Map<String, Value> {
    let GrantedRequest { mut claims, lifetime, .. } = granted;
    claims.insert("iss".into(), json!(config.issuer));
    claims.insert("iat".into(), json!(now.seconds()));
    claims.insert("exp".into(), json!(now.after(lifetime).seconds()));
    claims.insert("jti".into(), json!(id.to_string()));
    if let Some(audience) = &config.audience {
        claims.entry("aud").or_insert_with(|| json!(audience));
    }
    if config.issues_access_tokens()
        && let Some(subject) = claims.get("sub").cloned()
    {
        // A client that acts on its own behalf is itself the subject (RFC 9068 section 2.2).
        claims.entry("client_id").or_insert(subject);
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::issuance::RESERVED_CLAIMS;

    use crate::claims::{self, ADDED_BYTES, CLIENT_ID_BYTES};

    #[test]
    fn claims_are_completed() {
        let config = |audience: Option<&str>| IssuerConfig {
            audience: audience.map(str::to_owned),
            ..IssuerConfig::with_issuer("us")
        };
        let added = json!({"iss": "us", "iat": 1000, "exp": 1060, "jti": Uuid::nil().to_string()});
        let rows = [
            ("no audience", json!({}), None, json!({})),
            ("default audience", json!({}), Some("a"), json!({"aud": "a"})),
            ("requested audience", json!({"aud": ["b"]}), Some("a"), json!({"aud": ["b"]})),
            (
                "claims of any type",
                json!({"sub": "s", "n": {"m": [1]}}),
                None,
                json!({"sub": "s", "n": {"m": [1]}}),
            ),
        ];
        for (name, requested, audience, further) in rows {
            let (Value::Object(claims), Value::Object(mut expected), Value::Object(further)) =
                (requested, added.clone(), further)
            else {
                panic!("{name}: a row without objects")
            };
            expected.extend(further);
            let granted = GrantedRequest { claims, lifetime: Duration::from_mins(1), rule: None };
            let now = UnixTime::from_seconds(1000);
            let completed = complete_claims(granted, &config(audience), Uuid::nil(), now);
            assert_eq!(completed, expected, "{name}");
        }
    }

    /// The longest claims that a request may have leave room for the added ones.
    #[test]
    fn added_claims_are_reserved_and_fit_their_length() {
        let config = |token_type: &str| IssuerConfig {
            token_type: token_type.into(),
            audience: Some(String::new()),
            ..IssuerConfig::with_issuer("")
        };
        let rows = [("JWT", ADDED_BYTES), ("at+jwt", ADDED_BYTES + CLIENT_ID_BYTES)];
        for (token_type, max) in rows {
            let requested = jwt::json::object(br#"{"sub":""}"#).unwrap();
            let requested_bytes = jwt::json::object_bytes(&requested);
            let granted =
                GrantedRequest { claims: requested, lifetime: Duration::from_mins(1), rule: None };
            let now = UnixTime::from_seconds(99_999_999_999);
            let claims = complete_claims(granted, &config(token_type), Uuid::max(), now);
            let added_bytes = jwt::json::object_bytes(&claims) - requested_bytes;
            assert!(added_bytes <= max, "{token_type}: {added_bytes} bytes");
            for name in
                claims.keys().filter(|name| !["sub", "aud", "client_id"].contains(&&***name))
            {
                assert!(RESERVED_CLAIMS.contains(&&**name), "{name} is not reserved");
            }
        }
    }

    /// The authorizer refuses a token with longer claims.
    #[test]
    fn context_claims_of_the_longest_request_fit_with_every_default_audience() {
        for audience in [None, Some(1), Some(56), Some(57), Some(500)] {
            let audience = audience.map(|length| "a".repeat(length));
            let config = IssuerConfig { audience, ..IssuerConfig::with_issuer("us") };
            let requested = [json!({}), json!({"aud": "b".repeat(200)})];
            for mut claims in requested.map(|claims| claims.as_object().cloned().unwrap()) {
                let mut is_accepted = |length: &usize| {
                    claims.insert("sub".into(), json!("s".repeat(*length)));
                    claims::check(&claims, &config).is_ok()
                };
                let longest = (1..jwt::MAX_CONTEXT_CLAIMS_BYTES).rev().find(&mut is_accepted);
                assert!(longest.unwrap() > 2000);
                let lifetime = Duration::from_mins(1);
                let granted = GrantedRequest { claims, lifetime, rule: None };
                let now = UnixTime::from_seconds(9_999_999_999);
                let completed = complete_claims(granted, &config, Uuid::max(), now);
                let length = jwt::context_claims_len(&completed);
                assert!(length <= jwt::MAX_CONTEXT_CLAIMS_BYTES, "{config:?}: {length} bytes");
            }
        }
    }

    #[test]
    fn access_token_without_client_id_repeats_the_subject() {
        let config =
            IssuerConfig { token_type: "at+jwt".into(), ..IssuerConfig::with_issuer("us") };
        let rows = [(json!({"sub": "a"}), "a"), (json!({"sub": "a", "client_id": "b"}), "b")];
        for (claims, expected) in rows {
            let Value::Object(claims) = claims else { panic!("an object") };
            let granted = GrantedRequest { claims, lifetime: Duration::from_mins(1), rule: None };
            let now = UnixTime::from_seconds(1000);
            let claims = complete_claims(granted, &config, Uuid::nil(), now);
            assert_eq!(claims.get("client_id"), Some(&json!(expected)));
        }
    }
}
