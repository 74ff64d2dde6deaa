//! Grants of OAuth 2.0 (RFC 6749): a client sends a form, and the issuance policy chooses the claims of its token.
//!
//! A form is read ([`ProvenTokenRequest`]), its proof is verified ([`Proof::verify`]), and the policy decides
//! ([`ClientTokenRequest::grant`]). For a caller from IAM there is no proof in the form.

mod authentication_scheme;
mod error;
mod form;
mod grant;
mod grant_type;
mod media_type;
mod proof;
mod request;

pub use authentication_scheme::AuthenticationScheme;
pub use error::OAuthError;
pub use grant_type::GrantType;
pub(crate) use media_type::MediaType;
pub(crate) use proof::ProviderFault;
pub use proof::{ClientAssertion, Grantee, Proof};
pub use request::{ClientTokenRequest, ProvenTokenRequest};
