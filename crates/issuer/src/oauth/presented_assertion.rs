use std::{fmt, time::Duration};

use jwt::UnixTime;
use kms::ErrorChain;
use oidc::{
    AssertionError, AssertionRefusal, IssuerCause, IssuerFault, IssuerVerifier, Purpose, Verified,
};
use policy::{
    issuance::{AssertedIdentity, Caller},
    revocation::Revocations,
};

use super::{GrantType, OAuthError};

/// The assertion that proves the identity of the caller. It is not yet verified.
#[derive(Clone, PartialEq, Eq)]
pub enum PresentedAssertion {
    /// `jwt-bearer` (RFC 7523 section 2.1): a token of a trusted issuer.
    Grant {
        /// The assertion.
        assertion: String,
        /// The client that presents it, if it authenticates itself.
        client: Option<ClientAssertion>,
    },
    /// `client_credentials` with `private_key_jwt` (RFC 7523 section 2.2).
    Client(ClientAssertion),
}

/// A token that a client signed to authenticate itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientAssertion {
    /// The token.
    pub assertion: String,
    /// The parameter `client_id`, which must be that of the assertion.
    pub client_id: Option<String>,
}

/// The caller and the client that get a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecipient {
    /// The caller whose rules apply.
    pub caller: Caller,
    /// The client that has proved its identity. `None`: the caller is its own client.
    pub client_id: Option<String>,
    /// The `jti` of the assertion.
    pub jti: Option<String>,
}

/// Why it is not known whether an assertion is valid.
#[derive(Debug)]
pub enum ProviderFault {
    /// The keys of the issuer are not available.
    Keys(IssuerFault),
    /// The keys did not arrive in time for a response.
    TimedOut,
}

impl ProviderFault {
    /// The `Cause` in log lines and metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Keys(fault) => fault.cause().code(),
            Self::TimedOut => IssuerCause::Unreachable.code(),
        }
    }

    /// After how long a client should repeat its request.
    pub(crate) const fn retry_after(&self) -> Duration {
        match self {
            Self::Keys(fault) => fault.retry_after(),
            Self::TimedOut => oidc::RETRY_AFTER,
        }
    }

    /// Whether the other assertions of the issuer can be verified: only the key that this one names is unknown.
    pub(crate) fn is_limited_to_an_unknown_key(&self) -> bool {
        matches!(self, Self::Keys(fault) if fault.has_keys)
    }
}

impl fmt::Display for ProviderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(fault) => ErrorChain(fault).fmt(f),
            Self::TimedOut => f.write_str("the keys of the issuer did not arrive in time"),
        }
    }
}

impl PresentedAssertion {
    /// The grant that the assertion is for.
    #[must_use]
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::Grant { .. } => GrantType::JwtBearer,
            Self::Client(_) => GrantType::ClientCredentials,
        }
    }

    /// Verifies the assertion, and returns the caller and the client that get a token.
    ///
    /// # Errors
    /// The outer error says that there is no result. The inner error refuses the assertion.
    pub async fn verify(
        self,
        verifier: &IssuerVerifier,
        revocations: &Revocations,
        now: UnixTime,
    ) -> Result<Result<TokenRecipient, OAuthError>, IssuerFault> {
        match self {
            Self::Grant { assertion, client } => {
                // Neither assertion costs a request for keys if the other one is refused without keys.
                if let Some(client) = &client {
                    let purpose = Purpose::ClientAuthentication;
                    if let Err(error) = verifier.screen(&client.assertion, purpose, now) {
                        return Ok(Err(OAuthError::ClientAssertion(error)));
                    }
                    if let Err(error) = verifier.screen(&assertion, Purpose::Grant, now) {
                        return Ok(Err(OAuthError::Assertion(error)));
                    }
                }
                let client_id = match client {
                    None => None,
                    Some(client) => match client.verify(verifier, revocations, now).await? {
                        Ok(client) => Some(client.issuer),
                        Err(error) => return Ok(Err(error)),
                    },
                };
                let verified = verifier.verify(&assertion, Purpose::Grant, now).await?;
                let verified = verified.and_then(|verified| unrevoked(verified, revocations));
                let recipient = verified.map(|verified| recipient(verified, client_id));
                Ok(recipient.map_err(OAuthError::Assertion))
            }
            Self::Client(client) => {
                let verified = client.verify(verifier, revocations, now).await?;
                Ok(verified.map(|client| {
                    let client_id = Some(client.issuer.clone());
                    recipient(client, client_id)
                }))
            }
        }
    }
}

