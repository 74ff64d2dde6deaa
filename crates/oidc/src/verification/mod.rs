//! The verification of assertions.

mod assertion_error;
mod issuer_verifier;
mod purpose;

pub use assertion_error::{AssertionError, AssertionRefusal};
pub use issuer_verifier::{IssuerVerifier, Verified};
pub use purpose::Purpose;
