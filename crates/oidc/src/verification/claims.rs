use serde_json::{Map, Value};

use super::assertion_error::AssertionRefusal;
use crate::TrustedIssuer;

impl TrustedIssuer {
    /// Checks the claims whose meaning depends on the entry. Returns the subject; of a client, its client id.
    ///
    /// The signature, `iss`, `aud`, `typ` and the times are checked before: see
    /// [`IssuerVerifier::verify`](crate::IssuerVerifier::verify).
    ///
    /// # Errors
    /// The first reason to refuse the assertion.
    pub fn check_claims<'a>(
        &self,
        claims: &'a Map<String, Value>,
    ) -> Result<&'a str, AssertionRefusal> {
        if claims.contains_key("cnf") {
            return Err(AssertionRefusal::Bound);
        }
        // Their `typ` is recommended only, so a token of another purpose may have none.
        if let Some(claim) = OTHER_PURPOSES.into_iter().find(|name| claims.contains_key(*name)) {
            return Err(AssertionRefusal::OtherPurpose(claim));
        }
        if claims.contains_key("act") {
            return Err(AssertionRefusal::Delegated);
        }
        let is_missing = |name: &str, values: &[Value]| {
            claims.get(name).is_none_or(|value| !values.contains(value))
        };
        let mut required = self.required_claims.iter();
        if let Some(claim) = required.find(|claim| is_missing(&claim.name, &claim.values)) {
            return Err(AssertionRefusal::RequiredClaim(claim.name.clone()));
        }
        let text =
            |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if self.is_client {
            let subject = text("sub").filter(|subject| *subject == self.issuer);
            subject.ok_or(AssertionRefusal::ClientSubject)
        } else {
            text(&self.subject_claim).ok_or(AssertionRefusal::NoSubject)
        }
    }
}

/// The claims of logout and event tokens (RFC 8417 section 2.2, `OpenID` Connect Back-Channel Logout 1.0), and of
/// introspection responses (RFC 9701 section 5).
const OTHER_PURPOSES: [&str; 2] = ["events", "token_introspection"];
