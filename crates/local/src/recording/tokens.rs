//! Tokens in any text, good and bad.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// Whatever stands where a bearer token stands, and whatever begins with a JSON object in base64url.
pub(super) fn within(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut scheme) = (text, false);
    std::iter::from_fn(move || {
        loop {
            let start = rest.iter().position(|byte| is_token(*byte))?;
            let (before, from) = rest.split_at(start);
            let length = from.iter().position(|byte| !is_token(*byte)).unwrap_or(from.len());
            let (word, after) = from.split_at(length);
            let is_borne = scheme && before == b" ";
            (rest, scheme) = (after, word.eq_ignore_ascii_case(b"bearer"));
            if word.len() >= SHORTEST && (is_borne || has_header(word)) {
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

/// base64url, and the full stops between the parts.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// No part of a shorter one is long enough to be looked for.
const SHORTEST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_good_and_bad() {
        let (good, odd) = ("eyJhIjoxfQ.eyJiIjoyfQ.c2ln", "eyAiYSI6IDF9.x_-.c2ln");
        let garbage = "A".repeat(30);
        let host = "execute-api.us-east-1.amazonaws.com";
        let rows = [
            (format!(r#"{{"Authorization":"Bearer {good}"}}"#), vec![good]),
            (format!("bEARER {garbage}\n{garbage}"), vec![&*garbage]),
            (format!(r#"{{"body":"{{\"access_token\":\"{good}\"}}"}}"#), vec![good]),
            (format!("?token={odd}&x={good},{odd}"), vec![odd, good, odd]),
            (format!("https://{host}/{garbage} Bearer  {garbage} Basic {garbage}"), vec![]),
            ("Bearer x.y.z".into(), vec![]),
            (String::new(), vec![]),
        ];
        for (text, expected) in rows {
            let found: Vec<_> = within(text.as_bytes()).collect();
            let expected: Vec<_> = expected.into_iter().map(str::as_bytes).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
