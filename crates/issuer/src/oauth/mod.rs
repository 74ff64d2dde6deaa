//! Grants of OAuth 2.0 (RFC 6749): a client sends a form, and the issuance policy chooses the claims of its token.
//!
//! A form is read ([`AssertionTokenRequest`]), its assertion is verified ([`PresentedAssertion::verify`]), and the policy
//! decides ([`ClientTokenRequest::grant`]). The form of a caller from IAM has no assertion.

mod authentication_scheme;
mod error;
mod form;
mod grant;
mod grant_type;
mod media_type;
mod presented_assertion;
mod request;

pub use authentication_scheme::AuthenticationScheme;
pub use error::OAuthError;
pub use grant_type::GrantType;
pub(crate) use media_type::MediaType;
pub(crate) use presented_assertion::ProviderFault;
pub use presented_assertion::{ClientAssertion, PresentedAssertion, TokenRecipient};
pub use request::{AssertionTokenRequest, ClientTokenRequest};
