use jwt::UnixTime;
use oidc::{IssuerCause, IssuerFault, IssuerVerifier, Purpose, Verified};
use policy::issuance::{AssertedIdentity, Caller};

use super::{GrantType, Grantee, OAuthError};

/// What the caller proves its identity with.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// `jwt-bearer` (RFC 7523 section 2.1): a token of a trusted issuer.
    Assertion {
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

/// Why it is not known whether a proof is valid.
#[derive(Debug)]
pub enum ProviderFault {
    /// The keys of the issuer are not available.
    Keys(IssuerFault),
    /// The keys were not there in time for a response.
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
}

impl Proof {
    /// The grant that the proof is for.
    #[must_use]
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::Assertion { .. } => GrantType::JwtBearer,
            Self::Client(_) => GrantType::ClientCredentials,
        }
    }

    /// Verifies the proof: who gets a token.
    ///
    /// # Errors
    /// The outer error says that there is no result. The inner error refuses the proof.
    pub async fn verify(
        self,
        verifier: &IssuerVerifier,
        now: UnixTime,
    ) -> Result<Result<Grantee, OAuthError>, IssuerFault> {
        match self {
            Self::Assertion { assertion, client } => {
                let client_id = match client {
                    None => None,
                    Some(client) => match client.verify(verifier, now).await? {
                        Ok(client) => Some(client.issuer),
                        Err(error) => return Ok(Err(error)),
                    },
                };
                let verified = verifier.verify(&assertion, Purpose::Grant, now).await?;
                let grantee = verified.map(|verified| grantee(verified, client_id));
                Ok(grantee.map_err(OAuthError::Assertion))
            }
            Self::Client(client) => {
                let verified = client.verify(verifier, now).await?;
                Ok(verified.map(|client| {
                    let client_id = Some(client.issuer.clone());
                    grantee(client, client_id)
                }))
            }
        }
    }
}

impl ClientAssertion {
    async fn verify(
        &self,
        verifier: &IssuerVerifier,
        now: UnixTime,
    ) -> Result<Result<Verified, OAuthError>, IssuerFault> {
        let purpose = Purpose::ClientAuthentication;
        let verified = match verifier.verify(&self.assertion, purpose, now).await? {
            Ok(verified) => verified,
            Err(error) => return Ok(Err(OAuthError::ClientAssertion(error))),
        };
        let is_same = self.client_id.as_ref().is_none_or(|client_id| *client_id == verified.issuer);
        Ok(if is_same { Ok(verified) } else { Err(OAuthError::ClientId) })
    }
}

fn grantee(verified: Verified, client_id: Option<String>) -> Grantee {
    let Verified { issuer, subject, jti, claims } = verified;
    let caller = Caller::Assertion(AssertedIdentity { issuer, subject, claims });
    Grantee { caller, client_id, jti }
}
