use std::time::Duration;

use jwt::{Signed, Signer, UnixTime, UnsignedToken};
use policy::issuance::{Caller, Granted, IssuanceRequest};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{IssuanceError, IssuerConfig, TokenRequest, added_claims};

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
                let granted = policy.grant(&request, caller, &config.issuance_defaults());
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
    let mut claims = granted.claims;
    added_claims::add(&mut claims, config, granted.lifetime, id, now);
    let signed = signer.sign(&UnsignedToken::new(&config.token_type, &claims)).await?;
    Ok(IssuedToken { signed, expires_in, claims, rule })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::claims;

    /// The authorizer refuses a token with longer claims.
    #[test]
    fn context_claims_of_the_longest_request_fit_with_every_default_audience() {
        for audience in [None, Some(1), Some(56), Some(57), Some(500)] {
            let audience = audience.map(|length| "a".repeat(length));
            let config = IssuerConfig { audience, ..IssuerConfig::new("us") };
            let requested = [json!({}), json!({"aud": "b".repeat(200)})];
            for mut claims in requested.map(|claims| claims.as_object().cloned().unwrap()) {
                let mut is_accepted = |length: &usize| {
                    claims.insert("sub".into(), json!("s".repeat(*length)));
                    claims::check(&claims, &config).is_ok()
                };
                let longest = (1..jwt::MAX_CONTEXT_CLAIMS_BYTES).rev().find(&mut is_accepted);
                assert!(longest.unwrap() > 2000);
                let lifetime = Duration::from_mins(1);
                let now = UnixTime::from_seconds(9_999_999_999);
                added_claims::add(&mut claims, &config, lifetime, Uuid::max(), now);
                let length = jwt::context_claims_len(&claims);
                assert!(length <= jwt::MAX_CONTEXT_CLAIMS_BYTES, "{config:?}: {length} bytes");
            }
        }
    }
}
