use std::time::Duration;

use jwt::is_plain_identifier;
use policy::is_scope;

use super::{
    AuthenticationScheme, ClientAssertion, ClientTokenRequest, GrantType, OAuthError, Proof,
    form::{Form, RESOURCE},
    grant_type::{CLIENT_CREDENTIALS, JWT_BEARER},
};
use crate::IssuerConfig;

/// A request of a client that proves its identity in the request.
#[derive(Clone, PartialEq, Eq)]
pub struct ProvenTokenRequest {
    /// The proof, which is not yet verified.
    pub proof: Proof,
    /// The requested scopes, audiences and lifetime.
    pub request: ClientTokenRequest,
}

impl ClientTokenRequest {
    /// Reads a form of a caller that IAM has authenticated.
    ///
    /// # Errors
    /// The first problem.
    pub fn read(body: &[u8], config: &IssuerConfig) -> Result<Self, OAuthError> {
        let mut form = Form::parse(body)?;
        if form.require("grant_type")? != CLIENT_CREDENTIALS {
            return Err(OAuthError::GrantType(CLIENT_CREDENTIALS));
        }
        // IAM has authenticated the caller already. RFC 6749 section 2.3 forbids a second way.
        for name in ["client_assertion", "client_assertion_type", "client_secret"] {
            if form.take(name).is_some() {
                return Err(OAuthError::SeveralAuthentications);
            }
        }
        Self::from_form(form, config.lifetime_max)
    }

    /// Reads only what the client asks for, from a form that need not have a grant or a proof.
    ///
    /// # Errors
    /// The first problem.
    pub fn read_parameters(body: &[u8], lifetime_max: Duration) -> Result<Self, OAuthError> {
        Self::from_form(Form::parse(body)?, lifetime_max)
    }

    fn from_form(mut form: Form, lifetime_max: Duration) -> Result<Self, OAuthError> {
        let scope = form.take("scope");
        if scope.as_deref().is_some_and(|scope| !is_scope(scope)) {
            return Err(OAuthError::Scope);
        }
        let mut audiences: Vec<String> = form.take_all(RESOURCE).collect();
        if audiences.len() > MAX_RESOURCES {
            return Err(OAuthError::TooManyResources(MAX_RESOURCES));
        }
        if !audiences.iter().all(|resource| is_absolute_uri(resource)) {
            return Err(OAuthError::Resource);
        }
        audiences.extend(form.take("audience"));
        if !audiences.iter().all(|audience| is_plain_identifier(audience)) {
            return Err(OAuthError::Audience);
        }
        let lifetime =
            form.take("expires_in").map(|text| read_lifetime(&text, lifetime_max)).transpose()?;
        Ok(Self { scope, audiences, lifetime })
    }
}

impl ProvenTokenRequest {
    /// Reads a form of a caller that proves its identity in it. `authorization` is the scheme of the `Authorization`
    /// header, if the request has one.
    ///
    /// # Errors
    /// The first problem.
    pub fn read(
        body: &[u8],
        authorization: Option<AuthenticationScheme>,
        config: &IssuerConfig,
    ) -> Result<Self, OAuthError> {
        let mut form = Form::parse(body)?;
        let grant_type = match &*form.require("grant_type")? {
            JWT_BEARER => GrantType::JwtBearer,
            CLIENT_CREDENTIALS => GrantType::ClientCredentials,
            _ => return Err(OAuthError::GrantType("jwt-bearer or client_credentials")),
        };
        let client = client_assertion(&mut form, authorization)?;
        let proof = match grant_type {
            GrantType::JwtBearer => {
                Proof::Assertion { assertion: form.require("assertion")?, client }
            }
            GrantType::ClientCredentials => {
                Proof::Client(client.ok_or(OAuthError::NoAuthentication)?)
            }
        };
        Ok(Self { proof, request: ClientTokenRequest::from_form(form, config.lifetime_max)? })
    }
}

/// The assertion of a client that authenticates itself. An unauthenticated `client_id` is dropped: it is not proved.
fn client_assertion(
    form: &mut Form,
    authorization: Option<AuthenticationScheme>,
) -> Result<Option<ClientAssertion>, OAuthError> {
    let [client_id, secret, assertion, kind] =
        ["client_id", "client_secret", "client_assertion", "client_assertion_type"]
            .map(|name| form.take(name));
    let has_assertion = assertion.is_some() || kind.is_some();
    let methods = [authorization.is_some(), secret.is_some(), has_assertion];
    match methods.into_iter().filter(|is_used| *is_used).count() {
        0 => return Ok(None),
        1 => {}
        _ => return Err(OAuthError::SeveralAuthentications),
    }
    if let Some(scheme) = authorization {
        return Err(OAuthError::AuthorizationHeader(scheme));
    }
    if !has_assertion {
        return Err(OAuthError::UnsupportedAuthentication);
    }
    let assertion = assertion.ok_or(OAuthError::Missing("client_assertion"))?;
    if kind.ok_or(OAuthError::Missing("client_assertion_type"))? != CLIENT_ASSERTION_TYPE {
        return Err(OAuthError::UnsupportedAuthentication);
    }
    Ok(Some(ClientAssertion { assertion, client_id }))
}

fn read_lifetime(text: &str, max: Duration) -> Result<Duration, OAuthError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse::<u64>().ok().filter(|&seconds| is_number && seconds > 0);
    let seconds = seconds.ok_or(OAuthError::ExpiresIn)?;
    let max = max.as_secs();
    if seconds > max {
        return Err(OAuthError::LifetimeTooLong(max));
    }
    Ok(Duration::from_secs(seconds))
}

/// Whether the text is an absolute URI (RFC 3986 section 4.3), as RFC 8707 section 2 requires: it has a scheme, and no
/// fragment.
fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let is_uri_char = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(c);
    is_scheme && !rest.is_empty() && rest.chars().all(is_uri_char)
}

/// Each value is compared with those before it, for each rule that is for the caller.
const MAX_RESOURCES: usize = 16;

/// `client_assertion_type` of RFC 7523 section 2.2.
const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[cfg(test)]
mod tests;