impl ClientAssertion {
    async fn verify(
        &self,
        verifier: &IssuerVerifier,
        revocations: &Revocations,
        now: UnixTime,
    ) -> Result<Result<Verified, OAuthError>, IssuerFault> {
        let purpose = Purpose::ClientAuthentication;
        let verified = verifier.verify(&self.assertion, purpose, now).await?;
        let verified = match verified.and_then(|verified| unrevoked(verified, revocations)) {
            Ok(verified) => verified,
            Err(error) => return Ok(Err(OAuthError::ClientAssertion(error))),
        };
        let is_same = self.client_id.as_ref().is_none_or(|client_id| *client_id == verified.issuer);
        Ok(if is_same { Ok(verified) } else { Err(OAuthError::ClientId) })
    }
}

/// Refuses an assertion that is revoked: otherwise it would undo the revocation of the tokens that it was exchanged for.
fn unrevoked(verified: Verified, revocations: &Revocations) -> Result<Verified, AssertionError> {
    if revocations.contains_members(&verified.claims) {
        let (issuer, refusal) = (Some(verified.issuer), AssertionRefusal::Revoked);
        return Err(AssertionError { issuer, refusal });
    }
    Ok(verified)
}

fn recipient(verified: Verified, client_id: Option<String>) -> TokenRecipient {
    let Verified { issuer, subject, jti, claims } = verified;
    let caller = Caller::Assertion(AssertedIdentity { issuer, subject, claims });
    TokenRecipient { caller, client_id, jti }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use oidc::{HttpClient, ProxyConfig, Transport, TrustStore, TrustedIssuers};
    use serde_json::{Value, json};

    use super::*;
    use crate::own_identity;

    const NOW: u64 = 1_767_225_600;

    fn unsigned(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.AAAA", part(&json!({"alg": "RS256"})), part(claims))
    }

    #[tokio::test]
    async fn grant_that_is_refused_without_keys_costs_no_request_for_those_of_the_client() {
        // Nothing listens there.
        let keys = "http://127.0.0.1:9/keys";
        let entries = json!([
            {"issuer": "https://ci.example", "jwks_uri": keys},
            {"issuer": "client", "client": true, "jwks_uri": keys},
        ]);
        let trusted = TrustedIssuers::read(&entries.to_string(), Transport::LoopbackHttp).unwrap();
        let issuer = "https://issuer.example";
        let own = own_identity(issuer);
        let http = HttpClient::new(TrustStore::empty(), ProxyConfig::disabled());
        let verifier = IssuerVerifier::new(trusted, &own, &http);
        let claims =
            |name: &str, exp: u64| json!({"iss": name, "sub": name, "aud": issuer, "exp": exp});
        let verify = async |client: Value, grant: Value| {
            let client = ClientAssertion { assertion: unsigned(&client), client_id: None };
            let assertion =
                PresentedAssertion::Grant { assertion: unsigned(&grant), client: Some(client) };
            let none = Revocations::default();
            let verified = assertion.verify(&verifier, &none, UnixTime::from_seconds(NOW)).await;
            verified.map(|verified| verified.map(drop).map_err(|error| error.code())).ok()
        };
        let (later, ci) = (NOW + 60, "https://ci.example");
        let expired = verify(claims("client", later), claims(ci, NOW)).await;
        assert_eq!(expired, Some(Err("invalid_grant")));
        let unknown = verify(claims("unknown", later), claims(ci, NOW)).await;
        assert_eq!(unknown, Some(Err("invalid_client")));
        let both = verify(claims("client", later), claims(ci, later)).await;
        assert_eq!(both, None, "the keys of the client are needed");
    }

    #[test]
    fn revoked_assertion_is_refused() {
        let revocations = json!([
            {"iss": "https://ci.example", "jti": "7"},
            {"iss": "client", "sub": "client", "issued_before": NOW},
        ]);
        let revocations: Revocations = revocations.to_string().parse().unwrap();
        let rows = [
            ("its id", json!({"iss": "https://ci.example", "sub": "a", "jti": "7"}), true),
            ("another id", json!({"iss": "https://ci.example", "sub": "a", "jti": "8"}), false),
            ("the id of another issuer", json!({"iss": "https://x.example", "jti": "7"}), false),
            ("before", json!({"iss": "client", "sub": "client", "iat": NOW - 1}), true),
            ("without a time", json!({"iss": "client", "sub": "client"}), true),
            ("after", json!({"iss": "client", "sub": "client", "iat": NOW}), false),
        ];
        for (name, claims, is_revoked) in rows {
            let Value::Object(claims) = claims else { panic!("claims are an object") };
            let (issuer, subject) = ("i".to_owned(), "s".to_owned());
            let verified = unrevoked(Verified { issuer, subject, jti: None, claims }, &revocations);
            let error = verified.err().map(|error| (error.code(), error.issuer));
            assert_eq!(error, is_revoked.then(|| ("Revoked", Some("i".into()))), "{name}");
        }
    }
}
