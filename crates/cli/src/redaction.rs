/// The text with every word replaced that may be a token, so that a token among the arguments is not repeated
/// in an error message.
pub(crate) fn redact_tokens(text: &str) -> String {
    let is_token_character = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
    let mut rest = text;
    let mut redacted = String::new();
    while let Some(start) = rest.find(is_token_character) {
        let (before, word) = rest.split_at(start);
        let end = word.find(|c| !is_token_character(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        // `eyJ` is `{"` in base64url, the start of every header.
        let is_token = word.len() > MAX_WORD_LENGTH || (word.contains("eyJ") && word.contains('.'));
        redacted.extend([before, if is_token { "(redacted token)" } else { word }]);
        rest = after;
    }
    redacted + rest
}

/// Longer than every name that an error message has to contain.
const MAX_WORD_LENGTH: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_redacted() {
        let long = format!("a {} b", "x".repeat(121));
        let rows = [
            ("--key=eyJh.eyJz.c2ln is not a key", "(redacted token) is not a key"),
            ("eyJh.eyJz: File name too long", "(redacted token): File name too long"),
            ("https://issuer.example/eyJh.e.s?", "https://issuer.example/(redacted token)?"),
            (&*long, "a (redacted token) b"),
            ("events/a.json: No such file", "events/a.json: No such file"),
            ("there is no alias/a, eyJ", "there is no alias/a, eyJ"),
            ("", ""),
        ];
        for (text, expected) in rows {
            assert_eq!(redact_tokens(text), expected, "{text}");
        }
    }
}
