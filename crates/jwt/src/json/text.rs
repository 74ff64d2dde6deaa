//! JSON as it is written. A [`Value`](serde_json::Value) holds numbers of 64 bits alone and rounds all others, as
//! RFC 8259 section 6 allows; the text tells what was meant.

use serde_json::Number;

/// The tokens of a JSON text, each as it is written, without the white space between them.
///
/// Any text has tokens; they mean something where the text is JSON.
///
/// ```
/// let tokens: Vec<_> = countersign_jwt::json::tokens(r#"{ "a b": 1e2 }"#).collect();
/// assert_eq!(tokens, ["{", r#""a b""#, ":", "1e2", "}"]);
/// ```
pub fn tokens(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(WHITE_SPACE);
        let length = match rest.chars().next()? {
            '"' => string_len(rest),
            first if STRUCTURAL.contains(&first) => first.len_utf8(),
            _ => rest.find(ends_word).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(token)
    })
}

/// Whether each number of a JSON text is still the same after [`object`](super::object) has read it and
/// `serde_json` has written it again.
///
/// An integer must fit into 64 bits: a longer one would become a decimal, which other readers round. Of
/// a decimal, the shortest text of its `f64` must have the same value.
///
/// ```
/// assert!(countersign_jwt::json::has_exact_numbers(r#"{"id": 18446744073709551615, "x": [1e2, 0.10]}"#));
/// assert!(!countersign_jwt::json::has_exact_numbers(r#"{"id": 18446744073709551616}"#));
/// ```
#[must_use]
pub fn has_exact_numbers(json: &str) -> bool {
    let is_number = |token: &&str| token.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    tokens(json).filter(is_number).all(is_exact)
}

fn is_exact(number: &str) -> bool {
    if !number.contains(['.', 'e', 'E']) {
        return number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
    }
    let written = number.parse::<Number>().map(|read| read.to_string());
    written.is_ok_and(|written| Decimal::read(number) == Decimal::read(&written))
}

/// A number in normal form, so that equal numbers are equal.
#[derive(PartialEq, Eq)]
enum Decimal {
    Zero,
    Other {
        is_negative: bool,
        /// Without zeros at either end.
        digits: String,
        /// The power of ten of the last digit.
        exponent: i64,
    },
    /// With an exponent of more than 64 bits.
    OutOfRange,
}

impl Decimal {
    fn read(text: &str) -> Self {
        let magnitude = text.trim_start_matches('-');
        let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_end_matches('0');
        let zeros = digits.len() - significant.len();
        let significant = significant.trim_start_matches('0');
        if significant.is_empty() {
            return Self::Zero;
        }
        let shift = i64::try_from(zeros).ok().zip(i64::try_from(fraction.len()).ok());
        let exponent = shift.zip(exponent.parse::<i64>().ok());
        let exponent =
            exponent.and_then(|((zeros, places), exponent)| exponent.checked_add(zeros - places));
        exponent.map_or(Self::OutOfRange, |exponent| Self::Other {
            is_negative: text.starts_with('-'),
            digits: significant.to_owned(),
            exponent,
        })
    }
}

/// With both quotation marks, or up to the end of a text without the second one.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn ends_word(c: char) -> bool {
    c == '"' || WHITE_SPACE.contains(&c) || STRUCTURAL.contains(&c)
}

/// RFC 8259 section 2.
const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
const STRUCTURAL: [char; 6] = ['{', '}', '[', ']', ':', ','];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_any_text_are_its_characters_without_white_space() {
        let rows: [(&str, &[&str]); 7] = [
            ("", &[]),
            (" \n", &[]),
            ("{\"a\":[-1.5e+3,true]}", &["{", "\"a\"", ":", "[", "-1.5e+3", ",", "true", "]", "}"]),
            (r#" "1 \" 2" 3"#, &[r#""1 \" 2""#, "3"]),
            (r#""\\"4"#, &[r#""\\""#, "4"]),
            ("\"ü{", &["\"ü{"]),
            ("ü\"a\"", &["ü", "\"a\""]),
        ];
        for (text, expected) in rows {
            assert_eq!(tokens(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn number_that_would_be_rounded_is_not_exact() {
        let rows = [
            ("0", true),
            ("-0", true),
            ("9223372036854775807", true),
            ("18446744073709551615", true),
            ("18446744073709551616", false),
            ("-9223372036854775808", true),
            ("-9223372036854775809", false),
            ("12345678901234567890123", false),
            // Its f64 is the same number, but is written as a decimal.
            ("10000000000000000000000", false),
            ("0.1", true),
            ("1.0", true),
            ("1e2", true),
            ("1E+2", true),
            ("100e-2", true),
            ("-0.0", true),
            ("0e99999999999999999999", true),
            ("0.10000000000000000000", true),
            ("0.30000000000000004", true),
            ("0.12345678901234567890", false),
            ("0.1000000000000000055511151231257827", false),
            ("9007199254740993.0", false),
            ("1.7976931348623157e308", true),
            ("1.7976931348623159e308", false),
            ("5e-324", true),
            ("4.9e-324", false),
            ("1e-400", false),
            ("1e400", false),
            ("1e99999999999999999999", false),
            ("1e-99999999999999999999", false),
        ];
        for (number, expected) in rows {
            assert_eq!(has_exact_numbers(number), expected, "{number}");
            let nested = format!(r#"{{"a": [{{"b":{number}}} ], "c": "1e400"}}"#);
            assert_eq!(has_exact_numbers(&nested), expected, "{nested}");
        }
    }

    #[test]
    fn digits_in_strings_and_names_are_no_numbers() {
        assert!(has_exact_numbers(r#"{"12345678901234567890123": "\"1e400", "a\\": "-1e400"}"#));
    }
}
