//! The log line of an invocation.

use kms::{ErrorChain, RequestMetrics};
use oidc::AssertionError;
use runtime::telemetry::{LogRecord, Outcome};
use serde_json::{Value, json};

use crate::{EventSource, GrantType, IssuanceError, IssuerResponse, OAuthError, RequestFacts};

/// The log line of an invocation: the caller and the facts about the token, or the reason of the refusal. It never
/// contains the token, nor unproved values of an assertion.
pub(crate) fn log_record(
    response: &IssuerResponse,
    facts: RequestFacts,
    metrics: &RequestMetrics,
    source: EventSource,
) -> LogRecord {
    let grant = facts.grant.map(GrantType::name);
    let (outcome, mut details) = match response {
        IssuerResponse::Issued(issued) | IssuerResponse::Granted(issued, _) => (
            Outcome::Issued(grant),
            json!({
                "jti": issued.claim_text("jti"),
                "sub": issued.claim_text("sub"),
                "aud": issued.claim_text("aud"),
                "scope": issued.claim_text("scope"),
                "exp": issued.claim_text("exp"),
                "kid": issued.signed.key_id,
                "rule": issued.rule,
                "kmsRequestId": issued.signed.receipt,
            }),
        ),
        IssuerResponse::Published(..) => (Outcome::Published, json!({})),
        IssuerResponse::Refused(error) => {
            let oauth = match error {
                IssuanceError::OAuth(error) => Some(error),
                _ => None,
            };
            let assertion = oauth.and_then(OAuthError::assertion_error);
            let is_oauth = source == EventSource::OAuth;
            let details = json!({
                "reason": error.to_string(),
                "assertionReason": assertion.map(AssertionError::code),
                "overBudget": oauth.is_some_and(OAuthError::is_over_budget).then_some(true),
                // The entry that the assertion names. This is not proved.
                "claimedIssuer": assertion.and_then(|assertion| assertion.issuer.as_deref()),
            });
            (Outcome::Refused(is_oauth.then(|| error.code())), details)
        }
        IssuerResponse::Failed(fault) | IssuerResponse::KeysUnavailable(fault) => {
            (Outcome::Fault(fault.cause.code()), json!({"error": ErrorChain(fault).to_string()}))
        }
        // Any client can send a `kid` that the issuer does not have: that must not raise an alarm.
        IssuerResponse::ProviderFailed(fault) if fault.is_limited_to_an_unknown_key() => {
            let outcome = Outcome::Refused(Some("temporarily_unavailable"));
            (outcome, json!({"reason": fault.to_string()}))
        }
        IssuerResponse::ProviderFailed(fault) => {
            (Outcome::Fault(fault.code()), json!({"error": fault.to_string()}))
        }
    };
    if let Value::Object(details) = &mut details {
        let RequestFacts { caller, assertion, client, .. } = facts;
        details.extend([
            ("caller".to_owned(), caller.into()),
            ("grant".to_owned(), grant.into()),
            ("assertion".to_owned(), assertion.into()),
            ("client".to_owned(), client.into()),
        ]);
    }
    LogRecord { outcome, requests: 1, measured: metrics.measured(), details }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oidc::{IssuerFault, KeysError};

    use super::*;
    use crate::oauth::ProviderFault;

    /// The line of a refusal has `reason`, that of a fault has `error`.
    #[test]
    fn fault_of_a_provider_is_a_refusal_if_only_an_unknown_key_is_affected() {
        let rows = [
            (true, Outcome::Refused(Some("temporarily_unavailable")), "reason", "error"),
            (false, Outcome::Fault("IssuerKeys"), "error", "reason"),
        ];
        for (has_keys, outcome, member, other) in rows {
            let issuer = "https://idp.example".to_owned();
            let fault = IssuerFault { issuer, error: Arc::new(KeysError::NoUsableKey), has_keys };
            let response = IssuerResponse::ProviderFailed(ProviderFault::Keys(fault));
            let metrics = RequestMetrics::default();
            let line = log_record(&response, RequestFacts::default(), &metrics, EventSource::OAuth);
            assert_eq!(line.outcome, outcome);
            let text = line.details[member].as_str().unwrap();
            assert!(text.contains("the key set has no usable key"), "{text}");
            assert!(line.details[other].is_null(), "{:?}", line.details);
        }
    }
}
