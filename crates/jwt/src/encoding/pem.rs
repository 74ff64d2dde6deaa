//! The textual encoding of a `SubjectPublicKeyInfo` (RFC 7468 section 13).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::base64_error::Base64Error;

/// Why a text is not PEM of one public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PemError {
    /// The text does not start and end with the boundaries of a public key.
    Boundaries,
    /// The text between the boundaries is not base64.
    Base64(Base64Error),
}

/// Returns the DER between the boundaries. White space is allowed around the boundaries and between
/// the characters of the base64 text.
pub(crate) fn decode(pem: &str) -> Result<Vec<u8>, PemError> {
    let body = pem.trim().strip_prefix(BEGIN).and_then(|pem| pem.strip_suffix(END));
    let base64: String = body.ok_or(PemError::Boundaries)?.split_ascii_whitespace().collect();
    STANDARD.decode(base64).map_err(|error| PemError::Base64(Base64Error::new(&error)))
}

/// Writes lines of 64 characters, as RFC 7468 section 2 requires of generators.
pub(crate) fn encode(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut pem = format!("{BEGIN}\n");
    let mut rest = &*base64;
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(LINE_CHARS).unwrap_or((rest, ""));
        pem.extend([line, "\n"]);
        rest = after;
    }
    pem + END + "\n"
}

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
const LINE_CHARS: usize = 64;
