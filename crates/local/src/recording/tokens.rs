//! Finds tokens in text, valid and invalid.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// Finds the words that follow the scheme `Bearer`, and those that start with a base64url JSON object.
pub(super) fn find(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut follows_scheme) = (text, false);
    std::iter::from_fn(move || {
        loop {
            let start = rest.iter().position(|byte| is_token_byte(*byte))?;
            let (before, from) = rest.split_at(start);
            let length = from.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(from.len());
            let (word, after) = from.split_at(length);
            let is_bearer_token = follows_scheme && before == b" ";
            (rest, follows_scheme) = (after, word.eq_ignore_ascii_case(b"bearer"));
            if word.len() >= MIN_LENGTH && (is_bearer_token || has_header(word)) {
                return Some(word);
            }
        }
    })
}

fn has_header(word: &[u8]) -> bool {
    let header = word.split(|byte| *byte == b'.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
    serde_json::from_slice::<Map<String, Value>>(&header).is_ok()
}

/// Whether a byte is base64url or the separator of the parts.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// The audit of the logs does not search for shorter secrets.
const MIN_LENGTH: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_and_invalid_tokens_are_found() {
        let (canonical, spaced) = ("eyJhIjoxfQ.eyJiIjoyfQ.c2ln", "eyAiYSI6IDF9.x_-.c2ln");
        let garbage = "A".repeat(30);
        let host = "execute-api.us-east-1.amazonaws.com";
        let rows = [
            (format!(r#"{{"Authorization":"Bearer {canonical}"}}"#), vec![canonical]),
            (format!("bEARER {garbage}\n{garbage}"), vec![&*garbage]),
            (format!(r#"{{"body":"{{\"access_token\":\"{canonical}\"}}"}}"#), vec![canonical]),
            (format!("?token={spaced}&x={canonical},{spaced}"), vec![spaced, canonical, spaced]),
            (format!("https://{host}/{garbage} Bearer  {garbage} Basic {garbage}"), vec![]),
            ("Bearer x.y.z".into(), vec![]),
            (String::new(), vec![]),
        ];
        for (text, expected) in rows {
            let found: Vec<_> = find(text.as_bytes()).collect();
            let expected: Vec<_> = expected.into_iter().map(str::as_bytes).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
