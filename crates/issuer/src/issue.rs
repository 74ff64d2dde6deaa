use jwt::{Signed, Signer, UnixTime, UnsignedToken};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{GrantedRequest, IssuerConfig};

/// A token that was issued, and what the audit trail has to say of it.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token and its signature's record.
    pub signed: Signed,
    /// How long it lives, in seconds.
    pub expires_in: u64,
    /// Its claims, complete.
    pub claims: Map<String, Value>,
}

impl IssuedToken {
    /// A claim as the audit trail shows it: a string as it is, anything else as JSON.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.claims.get(name).map(|value| value.as_str().map_or(value.to_string(), str::to_owned))
    }
}

/// The longest token that can be sent: API Gateway takes 10,240 bytes of request line and headers in all
/// (Amazon API Gateway quotas), and a request has others besides, for which a kibibyte is left.
pub const MAX_TOKEN_BYTES: usize = 10_240 - 1024 - "Authorization: Bearer ".len();

/// Completes the claims and has them signed.
///
/// # Errors
/// When the signer could not.
pub async fn issue<S: Signer>(
    grant: GrantedRequest,
    terms: &IssuerConfig,
    id: Uuid,
    now: UnixTime,
    signer: &S,
) -> Result<IssuedToken, S::Error> {
    let expires_in = grant.lifetime.as_secs();
    let claims = complete(grant, terms, id, now);
    let signed = signer.sign(&UnsignedToken::new(&terms.token_type, &claims)).await?;
    Ok(IssuedToken { signed, expires_in, claims })
}

fn complete(
    grant: GrantedRequest,
    terms: &IssuerConfig,
    id: Uuid,
    now: UnixTime,
) -> Map<String, Value> {
    let GrantedRequest { mut claims, lifetime } = grant;
    claims.insert("iss".into(), json!(terms.issuer));
    claims.insert("iat".into(), json!(now.seconds()));
    claims.insert("exp".into(), json!(now.after(lifetime).seconds()));
    claims.insert("jti".into(), json!(id.to_string()));
    if let Some(audience) = &terms.audience {
        claims.entry("aud").or_insert_with(|| json!(audience));
    }
    if terms.are_access_tokens()
        && let Some(subject) = claims.get("sub").cloned()
    {
        // Whoever asks in its own name is its own client (RFC 9068 section 2.2).
        claims.entry("client_id").or_insert(subject);
    }
    claims
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_issuer_completes_the_claims() {
        let terms = |audience: Option<&str>| IssuerConfig {
            audience: audience.map(str::to_owned),
            ..IssuerConfig::of("us")
        };
        let own = json!({"iss": "us", "iat": 1000, "exp": 1060, "jti": Uuid::nil().to_string()});
        let rows = [
            ("no audience anywhere", json!({}), None, json!({})),
            ("the default audience", json!({}), Some("a"), json!({"aud": "a"})),
            ("another audience", json!({"aud": ["b"]}), Some("a"), json!({"aud": ["b"]})),
            (
                "claims of any kind",
                json!({"sub": "s", "n": {"m": [1]}}),
                None,
                json!({"sub": "s", "n": {"m": [1]}}),
            ),
        ];
        for (name, asked, audience, more) in rows {
            let (Value::Object(asked), Value::Object(mut expected), Value::Object(more)) =
                (asked, own.clone(), more)
            else {
                panic!("{name}: objects")
            };
            expected.extend(more);
            let grant = GrantedRequest { claims: asked, lifetime: Duration::from_mins(1) };
            let now = UnixTime::from_seconds(1000);
            assert_eq!(complete(grant, &terms(audience), Uuid::nil(), now), expected, "{name}");
        }
    }

    #[test]
    fn an_access_token_names_its_client() {
        let terms = IssuerConfig { token_type: "at+jwt".into(), ..IssuerConfig::of("us") };
        let rows = [(json!({"sub": "a"}), "a"), (json!({"sub": "a", "client_id": "b"}), "b")];
        for (claims, expected) in rows {
            let Value::Object(claims) = claims else { panic!("an object") };
            let grant = GrantedRequest { claims, lifetime: Duration::from_mins(1) };
            let claims = complete(grant, &terms, Uuid::nil(), UnixTime::from_seconds(1000));
            assert_eq!(claims.get("client_id"), Some(&json!(expected)));
        }
    }
}
