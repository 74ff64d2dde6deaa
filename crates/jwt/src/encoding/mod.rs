//! Encodings of bytes. Nothing in this folder knows what a token or a key is.

mod base64_error;
pub(crate) mod base64url;
pub(crate) mod der;
pub(crate) mod hex;
pub(crate) mod pem;

pub use base64_error::Base64Error;
