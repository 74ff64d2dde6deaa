use policy::issuance::{Caller, ClientGrant, DeniedField, RuleVerdict};
use serde_json::{Map, Value};

use super::{ClientTokenRequest, OAuthError, TokenRecipient};
use crate::{GrantedRequest, IssuanceError, IssuerConfig, claims};

impl ClientTokenRequest {
    /// Asks the issuance policy. It grants the whole request or nothing.
    ///
    /// # Errors
    /// The first part of the request that is not granted, or a claim that a token cannot have.
    pub fn grant(
        self,
        recipient: &TokenRecipient,
        config: &IssuerConfig,
    ) -> Result<GrantedRequest, IssuanceError> {
        let defaults = config.oauth_defaults();
        let granted = match (&config.policy, &recipient.caller) {
            (Some(policy), caller) => {
                let granted = policy.grant_to_client(&self.for_policy(), caller, &defaults);
                let ClientGrant { rule, claims, lifetime } =
                    granted.map_err(|field| self.denied(field))?;
                GrantedRequest { claims, lifetime, rule: Some(rule) }
            }
            // Without a policy, every caller that IAM admits may request anything.
            (None, Caller::Iam(_)) => GrantedRequest {
                claims: self.requested_claims(&recipient.caller),
                lifetime: self.lifetime.unwrap_or(defaults.lifetime),
                rule: None,
            },
            (None, _) => return Err(OAuthError::Denied(DeniedField::Caller).into()),
        };
        let mut granted = granted;
        let client_id = recipient.client_id.clone().map(Value::from);
        // A client that acts on its own behalf is itself the subject (RFC 9068 section 2.2).
        if let Some(client_id) = client_id.or_else(|| granted.claims.get("sub").cloned()) {
            granted.claims.insert("client_id".into(), client_id);
        }
        match claims::check(&granted.claims, config) {
            Err(IssuanceError::MissingAudience) => Err(OAuthError::NoAudience.into()),
            Err(error) => Err(error),
            Ok(()) => Ok(granted),
        }
    }

    /// What each rule of the issuance policy says about the request. The first rule that grants it decides.
    #[must_use]
    pub fn explain(&self, recipient: &TokenRecipient, config: &IssuerConfig) -> Vec<RuleVerdict> {
        let (request, defaults) = (self.for_policy(), config.oauth_defaults());
        let policy = config.policy.iter();
        policy.flat_map(|policy| policy.explain(&request, &recipient.caller, &defaults)).collect()
    }

    /// The error for the part of the request that is not granted.
    fn denied(&self, field: DeniedField) -> OAuthError {
        match field {
            DeniedField::Scope if self.scope.is_none() => OAuthError::NoScope,
            DeniedField::Audience if self.audiences.is_empty() => OAuthError::NoAudience,
            field => OAuthError::Denied(field),
        }
    }

    fn requested_claims(&self, caller: &Caller) -> Map<String, Value> {
        let audience = match &*self.audiences {
            [] => None,
            [one] => Some(Value::from(one.as_str())),
            several => Some(Value::from(several)),
        };
        let claims = [
            ("sub", caller.subject().map(Value::from)),
            ("aud", audience),
            ("scope", self.scope.as_deref().map(Value::from)),
        ];
        claims.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

#[cfg(test)]
mod tests;
