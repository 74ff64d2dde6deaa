//! Errors about the members of a rule, without the values that the rule has.

/// The message of an error, without a value: messages go to the log.
pub(crate) fn without_value(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(", expected ") {
        // As in `unknown field `a`, expected ...`: the name of a member is not a value.
        Some(_) if text.starts_with("unknown field ") => text,
        Some((_, expected)) => format!("a member has an invalid value, expected {expected}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rule {
        #[serde(rename = "a")]
        _a: u8,
    }

    #[test]
    fn message_does_not_quote_a_value() {
        let rows: [(Value, &str); 5] = [
            (json!({"a": "secret"}), "a member has an invalid value, expected u8"),
            (json!({"a": "x, expected y"}), "a member has an invalid value, expected u8"),
            (json!({"a": 300}), "a member has an invalid value, expected u8"),
            (json!({"b": 1}), "unknown field `b`, expected `a`"),
            (json!({}), "missing field `a`"),
        ];
        for (rule, expected) in rows {
            let error = serde_json::from_value::<Rule>(rule).err().unwrap();
            assert_eq!(without_value(&error), expected);
        }
    }
}
