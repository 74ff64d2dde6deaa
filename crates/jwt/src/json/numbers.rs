//! A [`Value`](serde_json::Value) holds 64-bit numbers and rounds all others, as RFC 8259 section 6
//! allows. Only the text shows whether a number was rounded.

use serde_json::Number;

use super::tokens::tokens;

/// Returns whether all numbers of a JSON text keep their values if [`object`](super::object) reads
/// and `serde_json` writes them.
///
/// Integers must fit into 64 bits. Longer ones would become decimals, which other readers round. A
/// decimal must have the value of the shortest text of its `f64`.
///
/// ```
/// use countersign_jwt::json::has_exact_numbers;
///
/// assert!(has_exact_numbers(r#"{"id": 18446744073709551615, "x": [1e2, 0.10]}"#));
/// assert!(!has_exact_numbers(r#"{"id": 18446744073709551616}"#));
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

/// A number in normal form: equal numbers have equal forms.
#[derive(PartialEq, Eq)]
enum Decimal {
    Zero,
    Other {
        is_negative: bool,
        /// Decimal digits without zeros at either end.
        digits: String,
        /// The power of ten of the last digit.
        exponent: i64,
    },
    /// The exponent does not fit into 64 bits.
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn digits_in_strings_and_names_are_ignored() {
        assert!(has_exact_numbers(r#"{"12345678901234567890123": "\"1e400", "a\\": "-1e400"}"#));
    }
}
