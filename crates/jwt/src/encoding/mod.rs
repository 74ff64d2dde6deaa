//! Encodings of bytes, independent of tokens and keys.

mod base64_error;
pub(crate) mod base64url;
pub(crate) mod der;
pub(crate) mod hex;
pub(crate) mod pem;

pub use base64_error::Base64Error;
