//! What `*` and `?` stand for.

/// Wildcards do not reach over the first five colons of an ARN, each of which ends a part of it.
pub(super) fn matches_arn(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (patterns, parts): (Vec<_>, Vec<_>) =
        (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    patterns.len() == parts.len()
        && patterns.iter().zip(parts).all(|(pattern, part)| matches(pattern, part))
}

/// `*` stands for any run of characters, `/` among them, and `?` for any one.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut pattern, mut text) = (&*pattern, &*text);
    // Where to go on when the last `*` has to take one character more.
    let mut retry: Option<(&[char], &[char])> = None;
    loop {
        match (pattern, text) {
            (['*', rest @ ..], _) => {
                retry = Some((rest, text));
                pattern = rest;
            }
            ([], []) => return true,
            ([p, patterns @ ..], [t, texts @ ..]) if *p == '?' || p == t => {
                (pattern, text) = (patterns, texts);
            }
            _ => match retry {
                Some((rest, [_, texts @ ..])) => {
                    retry = Some((rest, texts));
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
    fn wildcards() {
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
    fn arns() {
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
