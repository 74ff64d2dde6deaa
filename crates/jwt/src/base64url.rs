use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Takes the canonical form alone: no padding, no other alphabet, no trailing bits, so that a
/// token has exactly one spelling.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_read() {
        let rows = [
            ("empty", "", Some(vec![])),
            ("one byte", "_w", Some(vec![0xff])),
            ("trailing bits", "_x", None),
            ("padding", "_w==", None),
            ("the standard alphabet", "/w", None),
            ("a lone character", "_", None),
            ("white space", "_w ", None),
        ];
        for (name, text, expected) in rows {
            assert_eq!(decode(text), expected, "{name}");
        }
    }
}
