use std::time::Duration;

use jwt::is_plain_identifier;
use policy::{is_scope, issuance::ClientRequest};

use super::{
    AuthenticationScheme, ClientAssertion, OAuthError, PresentedAssertion,
    form::Form,
    grant_type::{CLIENT_CREDENTIALS, JWT_BEARER},
};
use crate::{IssuerConfig, lifetime::requested_lifetime};

/// A request of a client that proves its identity in the request.
#[derive(Clone, PartialEq, Eq)]
pub struct AssertionTokenRequest {
    /// The assertion, which is not yet verified.
    pub assertion: PresentedAssertion,
    /// The requested scopes, audiences and lifetime.
    pub request: ClientTokenRequest,
}

/// What a client asks for in a form: scopes and audiences, but no claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTokenRequest {
    /// `scope`.
    pub scope: Option<String>,
    /// The values of `resource` (RFC 8707) and of `audience`.
    pub audiences: Vec<String>,
    /// `expires_in`, an extension of ours.
    pub lifetime: Option<Duration>,
}

impl AssertionTokenRequest {
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
        let mut form = FormParameters::read(body)?;
        let assertion = match form.grant_type()? {
            JWT_BEARER => {
                let client = form.client_assertion(authorization)?;
                let assertion = form.assertion.take().ok_or(OAuthError::Missing("assertion"))?;
                PresentedAssertion::Grant { assertion, client }
            }
            CLIENT_CREDENTIALS => {
                let client = form.client_assertion(authorization)?;
                PresentedAssertion::Client(client.ok_or(OAuthError::NoAuthentication)?)
            }
            _ => return Err(OAuthError::GrantType("jwt-bearer or client_credentials")),
        };
        Ok(Self { assertion, request: form.request(config.lifetime_max)? })
    }
}

impl ClientTokenRequest {
    /// Reads a form of a caller that IAM has authenticated.
    ///
    /// # Errors
    /// The first problem.
    pub fn read(body: &[u8], config: &IssuerConfig) -> Result<Self, OAuthError> {
        let form = FormParameters::read(body)?;
        if form.grant_type()? != CLIENT_CREDENTIALS {
            return Err(OAuthError::GrantType(CLIENT_CREDENTIALS));
        }
        // IAM has authenticated the caller already. RFC 6749 section 2.3 forbids a second way.
        if form.has_client_assertion() || form.client_secret.is_some() {
            return Err(OAuthError::SeveralAuthentications);
        }
        form.request(config.lifetime_max)
    }

    /// Reads only what the client asks for, from a form that need not have a grant or an assertion.
    ///
    /// # Errors
    /// The first problem.
    pub fn read_parameters(body: &[u8], lifetime_max: Duration) -> Result<Self, OAuthError> {
        FormParameters::read(body)?.request(lifetime_max)
    }

    /// The request as the issuance policy reads it.
    pub(super) fn for_policy(&self) -> ClientRequest<'_> {
        ClientRequest {
            scope: self.scope.as_deref(),
            audiences: &self.audiences,
            lifetime: self.lifetime,
        }
    }
}

/// The parameters that the issuer reads from a form. It ignores others.
struct FormParameters {
    grant_type: Option<String>,
    assertion: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
    scope: Option<String>,
    resources: Vec<String>,
    audience: Option<String>,
    expires_in: Option<String>,
}

impl FormParameters {
    fn read(body: &[u8]) -> Result<Self, OAuthError> {
        let mut form = Form::parse(body)?;
        let parameters = Self {
            grant_type: form.take("grant_type")?,
            assertion: form.take("assertion")?,
            client_id: form.take("client_id")?,
            client_secret: form.take("client_secret")?,
            client_assertion: form.take("client_assertion")?,
            client_assertion_type: form.take("client_assertion_type")?,
            scope: form.take("scope")?,
            resources: form.take_all("resource"),
            audience: form.take("audience")?,
            expires_in: form.take("expires_in")?,
        };
        form.end()?;
        Ok(parameters)
    }

    fn grant_type(&self) -> Result<&str, OAuthError> {
        self.grant_type.as_deref().ok_or(OAuthError::Missing("grant_type"))
    }

    const fn has_client_assertion(&self) -> bool {
        self.client_assertion.is_some() || self.client_assertion_type.is_some()
    }

    /// The assertion of a client that authenticates itself. An unauthenticated `client_id` is dropped: nobody has proved
    /// it.
    fn client_assertion(
        &mut self,
        authorization: Option<AuthenticationScheme>,
    ) -> Result<Option<ClientAssertion>, OAuthError> {
        let has_assertion = self.has_client_assertion();
        let methods = [authorization.is_some(), self.client_secret.is_some(), has_assertion];
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
        let assertion = self.client_assertion.take();
        let assertion = assertion.ok_or(OAuthError::Missing("client_assertion"))?;
        match self.client_assertion_type.as_deref() {
            Some(CLIENT_ASSERTION_TYPE) => {}
            Some(_) => return Err(OAuthError::UnsupportedAuthentication),
            None => return Err(OAuthError::Missing("client_assertion_type")),
        }
        Ok(Some(ClientAssertion { assertion, client_id: self.client_id.take() }))
    }

    fn request(self, lifetime_max: Duration) -> Result<ClientTokenRequest, OAuthError> {
        let Self { scope, resources, audience, expires_in, .. } = self;
        if scope.as_deref().is_some_and(|scope| !is_scope(scope)) {
            return Err(OAuthError::Scope);
        }
        if resources.len() > MAX_RESOURCES {
            return Err(OAuthError::TooManyResources(MAX_RESOURCES));
        }
        if !resources.iter().all(|resource| is_absolute_uri(resource)) {
            return Err(OAuthError::Resource);
        }
        let audiences: Vec<String> = resources.into_iter().chain(audience).collect();
        if !audiences.iter().all(|audience| is_plain_identifier(audience)) {
            return Err(OAuthError::Audience);
        }
        let lifetime = expires_in.map(|text| read_lifetime(&text, lifetime_max)).transpose()?;
        Ok(ClientTokenRequest { scope, audiences, lifetime })
    }
}

fn read_lifetime(text: &str, max: Duration) -> Result<Duration, OAuthError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| is_number);
    Ok(requested_lifetime(seconds, max)?)
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
