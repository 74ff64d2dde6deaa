//! The spellings of a path: what a backend may read that decodes, merges and folds before it routes.

use percent_encoding::percent_decode_str;

/// The segments of a path in its second reading: each segment is decoded once, split at the slashes
/// that come out of it and cut at `;` (a path parameter, RFC 3986 section 3.3), and letters lose their
/// case. Empty segments stay. `None` for a path that a backend may resolve or rewrite before it routes:
/// with a dot segment (RFC 3986 section 5.2.4), a backslash or a control character, encoded or not.
pub(crate) fn second_reading(path: &str) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        if decoded.contains(|c: char| c == '\\' || c.is_control()) {
            return None;
        }
        for part in decoded.split('/') {
            let name = part.split(';').next().unwrap_or_default();
            if matches!(name, "." | "..") {
                return None;
            }
            segments.push(fold(name));
        }
    }
    Some(segments)
}

/// Without the differences that a comparison without case ignores: `ſ` and `K` are letters of ASCII then.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::second_reading;

    #[test]
    fn second_readings() {
        let rows: [(&str, &[&str]); 17] = [
            ("", &[""]),
            ("a", &["a"]),
            ("A/B", &["a", "b"]),
            ("%61%64min/x", &["admin", "x"]),
            ("admin%2Fx", &["admin", "x"]),
            ("admin%2fx", &["admin", "x"]),
            ("//a//b/", &["", "", "a", "", "b", ""]),
            ("admin;v=1/x;y", &["admin", "x"]),
            ("admin%3Bv=1", &["admin"]),
            (";/a", &["", "a"]),
            ("u/a%40b.c", &["u", "a@b.c"]),
            ("x%20y", &["x y"]),
            // Decoded once, and left alone where it is no encoding.
            ("%2561", &["%61"]),
            ("100%/%4/%zz", &["100%", "%4", "%zz"]),
            ("%FF", &["\u{fffd}"]),
            ("%E2%84%AA\u{17f}", &["ks"]),
            (".../.a/a./..a", &["...", ".a", "a.", "..a"]),
        ];
        for (path, expected) in rows {
            let found = second_reading(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn paths_that_a_backend_may_rewrite_have_none() {
        for path in [
            ".",
            "..",
            "a/./b",
            "x/../admin/x",
            "a/..",
            "%2e%2E/a",
            ".%2e",
            "a/%2e",
            "a/..;/b",
            "a/.;x=1",
            "a/%2e%2e%3Bx",
            "x%2F..%2Fadmin",
            "a\\b",
            "a%5Cb",
            "a%5cb",
            "a\0",
            "a%00b",
            "a%0d%0ab",
            "a%7F",
            "a\u{85}b",
            "a%C2%85",
        ] {
            assert_eq!(second_reading(path), None, "{path}");
        }
    }
}
