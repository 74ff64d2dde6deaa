//! The claims that the issuer adds to those that a caller chose or a rule granted.

use std::time::Duration;

use jwt::UnixTime;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::IssuerConfig;

/// Adds `iss`, `iat`, `exp`, `jti` and the defaults. `id` becomes `jti`.
///
/// No request and no rule may set a claim that every token gets: it is one of
/// [`RESERVED_CLAIMS`](policy::issuance::RESERVED_CLAIMS).
pub(crate) fn add(
    claims: &mut Map<String, Value>,
    config: &IssuerConfig,
    lifetime: Duration,
    id: Uuid,
    now: UnixTime,
) {
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
}

/// The claims of a token that clients can rely on, as the discovery document lists them (`claims_supported` of
/// `OpenID` Connect Discovery 1.0).
pub(crate) const SUPPORTED_CLAIMS: [&str; 7] = ["iss", "sub", "aud", "exp", "iat", "jti", "scope"];

/// The bytes of JSON that `iss`, `iat`, `exp`, `jti` and the default `aud` take without the configured values:
/// names, quotation marks, two times and a UUID.
pub(crate) const ADDED_BYTES: usize = 120;

/// The bytes of JSON that `client_id` takes without its value.
pub(crate) const CLIENT_ID_BYTES: usize = 14;

#[cfg(test)]
mod tests {
    use policy::issuance::RESERVED_CLAIMS;

    use super::*;

    fn add_at(seconds: u64, claims: &mut Map<String, Value>, config: &IssuerConfig, id: Uuid) {
        add(claims, config, Duration::from_mins(1), id, UnixTime::from_seconds(seconds));
    }

    #[test]
    fn claims_are_completed() {
        let config = |audience: Option<&str>| IssuerConfig {
            audience: audience.map(str::to_owned),
            ..IssuerConfig::new("us")
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
            let (Value::Object(mut claims), Value::Object(mut expected), Value::Object(further)) =
                (requested, added.clone(), further)
            else {
                panic!("{name}: a row without objects")
            };
            expected.extend(further);
            add_at(1000, &mut claims, &config(audience), Uuid::nil());
            assert_eq!(claims, expected, "{name}");
        }
    }

    /// The longest claims that a request may have leave room for the added ones.
    #[test]
    fn added_claims_are_reserved_and_fit_their_length() {
        let config = |token_type: &str| IssuerConfig {
            token_type: token_type.into(),
            audience: Some(String::new()),
            ..IssuerConfig::new("")
        };
        let rows = [("JWT", ADDED_BYTES), ("at+jwt", ADDED_BYTES + CLIENT_ID_BYTES)];
        for (token_type, max) in rows {
            let mut claims = jwt::json::object(br#"{"sub":""}"#).unwrap();
            let requested_bytes = jwt::json::object_bytes(&claims);
            add_at(99_999_999_999, &mut claims, &config(token_type), Uuid::max());
            let added_bytes = jwt::json::object_bytes(&claims) - requested_bytes;
            assert!(added_bytes <= max, "{token_type}: {added_bytes} bytes");
            for name in
                claims.keys().filter(|name| !["sub", "aud", "client_id"].contains(&&***name))
            {
                assert!(RESERVED_CLAIMS.contains(&&**name), "{name} is not reserved");
            }
        }
    }

    #[test]
    fn access_token_without_client_id_repeats_the_subject() {
        let config = IssuerConfig { token_type: "at+jwt".into(), ..IssuerConfig::new("us") };
        let rows = [(json!({"sub": "a"}), "a"), (json!({"sub": "a", "client_id": "b"}), "b")];
        for (claims, expected) in rows {
            let Value::Object(mut claims) = claims else { panic!("an object") };
            add_at(1000, &mut claims, &config, Uuid::nil());
            assert_eq!(claims.get("client_id"), Some(&json!(expected)));
        }
    }
}
