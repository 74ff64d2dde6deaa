//! Regular expressions for the values of a parameter, in the syntax that CloudFormation uses for `AllowedPattern`.

use runtime::Values;

/// The expression for these values, such as `(iam|simple)`. `None`: the values have no fixed form.
pub(super) fn pattern(values: Values) -> Option<String> {
    match values {
        Values::Matching { pattern, .. } => Some(pattern.to_owned()),
        Values::OneOf(values) => {
            let values: Vec<_> = values.iter().map(|value| literal(value)).collect();
            Some(group(&values))
        }
        Values::Seconds { min, max } | Values::Days { min, max } | Values::Number { min, max } => {
            Some(group(&numbers(min, max)))
        }
        Values::Text
        | Values::Names
        | Values::Rules
        | Values::Revocations
        | Values::Issuers
        | Values::Algorithm => None,
    }
}

/// A text as an expression. A character class needs no backslash, which the template would have to double.
fn literal(text: &str) -> String {
    let mut literal = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '/' | ':') {
            literal.push(character);
        } else {
            literal.extend(['[', character, ']']);
        }
    }
    literal
}

/// Alternatives as one expression.
fn group(alternatives: &[String]) -> String {
    match alternatives {
        [one] => one.clone(),
        _ => format!("({})", alternatives.join("|")),
    }
}

/// The whole numbers from `min` to `max` without leading zeros, as alternatives.
fn numbers(min: u64, max: u64) -> Vec<String> {
    let zero = (min == 0).then(|| "0".to_owned());
    if max == 0 {
        return zero.into_iter().collect();
    }
    let min = min.max(1);
    let of_length =
        |length: u32| (10_u64.saturating_pow(length - 1), 10_u64.saturating_pow(length) - 1);
    let is_whole = |length: &u32| {
        let (smallest, largest) = of_length(*length);
        min <= smallest && largest <= max
    };
    let part = |length: u32| {
        let (smallest, largest) = of_length(length);
        let (from, to) = (smallest.max(min).to_string(), largest.min(max).to_string());
        of_one_length(from.as_bytes(), to.as_bytes())
    };
    let lengths = min.ilog10() + 1..=max.max(min).ilog10() + 1;
    // The lengths of which every number is in the range are one alternative.
    let whole: Vec<_> = lengths.clone().filter(is_whole).collect();
    let ends = whole.first().copied().zip(whole.last().copied());
    let whole = ends.map(|(first, last)| format!("[1-9]{}", any_digits(first - 1, last - 1)));
    let shorter = lengths.clone().take_while(|length| !is_whole(length)).flat_map(part);
    let is_longer = |length: &u32| ends.is_some_and(|(_, last)| *length > last);
    let longer = lengths.filter(is_longer).flat_map(part);
    zero.into_iter().chain(shorter).chain(whole).chain(longer).collect()
}

/// The digits from `from` to `to`, which have the same length.
fn of_one_length(from: &[u8], to: &[u8]) -> Vec<String> {
    let (Some((&first, from)), Some((&last, to))) = (from.split_first(), to.split_first()) else {
        return vec![String::new()];
    };
    let (starts_whole, ends_whole) =
        (from.iter().all(|&digit| digit == b'0'), to.iter().all(|&digit| digit == b'9'));
    if first == last && !(starts_whole && ends_whole) {
        return vec![format!("{}{}", char::from(first), group(&of_one_length(from, to)))];
    }
    let mut alternatives = Vec::new();
    let mut middle = (first, last);
    if !starts_whole {
        let nines = vec![b'9'; from.len()];
        alternatives.push(format!("{}{}", char::from(first), group(&of_one_length(from, &nines))));
        middle.0 += 1;
    }
    if !ends_whole {
        middle.1 -= 1;
    }
    if middle.0 <= middle.1 {
        let rest = u32::try_from(from.len()).unwrap_or(u32::MAX);
        alternatives.push(format!("{}{}", digits(middle.0, middle.1), any_digits(rest, rest)));
    }
    if !ends_whole {
        let zeros = vec![b'0'; to.len()];
        alternatives.push(format!("{}{}", char::from(last), group(&of_one_length(&zeros, to))));
    }
    alternatives
}

/// One digit of a range.
fn digits(first: u8, last: u8) -> String {
    let (first, last) = (char::from(first), char::from(last));
    if first == last { first.to_string() } else { format!("[{first}-{last}]") }
}

/// Any digits, as many as these.
fn any_digits(min: u32, max: u32) -> String {
    match (min, max) {
        (0, 0) => String::new(),
        (1, 1) => "[0-9]".to_owned(),
        (0, 1) => "[0-9]?".to_owned(),
        (min, max) if min == max => format!("[0-9]{{{min}}}"),
        (min, max) => format!("[0-9]{{{min},{max}}}"),
    }
}

#[cfg(test)]
mod tests {
    use regex_lite::Regex;

    use super::*;

    fn is_match(values: Values, text: &str) -> bool {
        let pattern = pattern(values).unwrap();
        Regex::new(&format!("^{pattern}$")).unwrap().is_match(text)
    }

    #[test]
    fn numbers_are_those_between_the_bounds() {
        let bounds = [
            (0, 0),
            (0, 9),
            (0, 5),
            (1, 1),
            (1, 9),
            (1, 10),
            (3, 7),
            (9, 10),
            (0, 300),
            (1, 300),
            (10, 3600),
            (17, 23),
            (99, 100),
            (99, 101),
            (100, 199),
            (105, 1204),
            (1000, 1999),
            (1260, 9999),
            (1199, 1201),
        ];
        for (min, max) in bounds {
            for number in 0..12_000 {
                let is_within = (min..=max).contains(&number);
                let found = is_match(Values::Number { min, max }, &number.to_string());
                assert_eq!(found, is_within, "{number}, from {min} to {max}");
            }
        }
    }

    #[test]
    fn numbers_around_large_bounds() {
        let (min, max) = (1260, 31_536_000);
        let values = Values::Seconds { min, max };
        let mut power = 1;
        let mut near: Vec<u64> = Vec::new();
        while power < 1_000_000_000 {
            near.extend([power - 1, power, min + power, max - power.min(max), max + power]);
            power *= 10;
        }
        for number in near {
            let is_within = (min..=max).contains(&number);
            assert_eq!(is_match(values, &number.to_string()), is_within, "{number}");
        }
    }

    #[test]
    fn other_forms_of_numbers_do_not_match() {
        let values = Values::Seconds { min: 0, max: 300 };
        for text in ["", "05", "00", "-1", "+1", "1.5", "1e2", " 1", "1 ", "0x1"] {
            assert!(!is_match(values, text), "{text:?}");
        }
    }

    #[test]
    fn choices_are_literal() {
        let values = Values::OneOf(&["at+jwt", "a.b", "JWT"]);
        let rows = [
            ("at+jwt", true),
            ("a.b", true),
            ("JWT", true),
            ("atjwt", false),
            ("attjwt", false),
            ("axb", false),
        ];
        for (text, expected) in rows {
            assert_eq!(is_match(values, text), expected, "{text}");
        }
    }

    #[test]
    fn values_without_a_form_have_no_pattern() {
        let all = [
            Values::Text,
            Values::Names,
            Values::Rules,
            Values::Revocations,
            Values::Issuers,
            Values::Algorithm,
        ];
        for values in all {
            assert_eq!(pattern(values), None, "{values:?}");
        }
    }
}
