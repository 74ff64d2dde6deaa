//! From the text of a token to its verified claims.

mod claims;
mod header;
mod key_set_verifier;
mod rejection;
mod signed_parts;
mod unverified_token;
mod validation;
mod verifier;

pub use claims::{Candidate, Claims, expiry};
pub use key_set_verifier::KeySetVerifier;
pub use rejection::{Rejection, TokenCheck};
pub use signed_parts::SignedParts;
pub use unverified_token::UnverifiedToken;
pub use validation::Validation;
pub use verifier::Verifier;
