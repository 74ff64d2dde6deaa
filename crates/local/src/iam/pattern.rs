//! Wildcards in actions, resources and conditions.

/// Matches an ARN part by part: a wildcard does not match the first five colons, which separate the parts.
pub(super) fn matches_arn(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (patterns, parts): (Vec<_>, Vec<_>) =
        (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    patterns.len() == parts.len()
        && patterns.iter().zip(parts).all(|(pattern, part)| matches(pattern, part))
}

/// Matches a text: `*` matches any characters, including `/`, and `?` matches one character.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut pattern, mut text) = (&*pattern, &*text);
    // The state in which the last `*` matches one more character.
    let mut backtrack: Option<(&[char], &[char])> = None;
    loop {
        match (pattern, text) {
            (['*', rest @ ..], _) => {
                backtrack = Some((rest, text));
                pattern = rest;
            }
            ([], []) => return true,
            ([p, patterns @ ..], [t, texts @ ..]) if *p == '?' || p == t => {
                (pattern, text) = (patterns, texts);
            }
            _ => match backtrack {
                Some((rest, [_, texts @ ..])) => {
                    backtrack = Some((rest, texts));
                    (pattern, text) = (rest, texts);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "arn:aws:execute-api:us-east-1:000000000000:local/v1/GET/orders/7";

    #[test]
    fn wildcards_match_any_characters() {
        let rows = [
            ("", "", true),
            ("*", "", true),
            ("*", "a/b", true),
            ("a*c", "abbc", true),
            ("a*c", "abcb", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("abc", "ab", false),
            ("ab", "abc", false),
            ("**", "x", true),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn wildcards_do_not_cross_parts_of_an_arn() {
        let rows = [
            ("*", true),
            ("arn:aws:execute-api:us-east-1:000000000000:local/v1/*/*", true),
            ("arn:aws:execute-api:us-east-1:000000000000:local/v1/GET/*", true),
            ("arn:aws:execute-api:*:*:*", true),
            ("arn:aws:execute-api:us-east-1:000000000000:local/v1/POST/*", false),
            ("arn:aws:execute-api:us-east-1:000000000000:local/v2/*/*", false),
            ("arn:aws:execute-api:*/GET/orders/7", false),
            ("arn:*", false),
        ];
        for (pattern, expected) in rows {
            assert_eq!(matches_arn(pattern, GET), expected, "{pattern}");
        }
    }
}
