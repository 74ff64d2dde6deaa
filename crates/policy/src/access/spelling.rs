//! The spellings of a path: what a backend may read that decodes, cuts, merges or folds before it routes.

use percent_encoding::percent_decode_str;

/// Which steps a backend takes before it routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Steps {
    /// Each segment is decoded once, and an encoded slash separates segments.
    decodes: bool,
    parameters: Parameters,
    /// Empty segments are left out, and the slash at the end.
    merges: bool,
    /// Case is ignored.
    folds: bool,
}

/// What becomes of path parameters, from `;` to the end of a segment (RFC 3986 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parameters {
    Kept,
    /// Cut off before the segment is decoded, or without decoding it.
    CutFirst,
    /// Cut off after the segment was decoded and split.
    CutLast,
}

impl Steps {
    pub(crate) const ALL: Self =
        Self { decodes: true, parameters: Parameters::CutLast, merges: true, folds: true };

    /// All combinations.
    pub(crate) fn combinations() -> impl Iterator<Item = Self> {
        let reads = [
            (false, Parameters::Kept),
            (false, Parameters::CutFirst),
            (true, Parameters::Kept),
            (true, Parameters::CutFirst),
            (true, Parameters::CutLast),
        ];
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        reads.into_iter().flat_map(move |(decodes, parameters)| {
            flags.map(|(merges, folds)| Self { decodes, parameters, merges, folds })
        })
    }

    /// The segments of a path after these steps, and whether a slash at the end was left out.
    pub(crate) fn read(self, path: &str) -> (Vec<String>, bool) {
        let mut segments: Vec<String> = Vec::new();
        for segment in path.split('/') {
            let segment = if self.parameters == Parameters::CutFirst {
                without_parameters(segment)
            } else {
                segment
            };
            let decoded = if self.decodes {
                percent_decode_str(segment).decode_utf8_lossy()
            } else {
                segment.into()
            };
            for part in decoded.split('/') {
                let last = self.parameters == Parameters::CutLast;
                let name = if last { without_parameters(part) } else { part };
                segments.push(if self.folds { fold(name) } else { name.to_owned() });
            }
        }
        let has_slash = segments.last().is_some_and(String::is_empty);
        if self.merges {
            segments.retain(|segment| !segment.is_empty());
        }
        let left_out = self.merges && has_slash && !segments.is_empty();
        (segments, left_out)
    }
}

/// Whether a backend may resolve or rewrite the path before it routes: with a dot segment (RFC 3986
/// section 5.2.4), a backslash or a control character, encoded or not.
pub(crate) fn is_ambiguous(path: &str) -> bool {
    path.split('/').any(|segment| {
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        let is_dots = |part: &str| matches!(without_parameters(part), "." | "..");
        decoded.contains(|c: char| c == '\\' || c.is_control())
            || decoded.split('/').any(is_dots)
            || is_dots(&percent_decode_str(without_parameters(segment)).decode_utf8_lossy())
    })
}

/// Whether all combinations of steps leave the path as it is.
pub(crate) fn reads_as_sent(path: &str) -> bool {
    let plain = |b: u8| !b.is_ascii_uppercase() && b.is_ascii() && b != b'%' && b != b';';
    path.bytes().all(plain)
        && (path.is_empty() || path.split('/').all(|segment| !segment.is_empty()))
}

fn without_parameters(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default()
}

/// Without the differences that a comparison without case ignores: `ſ`, `K` and `İ` are letters of ASCII then.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.to_uppercase().to_lowercase().replace("i\u{307}", "i")
}

#[cfg(test)]
mod tests {
    use super::{Steps, is_ambiguous, reads_as_sent};

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
            ("%E2%84%AA\u{17f}%C4%B0", &["ksi"]),
            (".../.a/a./..a", &["...", ".a", "a.", "..a"]),
        ];
        let unmerged = Steps { merges: false, ..Steps::ALL };
        for (path, expected) in rows {
            assert_eq!(unmerged.read(path).0, expected, "{path}");
            assert!(!is_ambiguous(path), "{path}");
            let (merged, slash) = Steps::ALL.read(path);
            let named = expected.iter().filter(|segment| !segment.is_empty());
            assert!(merged.iter().eq(named), "{path}: {merged:?}");
            assert_eq!(slash, !merged.is_empty() && expected.last() == Some(&""), "{path}");
        }
    }

    #[test]
    fn combinations_of_steps() {
        let read = |path: &str| {
            let mut readings: Vec<_> =
                Steps::combinations().map(|steps| steps.read(path).0.join("/")).collect();
            readings.sort_unstable();
            readings.dedup();
            readings
        };
        let rows: [(&str, &[&str]); 6] = [
            ("a/b", &["a/b"]),
            ("A//b", &["A//b", "A/b", "a//b", "a/b"]),
            ("a%62", &["a%62", "ab"]),
            ("a;b/", &["a", "a/", "a;b", "a;b/"]),
            ("a;%2Fb", &["a", "a/b", "a;%2Fb", "a;%2fb", "a;/b"]),
            ("%3Ba", &["", "%3Ba", "%3ba", ";a"]),
        ];
        for (path, expected) in rows {
            assert_eq!(read(path), expected, "{path}");
            assert_eq!(reads_as_sent(path), expected.len() == 1, "{path}");
        }
    }

    #[test]
    fn paths_that_a_backend_may_rewrite_are_ambiguous() {
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
            "a;b%2F..",
            "..;a%2Fb",
            "%2e%2e;a%2Fb",
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
            assert!(is_ambiguous(path), "{path}");
        }
    }
}
