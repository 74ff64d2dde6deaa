//! From claims to a signed token.

mod signer;
mod unsigned_token;

pub use signer::{Signed, Signer};
pub use unsigned_token::{SigningInput, Token, UnsignedToken};
