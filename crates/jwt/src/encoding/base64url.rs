//! Base64url without padding (RFC 7515 section 2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::base64_error::Base64Error;

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Accepts only the canonical form, without padding and trailing bits. Otherwise one token could be
/// written in several ways.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Base64Error> {
    URL_SAFE_NO_PAD.decode(text).map_err(|error| Base64Error::new(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_text_is_decoded() {
        let rows = [
            ("empty text", "", Ok(vec![])),
            ("one byte", "_w", Ok(vec![0xff])),
            ("trailing bits", "_x", Err(Base64Error::TrailingBits { offset: 1 })),
            ("padding", "_w==", Err(Base64Error::Padding)),
            ("standard alphabet", "/w", Err(Base64Error::Character { offset: 0 })),
            ("one character", "_", Err(Base64Error::Length { characters: 1 })),
            ("white space", "_w ", Err(Base64Error::Character { offset: 2 })),
        ];
        for (name, text, expected) in rows {
            assert_eq!(decode(text), expected, "{name}");
        }
    }
}
